import { relationsOn } from '../shape.js';
import type { Step } from '../step-context.js';

/**
 * Before the locks of the cutover: dropping a key waits for readers, and a cascade from a parent that stays would run into the fence. Remembered,
 * and put back by a rollback.
 */
export const detachCrossingKeys: Step = {
  name: 'detach-crossing-keys',
  describe: async (context) =>
    context.service.detached.flatMap(({ foreignKey, label, child }) =>
      foreignKey === undefined
        ? []
        : [
            {
              where: 'legacy' as const,
              sql: `ALTER TABLE ${child} DROP CONSTRAINT ${foreignKey.name}`,
              purpose: `${label} crosses the boundary`,
            },
          ],
    ),
  check: async () => 'todo',
  do: async (context) => ({
    detached: await context.legacy.fence.detachKeys(
      context.owner,
      relationsOn('legacy', context),
      'crossing',
      context.signal,
    ),
  }),
  // Taking them is idempotent: a second call finds nothing left to take.
  verify: async (context) => {
    const left = await context.legacy.fence.detachKeys(
      context.owner,
      relationsOn('legacy', context),
      'crossing',
      context.signal,
    );
    if (left.length > 0) throw new Error(`foreign keys came back: ${left.join(', ')}`);
  },
  undo: async (context) => {
    await context.legacy.fence.attachKeys(
      context.owner,
      relationsOn('legacy', context),
      'crossing',
      context.signal,
    );
  },
};
