/** Everything that one service's database must hold, selected from the shared schema, under source names. */
import type { DatabaseSchema, Relation, Routine, Sequence, Trigger } from '../model/database-schema.js';
import { relationId, type RelationId } from '../model/relation-id.js';
import type { Home, ObjectGraph } from './object-graph.js';
import { mentions, qualifiedNames } from '../model/sql-names.js';

const fits = (homes: ReadonlySet<Home>, service: string): boolean =>
  [...homes].every((home) => home === service);

/** SQL of a relation, as the server wrote it: what must exist for the relation to exist. */
function textsOf(relation: Relation): string {
  return [
    ...relation.columns.flatMap((column) => [
      column.type,
      column.default ?? '',
      column.generated?.expression ?? '',
      column.collation ?? '',
    ]),
    ...relation.checks.map((check) => check.expression),
    ...relation.exclusions.map((exclusion) => exclusion.definition),
    ...relation.indexes.map((index) => index.definition),
    ...relation.triggers.map((trigger) => trigger.definition),
    ...relation.rules.map((rule) => rule.definition),
    ...relation.policies.map((policy) => policy.definition),
    relation.definition ?? '',
  ].join('\n');
}

/** The service's relation without what reaches into another service. */
function trimRelation(graph: ObjectGraph, relation: Relation, service: string): Relation {
  const stays = (sql: string): boolean => fits(graph.homesOfText(sql), service);
  const triggerFits = (trigger: Trigger): boolean =>
    stays(trigger.definition) && fits(graph.homesOfTrigger(trigger), service);
  return {
    ...relation,
    columns: relation.columns.map((column) => {
      if (column.default === undefined || stays(column.default)) return column;
      const { default: _, ...rest } = column;
      return rest;
    }),
    checks: relation.checks.filter((check) => stays(check.expression)),
    foreignKeys: relation.foreignKeys.filter((key) => graph.assignment.serviceOf.get(key.parent) === service),
    indexes: relation.indexes.filter(
      (index) => index.isValid && stays(index.definition.replace(/^.*? USING /, '')),
    ),
    triggers: relation.triggers.filter(triggerFits),
    rules: relation.rules.filter(
      (rule) =>
        stays(rule.definition) && rule.touches.every((id) => fits(graph.homesOfRelation(id), service)),
    ),
    policies: relation.policies.filter((policy) => stays(policy.definition)),
  };
}

function viewFits(graph: ObjectGraph, relation: Relation, service: string): boolean {
  const homes = graph.homesOfRelation(relation.id);
  return homes.size === 0 ? graph.assignment.namedViews.get(relation.id) === service : fits(homes, service);
}

/** Routines: those that touch this service alone, those that its objects need, and those that touch nothing and anyone may call. */
function selectRoutines(graph: ObjectGraph, service: string): readonly Routine[] {
  return graph.schema.routines.filter((routine) =>
    fits(graph.homesOfRoutine(relationId(routine.schema, routine.name)), service),
  );
}

function selectTypes(graph: ObjectGraph, relations: readonly Relation[], routines: readonly Routine[]) {
  const all = new Map(graph.schema.types.map((type) => [relationId(type.schema, type.name), type]));
  const needed = new Set<string>();
  const need = (sql: string) => {
    for (const id of qualifiedNames(sql)) {
      const type = all.get(id);
      if (type === undefined || needed.has(id)) continue;
      needed.add(id);
      if (type.kind === 'domain')
        need([type.baseType, type.default ?? '', ...type.checks.map((check) => check.expression)].join('\n'));
      if (type.kind === 'composite') need(type.attributes.map((attribute) => attribute.type).join('\n'));
      if (type.kind === 'range') need(type.subtype);
    }
  };
  relations.forEach((relation) => need(textsOf(relation)));
  routines.forEach((routine) => need(`${routine.signature} ${routine.returns ?? ''} ${routine.definition}`));
  // A body may name a type without its schema.
  const bodies = routines.map((routine) => routine.definition).join('\n');
  for (const [id, type] of all)
    if (!needed.has(id) && mentions(bodies, type.name)) need(`${quoted(type.schema)}.${quoted(type.name)}`);
  return graph.schema.types.filter((type) => needed.has(relationId(type.schema, type.name)));
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

function selectSequences(
  graph: ObjectGraph,
  relations: ReadonlySet<RelationId>,
  routines: readonly Routine[],
): readonly Sequence[] {
  const bodies = routines.map((routine) => routine.definition).join('\n');
  return graph.schema.sequences
    .filter(
      (sequence) =>
        (sequence.ownedBy !== undefined && relations.has(sequence.ownedBy.relation)) ||
        sequence.usedBy.some((use) => relations.has(use.relation)) ||
        (sequence.ownedBy === undefined && sequence.usedBy.length === 0 && mentions(bodies, sequence.name)),
    )
    .map((sequence) => {
      const { ownedBy, ...rest } = sequence;
      return {
        ...rest,
        ...(ownedBy !== undefined && relations.has(ownedBy.relation) && { ownedBy }),
        usedBy: sequence.usedBy.filter((use) => relations.has(use.relation)),
        // Where a sequence stands is state, not shape: the cutover carries it over.
        lastValue: null,
      };
    });
}

export function selectServiceSchema(graph: ObjectGraph, service: string): DatabaseSchema {
  const { schema, assignment } = graph;
  const relations = schema.relations
    .filter((relation) =>
      relation.kind === 'view' || relation.kind === 'materialized-view'
        ? viewFits(graph, relation, service)
        : relation.kind !== 'foreign-table' && assignment.serviceOf.get(relation.id) === service,
    )
    .map((relation) => trimRelation(graph, relation, service))
    .map(({ storage: _, ...relation }) => relation);
  const ids = new Set(relations.map((relation) => relation.id));
  const routines = selectRoutines(graph, service);
  const types = selectTypes(graph, relations, routines);
  const sequences = selectSequences(graph, ids, routines);
  const users = new Set([
    ...ids,
    ...types.map((type) => relationId(type.schema, type.name)),
    ...routines.map((routine) => relationId(routine.schema, routine.name)),
  ]);
  const extensions = schema.extensions
    .filter((extension) => extension.usedBy === undefined || extension.usedBy.some((user) => users.has(user)))
    .map((extension) => ({
      ...extension,
      ...(extension.usedBy !== undefined && { usedBy: extension.usedBy.filter((user) => users.has(user)) }),
    }));
  const schemas = [
    ...new Set([
      ...relations.map((relation) => relation.schema),
      ...types.map((type) => type.schema),
      ...routines.map((routine) => routine.schema),
      ...sequences.map((sequence) => sequence.schema),
      ...extensions.map((extension) => extension.schema).filter((name) => name !== 'pg_catalog'),
    ]),
  ].sort();
  const comments = Object.entries(schema.schemaComments ?? {}).filter(([name]) => schemas.includes(name));
  return {
    engine: schema.engine,
    product: schema.product,
    version: schema.version,
    database: service,
    origin: schema.origin,
    schemas,
    relations,
    types,
    sequences,
    routines,
    extensions,
    ...(schema.schemaGrants !== undefined && {
      schemaGrants: schema.schemaGrants.filter((grant) => schemas.includes(grant.schema)),
    }),
    ...(comments.length > 0 && { schemaComments: Object.fromEntries(comments) }),
    unsupported: [],
  };
}
