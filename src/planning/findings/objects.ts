/** Views, routines, triggers, rules, policies and sequences that do not fit behind one boundary. */
import type { DatabaseSchema, Relation, Trigger } from '../../model/database-schema.js';
import type { Finding } from '../../model/finding.js';
import { relationId } from '../../model/relation-id.js';
import type { Home, ObjectGraph } from '../object-graph.js';
import { finding, listed } from './finding.js';

const named = (homes: ReadonlySet<Home>): string =>
  listed([...homes].map((home) => home ?? 'the shared database'));
const isView = (relation: Relation): boolean =>
  relation.kind === 'view' || relation.kind === 'materialized-view';

/** What it names itself: relations, and the routines through which it reaches more. */
const touchedBy = (
  graph: ObjectGraph,
  { reads, writes, calls = [] }: Pick<Trigger, 'reads' | 'writes' | 'calls'>,
): readonly string[] => [
  ...new Set([...reads, ...writes, ...calls.filter((call) => graph.homesOfRoutine(call).size > 0)]),
];

export function viewFindings(graph: ObjectGraph, planned: ReadonlySet<string>): readonly Finding[] {
  return graph.schema.relations
    .filter((relation) => isView(relation) && !graph.assignment.excluded.has(relation.id))
    .flatMap((view) => {
      const homes = graph.homesOfRelation(view.id);
      const about = { subject: view.id, relation: view.id };
      if (planned.has(view.id))
        return view.kind === 'materialized-view'
          ? [
              finding('BND408', {
                ...about,
                message: 'is filled when the service has caught up and after the cutover',
                remedy: `REFRESH MATERIALIZED VIEW ${view.id}; by a job on the service database`,
              }),
            ]
          : [];
      if (homes.size === 0)
        return [
          finding('BND407', {
            ...about,
            message: 'reads no relation of any service and is left out',
            remedy: 'name it under the relations of the service that needs it',
          }),
        ];
      if ([...homes].every((home) => home === null)) return [];
      return [
        finding(homes.has(null) ? 'BND404' : 'BND403', {
          ...about,
          message: `reads ${listed(view.reads)} of ${named(homes)}; no service database can answer it`,
          remedy: 'replace it before the first of its services takes writes, then drop it',
          data: { services: [...homes].sort(), reads: view.reads },
        }),
      ];
    });
}

export function routineFindings(graph: ObjectGraph): readonly Finding[] {
  return graph.schema.routines.flatMap((routine) => {
    const homes = graph.homesOfRoutine(relationId(routine.schema, routine.name));
    const found: Finding[] = [];
    // A trigger function is told with its trigger.
    if (homes.size > 1 && !routine.isTrigger)
      found.push(
        finding('TRG402', {
          subject: routine.id,
          message: `touches ${listed(touchedBy(graph, routine))} of ${named(homes)}; it is left out of every service database`,
          remedy: 'split it, or do its work in the application',
          data: { services: [...homes].sort(), reads: routine.reads, writes: routine.writes },
        }),
      );
    if (routine.isOpaque)
      found.push(
        finding('TRG403', {
          subject: routine.id,
          message:
            routine.language === 'plpgsql' || routine.language === 'sql'
              ? 'runs SQL that it builds itself: what it touches cannot be read'
              : `is written in ${routine.language}: what it touches cannot be read`,
          remedy: 'read it, and drop it from the service databases where it does not belong',
        }),
      );
    return found;
  });
}

