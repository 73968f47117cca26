import { openSide, proveOpen } from '../open-side.js';
import { readOwnership } from '../ownership.js';
import type { Step } from '../step-context.js';

/** A rollback's counterpart of open-target. */
export const openLegacy: Step = {
  name: 'open-legacy',
  describe: async () => [
    {
      where: 'legacy',
      sql: null,
      purpose:
        'enable triggers, restore foreign keys (not yet validated) and open the fence, in one transaction',
    },
    { where: 'legacy', sql: null, purpose: 'prove with zero-row writes that the relations can be written' },
  ],
  check: async (context) =>
    (await readOwnership(context, context.service.name)).accepting === 'legacy' ? 'done' : 'todo',
  do: (context) => openSide(context, 'legacy'),
  verify: (context) => proveOpen(context, 'legacy'),
};
