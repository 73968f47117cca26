import type { StagedStatement } from '../../engines/engine.js';
import { loadEngine } from '../../engines/registry.js';
import { readShape } from '../shape.js';
import type { GuardContext, Step } from '../step-context.js';

/** Indexes were built beside the copy; anything of theirs that is missing (a relation without rows to copy) comes here too. */
async function statements(context: Pick<GuardContext, 'service'>): Promise<readonly StagedStatement[]> {
  const { ddl } = await loadEngine(context.service.targetEngine);
  return ddl
    .createService(context.service)
    .filter(({ stage }) => stage === 'key' || stage === 'index' || stage === 'constraint');
}

/** Other unique, exclusion and check constraints: they hold only once both sides have converged, and are built while apply rests. */
export const buildKeys: Step = {
  name: 'build-keys',
  describe: async (context) =>
    (await statements(context))
      .filter(({ stage }) => stage === 'constraint')
      .map(({ sql, purpose }) => ({ where: 'target', sql, purpose })),
  check: async () => 'todo',
  do: async (context) => {
    await context.forward.start('apply');
    await context.forward.pause();
    try {
      await context.target.ddlRunner.run(await statements(context), context.owner, context.signal);
    } finally {
      context.forward.resume();
    }
    await context.store.saveShapes(context.owner, { target: await readShape('target', context) });
  },
  verify: async (context) => {
    if ((await context.store.shapes(context.service.name)).target === null) {
      throw new Error('the shape of the service database was not recorded');
    }
  },
};