/** What the service's relation lost on its way into the plan, object by object. */
export function leftOutFindings(
  graph: ObjectGraph,
  service: string,
  trimmed: DatabaseSchema,
): readonly Finding[] {
  const found: Finding[] = [];
  const kept = new Map(trimmed.relations.map((relation) => [relation.id, relation]));
  for (const relation of graph.schema.relations) {
    const now = kept.get(relation.id);
    if (now === undefined) continue;
    const tell = (code: string, name: string, message: string, remedy: string) =>
      found.push(
        finding(code, {
          subject: `${name} on ${relation.id}`,
          message,
          remedy,
          service,
          relation: relation.id,
        }),
      );
    const lost = <T extends { readonly name: string }>(
      before: readonly T[],
      after: readonly T[],
    ): readonly T[] => before.filter((item) => !after.some((other) => other.name === item.name));
    for (const trigger of lost(relation.triggers, now.triggers))
      if (!trigger.isInherited)
        tell(
          'TRG401',
          trigger.name,
          `runs ${trigger.routine ?? 'a body'}, which touches ${listed(touchedBy(graph, trigger))} of ${named(graph.homesOfTrigger(trigger))}; it is left out`,
          'do its work in the application or by an event before the writes move, then drop it',
        );
    for (const rule of lost(relation.rules, now.rules))
      tell(
        'TRG404',
        rule.name,
        `touches ${listed(rule.touches)}; it is left out`,
        'do its work in the application before the writes move, then drop it',
      );
    for (const policy of lost(relation.policies, now.policies))
      tell(
        'SEC402',
        policy.name,
        `asks ${named(graph.homesOfText(policy.definition))}; it is left out`,
        'rewrite it so that it needs only its own service',
      );
    const missing = [
      ...lost(relation.checks, now.checks).map((check) => `check ${check.name}`),
      ...lost(relation.indexes, now.indexes)
        .filter((index) => index.isValid)
        .map((index) => `index ${index.name}`),
      ...relation.columns
        .filter(
          (column) =>
            column.default !== undefined &&
            now.columns.every((c) => c.name !== column.name || c.default === undefined),
        )
        .map((column) => `default of ${column.name}`),
      ...relation.columns
        .filter(
          (column) =>
            column.generated !== undefined && graph.homesOfText(column.generated.expression).size > 1,
        )
        .map((column) => `generated column ${column.name}`),
    ];
    for (const what of missing)
      tell(
        'TRG405',
        what,
        'needs a routine that touches another service',
        'give the relation behind the routine to the same service, or replace it first',
      );
    for (const index of lost(relation.indexes, now.indexes).filter((candidate) => !candidate.isValid))
      tell(
        'IDX401',
        index.name,
        'is invalid and is not made again',
        `DROP INDEX ${relationId(relation.schema, index.name)};`,
      );
    for (const trigger of now.triggers)
      if ((trigger.enabled === 'always' || trigger.enabled === 'replica') && !trigger.isInherited)
        tell(
          'TRG406',
          trigger.name,
          `is enabled ${trigger.enabled}: it fires for applied changes too`,
          `ALTER TABLE ${relation.id} ENABLE TRIGGER ${trigger.name}; while the service moves`,
        );
  }
  return found;
}

export function sequenceFindings(graph: ObjectGraph): readonly Finding[] {
  return graph.schema.sequences.flatMap((sequence) => {
    const users = [...sequence.usedBy, ...(sequence.ownedBy === undefined ? [] : [sequence.ownedBy])];
    const homes = new Set(users.map((use) => graph.assignment.serviceOf.get(use.relation) ?? null));
    if (homes.size > 1)
      return [
        finding('SEQ401', {
          subject: sequence.id,
          message: `serves ${listed(users.map((use) => `${use.relation}.${use.column}`))}, which are in ${named(homes)}`,
          remedy: 'give each table a sequence of its own first, or keep the tables together',
          data: { services: [...homes].sort() },
        }),
      ];
    const isNamed = graph.schema.routines.some((routine) => routine.definition.includes(sequence.name));
    return users.length === 0 && !isNamed
      ? [
          finding('SEQ402', {
            subject: sequence.id,
            message: 'no column draws from it: it stays in the shared database',
            remedy: `CREATE SEQUENCE ${sequence.id} on the service database whose application calls nextval on it`,
          }),
        ]
      : [];
  });
}
