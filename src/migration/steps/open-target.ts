import { openSide, proveOpen } from '../open-side.js';
import { readOwnership } from '../ownership.js';
import type { Step } from '../step-context.js';

/** From the commit until this nobody accepts writes: it can only be finished. */
export const openTarget: Step = {
  name: 'open-target',
  describe: async (context) => [
    {
      where: 'target',
      sql: null,
      purpose: 'create triggers and foreign keys (not yet validated) and open the fence, in one transaction',
    },
    {
      where: 'target',
      sql: null,
      purpose: `prove with zero-row writes that ${context.maps.length} relations can be written`,
    },
  ],
  check: async (context) =>
    (await readOwnership(context, context.service.name)).accepting === 'service' ? 'done' : 'todo',
  do: (context) => openSide(context, 'service'),
  verify: (context) => proveOpen(context, 'service'),
};
