import { loadEngine } from '../../engines/registry.js';
import type { StagedStatement } from '../../engines/engine.js';
import { relationsOn } from '../shape.js';
import type { GuardContext, Step, StepContext } from '../step-context.js';
import { isControlGone } from './install-control.js';

async function statements(context: Pick<GuardContext, 'service'>): Promise<readonly StagedStatement[]> {
  const { ddl } = await loadEngine(context.service.targetEngine);
  return ddl.createService(context.service);
}

/** Bare tables and what they need: keys and indexes follow the copy, foreign keys and triggers the opening (docs/protocol.md, copy). */
export const createTargetSchema: Step = {
  name: 'create-target-schema',
  describe: async (context) =>
    (await statements(context))
      .filter((statement) => statement.stage === 'base')
      .map(({ sql, purpose }) => ({ where: 'target', sql, purpose })),
  check: async () => 'todo',
  do: async (context) => {
    const base = (await statements(context)).filter((statement) => statement.stage === 'base');
    await context.target.ddlRunner.run(base, context.owner, context.signal);
    return { statements: base.length };
  },
  verify: async (context) => {
    const missing = await missingRelations(context);
    if (missing.length > 0) throw new Error(`not created: ${missing.join(', ')}`);
  },
  undo: dropTargetSchemaOf,
};

async function missingRelations(context: StepContext): Promise<readonly string[]> {
  const { relations } = await context.target.introspector.readRelations(
    context.maps.map((map) => map.target),
  );
  const there = new Set(relations.map((relation) => relation.id));
  return context.maps.map((map) => map.target).filter((id) => !there.has(id));
}

export async function dropTargetSchemaOf(context: StepContext): Promise<void> {
  await context.target.fence.remove(context.owner, relationsOn('target', context), context.signal);
  await context.target.ddlRunner.undo(await statements(context), context.owner, context.signal);
}

/** Everything that createService made, last first. */
export const dropTargetSchema: Step = {
  name: 'drop-target-schema',
  describe: async (context) =>
    (await statements(context))
      .toReversed()
      .flatMap(({ undo, purpose }) =>
        undo === null ? [] : [{ where: 'target' as const, sql: undo, purpose: `take back: ${purpose}` }],
      ),
  check: async (context) => ((await isControlGone(context)) ? 'done' : 'todo'),
  do: dropTargetSchemaOf,
  verify: async (context) => {
    const missing = await missingRelations(context);
    if (missing.length < context.maps.length) throw new Error('relations of the service are left');
  },
};
