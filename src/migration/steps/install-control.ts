import { relationsOn } from '../shape.js';
import type { Step, StepContext } from '../step-context.js';

/** dbps's own tables in both databases, this runner's epoch in each, and a route that sends everything to legacy. */
export const installControl: Step = {
  name: 'install-control',
  describe: async () => [
    {
      where: 'legacy',
      sql: null,
      purpose: 'create the schema dbps with the control tables, unless they are there',
    },
    {
      where: 'target',
      sql: null,
      purpose: 'create the schema dbps with the control tables, unless they are there',
    },
  ],
  check: async (context) => {
    const { service, epoch } = context.owner;
    const epochs = [
      await context.legacy.control.readEpoch(service),
      await context.target.control.readEpoch(service),
    ];
    const route = await context.store.route(service);
    return epochs.every((found) => found === epoch) && route !== null ? 'done' : 'todo';
  },
  do: async (context) => {
    for (const { control } of [context.legacy, context.target]) {
      await control.install(context.owner.service);
      await control.raiseEpoch(context.owner);
    }
    await context.store.updateRoute(context.owner, { readShare: 0, readRelations: [] });
  },
  verify: async (context) => {
    if ((await installControl.check(context)) !== 'done')
      throw new Error('the control tables do not know this runner');
  },
  undo: removeControlTables,
};

/** The lease and the journal are the state store's and stay. Fences go first: one that reads a row which is gone refuses every write. */
export async function removeControlTables(context: Parameters<Step['do']>[0]): Promise<void> {
  for (const side of ['target', 'legacy'] as const) {
    if ((await context[side].control.readEpoch(context.owner.service)) !== null)
      await context[side].fence.remove(context.owner, relationsOn(side, context), context.signal);
  }
  for (const { control } of [context.target, context.legacy]) {
    if ((await control.readEpoch(context.owner.service)) !== null) await control.remove(context.owner);
  }
}

/**
 * The service database's control rows are the first that removing takes: whatever comes before it is over then, and can no longer be written
 * under an epoch.
 */
export async function isControlGone(context: StepContext): Promise<boolean> {
  return (await context.target.control.readEpoch(context.owner.service)) === null;
}
