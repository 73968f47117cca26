/** The order in which a schema's objects can be created: what is needed first. */
import type { DatabaseSchema, Relation, Routine, Sequence, UserType } from '../../model/database-schema.js';
import { relationId } from '../../model/relation-id.js';
import { qualifiedNames } from '../../model/sql-names.js';

export type SchemaObject =
  | { readonly kind: 'type'; readonly type: UserType }
  | { readonly kind: 'sequence'; readonly sequence: Sequence }
  | { readonly kind: 'routine'; readonly routine: Routine }
  | { readonly kind: 'relation'; readonly relation: Relation };

const isView = (relation: Relation): boolean =>
  relation.kind === 'view' || relation.kind === 'materialized-view';

/** An SQL-standard body is checked when the function is made; any other body is text. */
const hasCheckedBody = (routine: Routine): boolean =>
  routine.language === 'sql' && !/^ ?AS /m.test(routine.definition);

function namesNeeded(object: SchemaObject): readonly string[] {
  const texts: string[] = [];
  const names: string[] = [];
  switch (object.kind) {
    case 'type': {
      const { type } = object;
      if (type.kind === 'domain')
        texts.push(type.baseType, type.default ?? '', ...type.checks.map((check) => check.expression));
      if (type.kind === 'composite') texts.push(...type.attributes.map((attribute) => attribute.type));
      if (type.kind === 'range') texts.push(type.subtype);
      break;
    }
    case 'sequence':
      break;
    case 'routine': {
      const { routine } = object;
      texts.push(routine.signature, routine.returns ?? '');
      // Defaults of arguments stand in the head of the definition.
      if (routine.kind === 'aggregate' || hasCheckedBody(routine)) texts.push(routine.definition);
      else texts.push(routine.definition.split(/^ ?AS /m)[0] ?? '');
      break;
    }
    case 'relation': {
      const { relation } = object;
      if (isView(relation)) {
        names.push(...relation.reads, ...relation.calls);
        texts.push(relation.definition ?? '');
        break;
      }
      for (const column of relation.columns)
        texts.push(column.type, column.default ?? '', column.generated?.expression ?? '');
      names.push(...relation.inherits);
      if (relation.partitionOf !== undefined) names.push(relation.partitionOf.parent);
      if (relation.partitionBy !== undefined) texts.push(relation.partitionBy);
    }
  }
  return [...names, ...texts.flatMap((text) => [...qualifiedNames(text)])];
}

function nameOf(object: SchemaObject): string {
  switch (object.kind) {
    case 'type':
      return relationId(object.type.schema, object.type.name);
    case 'sequence':
      return object.sequence.id;
    case 'routine':
      return relationId(object.routine.schema, object.routine.name);
    case 'relation':
      return object.relation.id;
  }
}

export interface OrderedObjects {
  /** Before any rows: types, sequences, routines, tables. */
  readonly early: readonly SchemaObject[];
  /** After the keys (a view may rest on one): views, and routines that need a view or a table's key. */
  readonly late: readonly SchemaObject[];
}

export function orderObjects(schema: DatabaseSchema): OrderedObjects {
  const objects: SchemaObject[] = [
    ...schema.types.map((type) => ({ kind: 'type' as const, type })),
    ...schema.sequences
      .filter((sequence) => !sequence.isIdentity)
      .map((sequence) => ({ kind: 'sequence' as const, sequence })),
    ...schema.routines.map((routine) => ({ kind: 'routine' as const, routine })),
    ...schema.relations.map((relation) => ({ kind: 'relation' as const, relation })),
  ];
  const byName = new Map<string, SchemaObject[]>();
  for (const object of objects) byName.set(nameOf(object), [...(byName.get(nameOf(object)) ?? []), object]);
  const needs = new Map(
    objects.map((object) => [
      object,
      [...new Set(namesNeeded(object))]
        .flatMap((name) => byName.get(name) ?? [])
        .filter((other) => other !== object),
    ]),
  );

  const sorted: SchemaObject[] = [];
  const state = new Map<SchemaObject, 'open' | 'done'>();
  const visit = (object: SchemaObject) => {
    // A cycle can only run through text bodies, which are not looked at when they are made.
    if (state.has(object)) return;
    state.set(object, 'open');
    needs.get(object)?.forEach(visit);
    state.set(object, 'done');
    sorted.push(object);
  };
  objects.forEach(visit);

  const late = new Set<SchemaObject>();
  const neededByTables = new Set<SchemaObject>();
  const mark = (object: SchemaObject) => {
    if (neededByTables.has(object)) return;
    neededByTables.add(object);
    needs.get(object)?.forEach(mark);
  };
  for (const object of objects) if (object.kind === 'relation' && !isView(object.relation)) mark(object);
  for (const object of sorted) {
    const isLate =
      (object.kind === 'relation' && isView(object.relation)) ||
      (object.kind === 'routine' &&
        !neededByTables.has(object) &&
        hasCheckedBody(object.routine) &&
        object.routine.reads.length > 0) ||
      (needs.get(object) ?? []).some((other) => late.has(other));
    if (isLate) late.add(object);
  }
  return {
    early: sorted.filter((object) => !late.has(object)),
    late: sorted.filter((object) => late.has(object)),
  };
}
