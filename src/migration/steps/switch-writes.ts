import { readOwnership } from '../ownership.js';
import { forwardSides } from '../sides.js';
import type { Step, StepContext } from '../step-context.js';
import { switchWrites as carryOver } from '../switch-writes.js';

/** The commit point of the cutover (docs/protocol.md, write cutover): migration/switch-writes.ts. */
export const switchWrites: Step = {
  name: 'switch-writes',
  isCommitPoint: true,
  describe: async (context) => [
    {
      where: 'legacy',
      sql: null,
      purpose: `hold the writers of ${context.service.relations.length} relations behind locks, at most ${context.settings.writeCutover.fenceTimeoutMs} ms`,
    },
    { where: 'legacy', sql: null, purpose: 'commit a marker row and wait for it in the service database' },
    { where: 'target', sql: null, purpose: 'compare what changed lately; let sequences go on beyond these' },
    {
      where: 'legacy',
      sql: null,
      purpose:
        'in one transaction: fence, sequences, ownership, start of reverse capture; COMMIT is the commit point',
    },
  ],
  check: async (context) => ((await isSwitched(context)) ? 'done' : 'todo'),
  do: async (context) => ({ ...(await carryOver(context, forwardSides(context), 'switch-writes')) }),
  verify: async (context) => {
    if (!(await isSwitched(context))) throw new Error('the ownership row still names legacy');
  },
  // Everything before the commit was rolled back by the server; the streams go back to their work.
  undo: async (context) => {
    await context.forward.start('apply');
    await context.reverse.start('watch');
  },
};

async function isSwitched(context: StepContext): Promise<boolean> {
  const { legacy, accepting, decided } = await readOwnership(context, context.service.name);
  return legacy?.owner === 'service' && (accepting === 'service' || decided === 'service');
}
