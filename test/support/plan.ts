/** A plan and relation maps for a test database, from a split written in a line. */
import type { RelationMap } from '../../src/engines/engine.js';
import { openSession } from '../../src/engines/postgres/postgres-connection.js';
import { readSchema } from '../../src/engines/postgres/postgres-introspector.js';
import type { ConnectionTarget } from '../../src/model/connection-target.js';
import { isOwnable, type DatabaseSchema } from '../../src/model/database-schema.js';
import type { Plan, ServicePlan } from '../../src/model/plan.js';
import { parseRelationId, relationId } from '../../src/model/relation-id.js';
import type { Boundaries } from '../../src/planning/boundaries.js';
import { makePlan } from '../../src/planning/make-plan.js';
import { relationMaps } from '../../src/planning/relation-maps.js';

export interface TestPlan {
  readonly schema: DatabaseSchema;
  readonly plan: Plan;
  service(name: string): { readonly service: ServicePlan; readonly maps: readonly RelationMap[] };
}

export interface PlanOptions {
  /** Service → relations (`orders` or `schema.orders`), or '*' for everything that no other service has. */
  readonly services: Readonly<Record<string, readonly string[] | '*'>>;
  readonly exclude?: readonly string[];
  readonly targetSchema?: string;
  readonly references?: Boundaries['references'];
  readonly shared?: Boundaries['shared'];
}

export async function readTestSchema(database: {
  readonly target: ConnectionTarget;
}): Promise<DatabaseSchema> {
  const session = await openSession(database.target, { applicationName: 'dbps test plan' });
  try {
    return await readSchema(session);
  } finally {
    await session.end();
  }
}

export function boundariesFor(schema: DatabaseSchema, options: PlanOptions): Boundaries {
  const id = (text: string) => {
    const name = parseRelationId(text);
    return relationId(name.schema, name.name);
  };
  const named = new Set(
    Object.values(options.services).flatMap((relations) => (relations === '*' ? [] : relations.map(id))),
  );
  const rest = schema.relations
    .filter((relation) => isOwnable(relation) && relation.inherits.length === 0 && !named.has(relation.id))
    .map((relation) => relation.id);
  return {
    defaultSchema: 'public',
    exclude: options.exclude ?? [],
    services: Object.entries(options.services).map(([name, relations]) => ({
      name,
      targetEngine: 'postgres',
      targetSchema: options.targetSchema ?? null,
      relations: (relations === '*' ? rest : relations.map(id)).map((relation) => ({ id: relation })),
    })),
    shared: options.shared ?? [],
    references: options.references ?? [],
  };
}

/** Tables in no service are an error unless excluded or covered by '*', as for users. */
export async function planFor(
  database: { readonly target: ConnectionTarget },
  options: PlanOptions,
): Promise<TestPlan> {
  const schema = await readTestSchema(database);
  const plan = makePlan(schema, boundariesFor(schema, options), '2026-01-01T00:00:00.000Z');
  return {
    schema,
    plan,
    service: (name) => {
      const service = plan.services.find((candidate) => candidate.name === name);
      if (service === undefined) throw new Error(`the plan has no service ${name}`);
      return { service, maps: relationMaps(plan, service) };
    },
  };
}
