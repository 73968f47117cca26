import { accessNote, lookForAccess } from '../legacy-access.js';
import type { Step } from '../step-context.js';

/** The clock that decommission waits for; an interrupted transition does not start it anew. */
export const beginSoak: Step = {
  name: 'begin-soak',
  describe: async (context) => [
    {
      where: 'state',
      sql: null,
      purpose: `begin the soak of ${Math.round(context.settings.decommission.soakMs / 3_600_000)}h that decommission waits for`,
    },
  ],
  check: async (context) =>
    (await context.store.service(context.service.name))?.soakStartedAt == null ? 'todo' : 'done',
  do: async (context) => {
    // Counters of before are no longer of interest: only what is added to them.
    const note = accessNote(await lookForAccess(context), true);
    if (note !== null) await context.store.append(context.owner, note);
    await context.store.update(context.owner, { soakStartedAt: new Date(context.now()).toISOString() });
  },
  verify: async (context) => {
    if ((await beginSoak.check(context)) !== 'done') throw new Error('the soak was not begun');
  },
  undo: async (context) => {
    await context.store.update(context.owner, { soakStartedAt: null });
  },
};
