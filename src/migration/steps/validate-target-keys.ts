import { loadEngine } from '../../engines/registry.js';
import { RefusedError } from '../../model/errors.js';
import { relationsOn } from '../shape.js';
import type { GuardContext, Step } from '../step-context.js';

async function statements(context: Pick<GuardContext, 'service'>) {
  const { ddl } = await loadEngine(context.service.targetEngine);
  return ddl.createService(context.service).filter(({ stage }) => stage === 'validate');
}

/** Keys that the opening created without reading the rows are validated now; identities are given by the database again. */
export const validateTargetKeys: Step = {
  name: 'validate-target-keys',
  describe: async (context) =>
    (await statements(context)).map(({ sql, purpose }) => ({ where: 'target', sql, purpose })),
  check: async () => 'todo',
  do: async (context) => {
    const broken = await context.target.fence.attachKeys(
      context.owner,
      relationsOn('target', context),
      'inner',
      context.signal,
    );
    if (broken.length > 0) {
      throw new RefusedError({
        code: 'DBPS_E342',
        message: `rows break ${broken.map(({ relation, name, error }) => `${name} of ${relation} (${error})`).join('; ')}`,
        hint: `dbps verify ${context.service.name} lists the orphans. Mend them in the service database and run it again.`,
      });
    }
    await context.target.ddlRunner.run(await statements(context), context.owner, context.signal);
  },
  verify: async () => undefined,
};
