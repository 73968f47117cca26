import { readOwnership } from '../ownership.js';
import { backSides } from '../sides.js';
import type { Step, StepContext } from '../step-context.js';
import { switchWrites } from '../switch-writes.js';

/** The commit point of a rollback: the same switch with the sides swapped, in one transaction of the service database. */
export const switchWritesBack: Step = {
  name: 'switch-writes-back',
  isCommitPoint: true,
  describe: async (context) => [
    {
      where: 'target',
      sql: null,
      purpose: `hold the writers of ${context.maps.length} relations behind locks, at most ${context.settings.writeCutover.fenceTimeoutMs} ms`,
    },
    { where: 'target', sql: null, purpose: 'commit a marker row and wait for it in legacy' },
    { where: 'legacy', sql: null, purpose: 'compare what changed lately; let sequences go on beyond these' },
    {
      where: 'target',
      sql: null,
      purpose:
        'in one transaction: fence, sequences, ownership, start of forward capture; COMMIT is the commit point',
    },
  ],
  check: async (context) => ((await isSwitchedBack(context)) ? 'done' : 'todo'),
  do: async (context) => {
    // While the service owns, its share of reads says nothing; behind the opened legacy database it would be a lagging copy.
    await context.store.updateRoute(context.owner, { readShare: 0, readRelations: [] });
    return { ...(await switchWrites(context, backSides(context), 'switch-writes-back')) };
  },
  verify: async (context) => {
    if (!(await isSwitchedBack(context))) throw new Error('the ownership row still names the service');
  },
  undo: async (context) => {
    await context.reverse.start('apply');
    await context.forward.start('watch');
  },
};

async function isSwitchedBack(context: StepContext): Promise<boolean> {
  const { service, accepting, decided } = await readOwnership(context, context.service.name);
  return service?.owner !== 'service' && (accepting === 'legacy' || decided === 'legacy');
}
