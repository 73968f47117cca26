/**
 * Boundaries + live schema → plan. Pure and deterministic: the same input gives the same hash; estimates of rows and sizes and
 * the positions of sequences are no part of it.
 */
import { createHash } from 'node:crypto';
import type { Ddl } from '../engines/engine.js';
import { holdsRows, isOwnable, type DatabaseSchema, type EngineName } from '../model/database-schema.js';
import { ConfigError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { compareFindings, type Finding } from '../model/finding.js';
import type { Plan, ServicePlan } from '../model/plan.js';
import { rolesNamed } from '../model/roles.js';
import { assignRelations } from './assignment.js';
import type { Boundaries, ServiceBoundary } from './boundaries.js';
import { findCrossingReferences, orderServices } from './crossing-references.js';
import { ObjectGraph } from './object-graph.js';
import { leftOutFindings, routineFindings, sequenceFindings, viewFindings } from './findings/objects.js';
import { referenceFindings } from './findings/references.js';
import { tableFindings, targetFindings, unsupportedFindings } from './findings/tables.js';
import { adoptSchema } from './adopt-schema.js';
import { adoptionFindings } from './findings/adoption.js';
import { applicationOwners, grantToFormerOwners, withoutAdministratorGrants } from './role-grants.js';
import { inverseSchemaMap, SchemaRenaming } from './schema-renaming.js';
import { selectServiceSchema } from './service-schema.js';
import { planCopies } from './shared-copies.js';

function schemaMapOf(
  schemas: readonly string[],
  service: ServiceBoundary,
  defaultSchema: string,
): Record<string, string> {
  const map = Object.fromEntries(
    schemas.map((name) => [
      name,
      name === defaultSchema && service.targetSchema !== null ? service.targetSchema : name,
    ]),
  );
  const targets = Object.values(map);
  const twice = targets.find((name, i) => targets.indexOf(name) !== i);
  if (twice !== undefined)
    throw new ConfigError({
      code: 'DBPS_E224',
      message: `${service.name}: schema ${defaultSchema} cannot become "${twice}", which the service already takes from the source`,
      hint: 'choose another target.schema, or leave it out to keep the names',
      ...(service.location !== undefined && { location: service.location }),
    });
  return map;
}

/** Text that is the same whenever the plan means the same: keys sorted, estimates left out. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (key, item: unknown) => {
    if (['createdAt', 'hash', 'estimatedRows', 'bytes', 'lastValue', 'product', 'version'].includes(key))
      return undefined;
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

export function hashPlan(plan: Omit<Plan, 'hash'>): string {
  return createHash('sha256').update(canonical(plan)).digest('hex').slice(0, 8);
}

/**
 * @param adopters how an engine other than the source's would hold a schema; asked for the engines of targets that differ.
 * @throws ConfigError with the line of dbps.yaml when the boundaries do not fit the schema.
 */
export function makePlan(
  schema: DatabaseSchema,
  boundaries: Boundaries,
  createdAt: string,
  adopters: Partial<Record<EngineName, Ddl['adopt']>> = {},
): Plan {
  const assignment = assignRelations(schema, boundaries);
  const graph = new ObjectGraph(schema, assignment);
  const crossings = findCrossingReferences(schema, assignment, boundaries);
  const order = orderServices(
    boundaries.services.map((service) => service.name),
    crossings,
  );
  const findings: Finding[] = [
    ...referenceFindings(crossings),
    ...routineFindings(graph),
    ...sequenceFindings(graph),
    ...tableFindings(schema, assignment),
    ...unsupportedFindings(schema, assignment),
  ];
  const services = order.map((name, index): ServicePlan => {
    const boundary = boundaries.services.find((service) => service.name === name) as ServiceBoundary;
    const selected = selectServiceSchema(graph, name);
    const owners = applicationOwners(selected, schema.administrators);
    const source = grantToFormerOwners(withoutAdministratorGrants(selected, schema.administrators), owners);
    findings.push(...leftOutFindings(graph, name, selected));
    const schemaMap = schemaMapOf(source.schemas, boundary, boundaries.defaultSchema);
    const adoption = adoptSchema(source, boundary.targetEngine, schemaMap, adopters);
    const tables = source.relations.filter(isOwnable);
    const withRows = source.relations.filter(
      (relation) => isOwnable(relation) || relation.kind === 'partition',
    );
    const sum = (values: readonly (number | null)[]) =>
      values.reduce<number>((total, value) => total + (value ?? 0), 0);
    const plan: ServicePlan = {
      name,
      order: index + 1,
      targetEngine: boundary.targetEngine,
      schemaMap,
      relations: tables.map((relation) => relation.id).sort(),
      fingerprint: fingerprint(
        schema,
        tables.map((relation) => relation.id),
      ),
      schema: adoption.schema,
      ...(adoption.translated !== undefined && { translated: adoption.translated }),
      detached: crossings.filter((crossing) => crossing.childService === name),
      // A partitioned root counts its leaves itself once it was analysed; the leaves are what holds rows.
      estimatedRows: sum(withRows.filter(holdsRows).map((relation) => relation.estimatedRows)),
      bytes: sum(withRows.filter(holdsRows).map((relation) => relation.bytes)),
    };
    findings.push(
      ...adoptionFindings(name, adoption.notes),
      ...targetFindings(plan, rolesNamed(plan.schema), plan.translated === undefined ? owners : []),
    );
    return plan;
  });
  const copies = planCopies(graph, boundaries, crossings, services);
  findings.push(...copies.findings);
  const planned = new Set(
    services.flatMap((service) => {
      const back = new SchemaRenaming(service.schema, inverseSchemaMap(service.schemaMap));
      return service.schema.relations.map((relation) => back.relation(relation.id));
    }),
  );
  findings.push(...viewFindings(graph, planned));
  const owned = services.flatMap((service) => service.relations).sort();
  const plan: Omit<Plan, 'hash'> = {
    version: 1,
    createdAt,
    source: { engine: schema.engine, product: schema.product, schemas: schema.schemas },
    fingerprint: fingerprint(schema, owned),
    services: [...services, ...copies.services],
    crossings,
    findings: [...findings].sort(compareFindings),
  };
  return { ...plan, hash: hashPlan(plan) };
}
