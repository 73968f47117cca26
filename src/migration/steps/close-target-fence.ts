import { loadEngine } from '../../engines/registry.js';
import { fenceOptions } from '../fence-options.js';
import { relationsOn } from '../shape.js';
import type { GuardContext, Step, StepContext } from '../step-context.js';

/** Triggers, keys and rules: they act by themselves, so they come with the transaction that opens the database to applications. */
async function openingStatements(context: Pick<GuardContext, 'service'>) {
  const { ddl } = await loadEngine(context.service.targetEngine);
  return ddl.createService(context.service).filter(({ stage }) => stage === 'open');
}

/** Nobody but the applier writes the service database until it owns the writes. */
export const closeTargetFence: Step = {
  name: 'close-target-fence',
  describe: async (context) => [
    {
      where: 'target',
      sql: null,
      purpose: `refuse writes to ${context.maps.length} relations to everybody but dbps`,
    },
    ...(await openingStatements(context)).map(({ sql, purpose }) => ({
      where: 'target' as const,
      sql,
      purpose: `kept for the opening: ${purpose}`,
    })),
  ],
  check: async (context) => ((await isClosed(context)) ? 'done' : 'todo'),
  do: async (context) => {
    await context.target.fence.close(context.owner, relationsOn('target', context), {
      ...fenceOptions(context, context.target, 'legacy'),
      newOwner: 'legacy',
      whenOpening: await openingStatements(context),
    });
  },
  verify: async (context) => {
    if (!(await isClosed(context))) throw new Error('the fence of the service database is not closed');
  },
  undo: async (context) => {
    await context.target.fence.remove(context.owner, relationsOn('target', context), context.signal);
  },
};

async function isClosed(context: StepContext): Promise<boolean> {
  const states = await context.target.fence.observe(context.service.name, relationsOn('target', context));
  return states.every(({ state }) => state === 'closed');
}
