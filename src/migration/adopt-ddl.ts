/**
 * `migrate resume --apply-ddl`: an additive change that legacy got while the service was on its way is made in the service database too, and
 * the service goes on under a plan that knows it. Anything else has changed rows without a word in the log, and is copied again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../engines/engine.js';
import { loadEngine } from '../engines/registry.js';
import { RefusedError } from '../model/errors.js';
import type { DatabaseSchema } from '../model/database-schema.js';
import type { Plan, ServicePlan } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';
import { describeShapeChanges, findShapeChanges } from './shape.js';
import type { StepContext } from './step-context.js';

const DRAIN_MS = 30_000;

export interface Adopted {
  readonly plan: Plan;
  readonly service: ServicePlan;
}

/** @returns null when nothing has changed. @throws RefusedError E312 when it cannot be carried over. */
export async function adoptDdl(context: StepContext, replan: () => Promise<Plan>): Promise<Adopted | null> {
  const { legacy, target, service, maps, store, owner, signal } = context;
  const shapes = await store.shapes(service.name);
  const changes = await findShapeChanges({ legacy, target, service, maps, shapes });
  if (changes.length === 0) return null;
  const isOwnedByService = (await store.route(service.name))?.owner === 'service';
  if (
    isOwnedByService ||
    changes.some((change) => change.effect !== 'additive' || change.side !== 'legacy')
  ) {
    throw refuse(service.name, `not additive in legacy: ${describeShapeChanges(changes)}`);
  }
  const capture = await legacy.changes.status({ service: service.name, direction: 'forward' });
  if (capture?.method === 'trigger') {
    const now = (await replan()).services.find(({ name }) => name === service.name);
    const [changed] = now === undefined ? [] : otherColumns(service.schema, now.schema);
    // Its triggers do not write it down: what it held until they were made anew would be missing without a word.
    if (changed !== undefined) {
      throw refuse(
        service.name,
        `${changed} has columns that its triggers do not capture, so that capture and copy have to begin anew`,
        `dbps migrate abort ${service.name}; then dbps plan, and dbps migrate advance ${service.name}`,
      );
    }
  }
  await drainKept(context, target);

  const plan = await replan();
  const next = plan.services.find((candidate) => candidate.name === service.name);
  if (next === undefined || next.relations.join() !== service.relations.join()) {
    throw refuse(service.name, 'dbps.yaml gives the service other relations now');
  }
  const [checked] =
    service.targetEngine === plan.source.engine ? [] : otherChecks(service.schema, next.schema);
  if (checked !== undefined) {
    throw refuse(
      service.name,
      `${checked} has a check constraint in the service database that would have to be another`,
    );
  }
  const { ddl } = await loadEngine(service.targetEngine);
  await target.ddlRunner.run(ddl.alter(service.schema, next.schema), owner, signal);
  await context.at('adopt-ddl.altered');
  await store.acceptPlan({ hash: plan.hash, text: JSON.stringify(plan) }, []);
  await store.update(owner, { planHash: plan.hash });
  const read = async (database: Database, relations: readonly string[]) =>
    database.introspector.readRelations(relations);
  await store.saveShapes(owner, {
    legacy: await read(legacy, service.relations),
    target: await read(
      target,
      maps.map((map) => map.target),
    ),
  });
  await store.append(owner, {
    transition: 'schema',
    step: 'apply-ddl',
    event: 'done',
    detail: describeShapeChanges(changes),
    data: { plan: plan.hash },
  });
  return { plan, service: next };
}

/** Relations of both whose checks differ: on another engine, that is where the labels of an ENUM are, and no statement alters them. */
export function otherChecks(before: DatabaseSchema, after: DatabaseSchema): readonly RelationId[] {
  const old = new Map(before.relations.map((relation) => [relation.id, relation.checks]));
  return after.relations
    .filter(({ id, checks }) => old.has(id) && JSON.stringify(old.get(id)) !== JSON.stringify(checks))
    .map(({ id }) => id);
}

/** Changes that were received and kept are written in the old shape: they are applied before it is left. */
async function drainKept(context: StepContext, target: Database): Promise<void> {
  const deadline = context.now() + DRAIN_MS;
  for (;;) {
    const checkpoint = await target.control.readCheckpoint(context.service.name, 'forward');
    if (checkpoint === null || checkpoint.received === checkpoint.applied) return;
    if (context.now() > deadline || context.signal.aborted) {
      throw refuse(context.service.name, 'changes that were received before it still wait to be applied');
    }
    await sleep(100);
  }
}

function otherColumns(before: DatabaseSchema, after: DatabaseSchema): readonly RelationId[] {
  const old = new Map(before.relations.map((relation) => [relation.id, relation.columns]));
  return after.relations
    .filter(({ id, columns }) =>
      columns.some(
        ({ name, type }) => !old.get(id)?.some((column) => column.name === name && column.type === type),
      ),
    )
    .map(({ id }) => id);
}

function refuse(service: string, why: string, hint = `dbps migrate abort ${service}`): RefusedError {
  return new RefusedError({
    code: 'DBPS_E312',
    message: `the change of schema cannot be carried over to ${service}: ${why}`,
    hint,
  });
}
