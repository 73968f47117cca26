import { relationsOn } from '../shape.js';
import type { Step } from '../step-context.js';

/** After a rollback the service database follows legacy again, from the position that the rollback's commit stored. */
export const resumeForward: Step = {
  name: 'resume-forward',
  describe: async () => [
    {
      where: 'target',
      sql: null,
      purpose: 'take away foreign keys among the relations, where the applier cannot be a replica',
    },
    { where: 'target', sql: null, purpose: 'apply what legacy writes; watch the service database' },
  ],
  check: async () => 'todo',
  do: async (context) => {
    await context.target.fence.prepareApplier(context.owner, relationsOn('target', context), context.signal);
    await context.forward.start('apply');
    await context.reverse.start('watch');
  },
  verify: async (context) => {
    const { error } = context.forward.status();
    if (error !== null) throw error;
  },
};
