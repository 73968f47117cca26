import { relationsOn } from '../shape.js';
import type { Step } from '../step-context.js';

/** Legacy is kept current from the service database: what a rollback rests on. */
export const startReverse: Step = {
  name: 'start-reverse',
  describe: async () => [
    {
      where: 'legacy',
      sql: null,
      purpose: 'take away foreign keys among the relations, where the applier cannot be a replica',
    },
    {
      where: 'legacy',
      sql: null,
      purpose: 'apply what the service writes; watch legacy for writes that round the fence',
    },
  ],
  check: async () => 'todo',
  do: async (context) => {
    await context.legacy.fence.prepareApplier(context.owner, relationsOn('legacy', context), context.signal);
    await context.reverse.start('apply');
    await context.forward.start('watch');
  },
  verify: async (context) => {
    const { error } = context.reverse.status();
    if (error !== null) throw error;
  },
};
