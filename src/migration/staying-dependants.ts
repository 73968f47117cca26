/** What stays in legacy and would break, or silently go stale, without the relations that leave. Pure, over the introspected schema. */
import type { DroppableObject } from '../engines/engine.js';
import type { DatabaseSchema, Trigger } from '../model/database-schema.js';
import { withDescendants } from '../model/fingerprint.js';
import type { RelationId } from '../model/relation-id.js';

export interface StayingDependant {
  /** What a person would drop or rewrite. */
  readonly subject: string;
  readonly what: string;
  /** What DROP takes; undefined where it is a part of something else. */
  readonly object?: DroppableObject;
  /** The leaving relation or sequence it uses. */
  readonly relation: RelationId;
}

export function findStayingDependants(
  schema: DatabaseSchema,
  relations: readonly RelationId[],
  sequences: readonly RelationId[],
): StayingDependant[] {
  const leaving = new Set(withDescendants(schema, relations).map(({ id }) => id));
  const leavingSequences = new Set(sequences);
  const found: StayingDependant[] = [];
  const tell = (subject: string, what: string, relation: RelationId, object?: StayingDependant['object']) =>
    found.push({ subject, what, relation, ...(object !== undefined && { object }) });
  const routines = new Map(schema.routines.map((routine) => [`${routine.schema}.${routine.name}`, routine]));
  // A trigger that calls a function goes before the function can.
  const touchedBy = ({ reads, writes, routine = '' }: Trigger) =>
    new Set([
      ...reads,
      ...writes,
      ...(routines.get(routine)?.reads ?? []),
      ...(routines.get(routine)?.writes ?? []),
    ]);
  for (const relation of schema.relations) {
    if (leaving.has(relation.id)) continue;
    const isView = relation.kind === 'view' || relation.kind === 'materialized-view';
    for (const read of isView ? relation.reads : []) {
      const kind = relation.kind.replace('-', ' ');
      if (leaving.has(read))
        tell(relation.id, `${kind} ${relation.id}`, read, {
          kind,
          schema: relation.schema,
          name: relation.name,
        });
    }
    for (const key of relation.foreignKeys) {
      if (leaving.has(key.parent) && !key.isInherited)
        tell(`${relation.id} ${key.name}`, `foreign key ${key.name} of ${relation.id}`, key.parent, {
          kind: 'foreign key',
          name: key.name,
          on: relation.id,
        });
    }
    for (const column of relation.columns) {
      if (column.sequence !== undefined && leavingSequences.has(column.sequence))
        tell(
          `${relation.id}.${column.name}`,
          `the default of ${relation.id}.${column.name}`,
          column.sequence,
        );
      // A view's column of such a type comes from what it reads.
      if (column.rowTypeOf !== undefined && leaving.has(column.rowTypeOf) && !isView)
        tell(`${relation.id}.${column.name}`, `column ${relation.id}.${column.name}`, column.rowTypeOf);
    }
    for (const trigger of relation.triggers.filter(({ isInherited }) => !isInherited))
      for (const touched of touchedBy(trigger))
        if (leaving.has(touched))
          tell(`${relation.id} ${trigger.name}`, `trigger ${trigger.name} of ${relation.id}`, touched, {
            kind: 'trigger',
            name: trigger.name,
            on: relation.id,
          });
    for (const rule of relation.rules)
      for (const touched of rule.touches)
        if (leaving.has(touched))
          tell(`${relation.id} ${rule.name}`, `rule ${rule.name} of ${relation.id}`, touched, {
            kind: 'rule',
            name: rule.name,
            on: relation.id,
          });
  }
  for (const type of schema.types) {
    if (type.kind !== 'domain' && type.kind !== 'composite') continue;
    const name = `${type.schema}.${type.name}`;
    const kind = type.kind === 'domain' ? 'domain' : 'type';
    for (const used of type.rowTypes ?? [])
      if (leaving.has(used))
        tell(name, `${kind} ${name}`, used, { kind, schema: type.schema, name: type.name });
  }
  // A function that only the leaving relations' own triggers call leaves with them in effect.
  const own = new Set(
    schema.relations
      .filter(({ id }) => leaving.has(id))
      .flatMap(({ triggers }) => triggers.map(({ routine }) => routine)),
  );
  for (const routine of schema.routines) {
    if (routine.schema === 'dbps' || own.has(`${routine.schema}.${routine.name}`)) continue;
    for (const touched of new Set([...routine.reads, ...routine.writes]))
      if (leaving.has(touched))
        tell(
          `${routine.schema}.${routine.name}${routine.signature}`,
          `${routine.kind} ${routine.id}`,
          touched,
          {
            kind: routine.kind,
            schema: routine.schema,
            name: routine.name,
            signature: routine.signature,
          },
        );
  }
  return found;
}
