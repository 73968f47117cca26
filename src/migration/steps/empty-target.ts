import { loadEngine } from '../../engines/registry.js';
import { relationsOn } from '../shape.js';
import type { Step, StepContext } from '../step-context.js';

const BUILT_BY_COPY = ['key', 'index', 'constraint'];

/**
 * Back to bare tables, behind the same fence and in the same publication: foreign keys are taken away (the fence remembers them), rows
 * and progress removed, and what was built on them dropped, so that the next copy meets what the first one met.
 */
export async function emptyTargetOf(context: StepContext): Promise<void> {
  const { target, owner, service, signal } = context;
  // Without its checkpoint the stream was forgotten, which comes after the emptying.
  if ((await target.control.readCheckpoint(service.name, 'forward')) === null) return;
  await context.forward.stop();
  await target.fence.detachKeys(owner, relationsOn('target', context), 'inner', signal);
  const sink = await target.sink.open({
    stream: { service: service.name, direction: 'forward' },
    owner,
    maps: context.maps,
  });
  try {
    for (const map of context.maps) await sink.resetRelation(map);
  } finally {
    await sink.close();
  }
  await context.at('empty-target.emptied');
  const { ddl } = await loadEngine(service.targetEngine);
  const built = ddl.createService(service).filter(({ stage }) => BUILT_BY_COPY.includes(stage));
  await target.ddlRunner.undo(built, owner, signal);
}

export const emptyTarget: Step = {
  name: 'empty-target',
  describe: async (context) =>
    context.maps.map((map) => ({ where: 'target' as const, sql: null, purpose: `empty ${map.target}` })),
  check: async () => 'todo',
  do: emptyTargetOf,
  verify: async (context) => {
    for (const map of context.maps) {
      const rows = await context.target.checksum.count(map, 'target', context.signal);
      if (rows > 0) throw new Error(`${map.target} still holds ${rows} rows`);
    }
  },
};
