import type { KeyScope } from '../../engines/engine.js';
import { relationsOn } from '../shape.js';
import type { Step } from '../step-context.js';

/** A rollback gives legacy its keys back. One that rows break by now stays unvalidated and is told: writers are not stopped for it. */
export const attachCrossingKeys: Step = {
  name: 'attach-crossing-keys',
  describe: async () => [
    {
      where: 'legacy',
      sql: null,
      purpose: 'restore foreign keys that cross the boundary, then validate them',
    },
  ],
  check: async () => 'todo',
  do: async (context) => {
    const broken = [];
    for (const scope of ['inner', 'crossing'] as const satisfies readonly KeyScope[])
      broken.push(
        ...(await context.legacy.fence.attachKeys(
          context.owner,
          relationsOn('legacy', context),
          scope,
          context.signal,
        )),
      );
    const names = [...new Set(broken.map(({ relation, name }) => `${relation} ${name}`))];
    for (const { relation, name, error, remedy } of broken) {
      context.emit({
        type: 'finding',
        finding: {
          code: 'IDX301',
          severity: 'warning',
          subject: `${relation} ${name}`,
          relation,
          service: context.service.name,
          message: `the foreign key ${name} of ${relation} is back, but existing rows break it: ${error}`,
          remedy,
        },
      });
    }
    return { unvalidated: names };
  },
  verify: async () => undefined,
};
