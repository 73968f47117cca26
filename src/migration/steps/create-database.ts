import type { Step } from '../step-context.js';

/** An empty database is left standing by the way back: it may have been there before, and it holds nothing. */
export const createDatabase: Step = {
  name: 'create-database',
  describe: async (context) =>
    context.targetExists
      ? []
      : [{ where: 'target', sql: null, purpose: `create the database of ${context.service.name}` }],
  check: async () => 'todo',
  do: async (context) => ({ created: await context.createTarget() }),
  verify: async (context) => {
    await context.target.control.isInstalled();
  },
};
