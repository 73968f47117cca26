/**
 * What of a relation's shape decides which rows it holds and how a row is known: columns with their types, keys, replica
 * identity, the partition and inheritance tree. ALTER TYPE, ADD COLUMN DEFAULT, DETACH and ATTACH change rows without a word in the change log, so
 * the fingerprint is compared wherever copying, applying or a cutover rests on the log. Foreign keys, checks, defaults and
 * triggers are left out: they change no row, and a cutover itself takes some away.
 */
import { createHash } from 'node:crypto';
import type { Column, DatabaseSchema, Relation, UserType } from './database-schema.js';
import { isLongerLabelList } from './label-list.js';
import { relationId, type RelationId } from './relation-id.js';

/** The relations with all partitions and inheritance children, parents first. */
export function withDescendants(
  schema: DatabaseSchema,
  relations: readonly RelationId[],
): readonly Relation[] {
  const children = new Map<RelationId, Relation[]>();
  const byId = new Map(schema.relations.map((relation) => [relation.id, relation]));
  for (const relation of schema.relations) {
    const parents = relation.partitionOf === undefined ? relation.inherits : [relation.partitionOf.parent];
    for (const parent of parents) children.set(parent, [...(children.get(parent) ?? []), relation]);
  }
  const found = new Map<RelationId, Relation>();
  const visit = (relation: Relation | undefined) => {
    if (relation === undefined || found.has(relation.id)) return;
    found.set(relation.id, relation);
    children.get(relation.id)?.forEach(visit);
  };
  relations.forEach((id) => visit(byId.get(id)));
  return [...found.values()];
}

const columnShape = (column: Column) => ({
  name: column.name,
  type: column.type,
  isNullable: column.isNullable,
  collation: column.collation ?? null,
  generated: column.generated?.expression ?? null,
});

const byText = <T>(items: readonly T[]): readonly T[] =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

const uniqueShapes = (relation: Relation) =>
  byText(
    relation.indexes
      .filter((index) => index.isUnique && index.isValid)
      .map((index) => ({
        columns: index.columns,
        definition: index.hasExpression ? index.definition.replace(/^.* USING /, '') : null,
        predicate: index.predicate ?? null,
        isPrimary: index.isPrimary,
        isImmediate: index.isImmediate,
      })),
  );

function relationShape(relation: Relation) {
  return {
    id: relation.id,
    kind: relation.kind,
    columns: byText(relation.columns.map(columnShape)),
    unique: uniqueShapes(relation),
    exclusions: byText(relation.exclusions.map((exclusion) => exclusion.definition)),
    // Names of constraints are no part of the shape; which index identifies a row is.
    replicaIdentity: relation.replicaIdentity.kind,
    partitionOf: relation.partitionOf ?? null,
    partitionBy: relation.partitionBy ?? null,
    inherits: relation.inherits,
    persistence: relation.persistence,
  };
}

function usedTypes(schema: DatabaseSchema, relations: readonly Relation[]): readonly UserType[] {
  const byName = new Map(schema.types.map((type) => [relationId(type.schema, type.name), type]));
  const found = new Map<string, UserType>();
  const visit = (name: string) => {
    const type = byName.get(name);
    if (type === undefined || found.has(name)) return;
    found.set(name, type);
    const below =
      type.kind === 'composite'
        ? type.attributes.map((attribute) => attribute.type)
        : type.kind === 'domain'
          ? [type.baseType]
          : type.kind === 'range'
            ? [type.subtype]
            : [];
    // format_type writes user types as schema.name, quoted where needed, perhaps with [] behind.
    for (const text of below)
      for (const candidate of byName.keys())
        if (text.replaceAll('"', '').includes(candidate.replaceAll('"', ''))) visit(candidate);
  };
  for (const relation of relations)
    for (const column of relation.columns) if (column.userType !== undefined) visit(column.userType);
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, type]) => type);
}

/** 16 hex digits over the shape of the relations and everything below them; equal shapes, equal text, on any server. */
export function fingerprint(schema: DatabaseSchema, relations: readonly RelationId[]): string {
  const found = withDescendants(schema, [...relations].sort());
  const shape = {
    relations: [...found].sort((a, b) => (a.id < b.id ? -1 : 1)).map(relationShape),
    types: usedTypes(schema, found).map(({ comment: _, ...type }) => type),
  };
  return createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 16);
}

/**
 * What a difference asks for. `additive`: the same DDL on the other side makes both equal again, no row differs. `recheck`: rows may
 * have come or gone unseen, a full verification of the relation tells. `recopy`: the rows changed without a word in the log.
 */
export interface ShapeDifference {
  readonly relation: RelationId;
  readonly effect: 'additive' | 'recheck' | 'recopy';
  /** `column "note" was added (text)`: a sentence for people. */
  readonly what: string;
}

const isConstant = (expression: string): boolean =>
  /^(?:'(?:[^']|'')*'(?:::[\w\s."[\](),]+)?|-?[\d.]+(?:::[\w\s."[\](),]+)?|\(-?[\d.]+\)(?:::[\w\s."[\](),]+)?|true|false|NULL(?:::[\w\s."[\](),]+)?)$/.test(
    expression.trim(),
  );

function compareColumns(before: Relation, after: Relation): ShapeDifference[] {
  const relation = after.id;
  const found: ShapeDifference[] = [];
  const old = new Map(before.columns.map((column) => [column.name, column]));
  const tell = (effect: ShapeDifference['effect'], what: string) => found.push({ relation, effect, what });
  for (const column of after.columns) {
    const was = old.get(column.name);
    old.delete(column.name);
    if (was === undefined) {
      const isSafe =
        column.generated === undefined &&
        column.identity === undefined &&
        (column.default === undefined ? column.isNullable : isConstant(column.default));
      tell(
        isSafe ? 'additive' : 'recopy',
        `column "${column.name}" was added (${column.type}${column.default === undefined ? '' : `, default ${column.default}`})`,
      );
      continue;
    }
    const name = `column "${column.name}"`;
    if (was.type !== column.type)
      tell(
        isLongerLabelList(was.type, column.type) ? 'additive' : 'recopy',
        `${name} was ${was.type}, is ${column.type}`,
      );
    if ((was.collation ?? '') !== (column.collation ?? ''))
      tell(
        'recheck',
        `${name} had collation ${was.collation ?? 'default'}, has ${column.collation ?? 'default'}`,
      );
    if (was.isNullable !== column.isNullable)
      tell('additive', `${name} is ${column.isNullable ? 'no longer NOT NULL' : 'NOT NULL now'}`);
    if ((was.generated?.expression ?? '') !== (column.generated?.expression ?? ''))
      tell('recopy', `${name}: the generation expression changed`);
  }
  for (const column of old.values()) tell('recopy', `column "${column.name}" was dropped`);
  return found;
}

function compareRelation(before: Relation, after: Relation): ShapeDifference[] {
  const relation = after.id;
  const found = compareColumns(before, after);
  const tell = (effect: ShapeDifference['effect'], what: string) => found.push({ relation, effect, what });
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (before.kind !== after.kind) tell('recopy', `was a ${before.kind}, is a ${after.kind}`);
  if (!same(uniqueShapes(before), uniqueShapes(after))) tell('recheck', 'its unique keys changed');
  if (!same(relationShape(before).exclusions, relationShape(after).exclusions))
    tell('recheck', 'its exclusion constraints changed');
  if (before.replicaIdentity.kind !== after.replicaIdentity.kind)
    tell('recheck', `replica identity was ${before.replicaIdentity.kind}, is ${after.replicaIdentity.kind}`);
  if (!same(before.partitionOf, after.partitionOf))
    tell(
      'recopy',
      after.partitionOf === undefined
        ? `was detached from ${before.partitionOf?.parent}`
        : before.partitionOf === undefined
          ? `was attached to ${after.partitionOf.parent}`
          : `its partition bound was ${before.partitionOf.bound}, is ${after.partitionOf.bound}`,
    );
  if (before.partitionBy !== after.partitionBy) tell('recopy', 'its partition key changed');
  if (!same(before.inherits, after.inherits)) tell('recopy', 'its inheritance parents changed');
  if (before.persistence !== after.persistence)
    tell('recopy', `was ${before.persistence}, is ${after.persistence}`);
  return found;
}

/** The readable difference behind two fingerprints, empty exactly when they are equal. */
export function compareShapes(
  before: DatabaseSchema,
  after: DatabaseSchema,
  relations: readonly RelationId[],
): readonly ShapeDifference[] {
  const old = new Map(withDescendants(before, relations).map((relation) => [relation.id, relation]));
  const now = withDescendants(after, relations);
  const found: ShapeDifference[] = [];
  const newIds = new Map(after.relations.map((relation) => [relation.id, relation]));
  const oldIds = new Map(before.relations.map((relation) => [relation.id, relation]));
  for (const relation of now) {
    const was = old.get(relation.id);
    old.delete(relation.id);
    if (was !== undefined) found.push(...compareRelation(was, relation));
    else if (oldIds.has(relation.id) || relation.kind === 'partition')
      found.push({
        relation: relation.id,
        effect: 'recheck',
        what: `became a part of ${relation.partitionOf?.parent ?? relation.inherits.join(', ')}`,
      });
    else found.push({ relation: relation.id, effect: 'recheck', what: 'is new' });
  }
  for (const relation of old.values())
    found.push({
      relation: relation.id,
      effect: 'recopy',
      what: newIds.has(relation.id)
        ? `is no longer a part of ${relation.partitionOf?.parent ?? relation.inherits.join(', ')}`
        : 'was dropped',
    });
  const typesBefore = new Map(
    usedTypes(before, withDescendants(before, relations)).map((type) => [
      relationId(type.schema, type.name),
      type,
    ]),
  );
  for (const type of usedTypes(after, now)) {
    const name = relationId(type.schema, type.name);
    const was = typesBefore.get(name);
    typesBefore.delete(name);
    if (was === undefined) continue;
    const { comment: _a, ...a } = was;
    const { comment: _b, ...b } = type;
    if (JSON.stringify(a) === JSON.stringify(b)) continue;
    const isAppended =
      a.kind === 'enum' && b.kind === 'enum' && a.labels.every((label) => b.labels.includes(label));
    found.push({
      relation: name,
      effect: isAppended ? 'additive' : 'recheck',
      what:
        isAppended && b.kind === 'enum'
          ? `type got ${b.labels
              .filter((label) => !a.labels.includes(label))
              .map((label) => `'${label}'`)
              .join(', ')}`
          : 'type changed',
    });
  }
  return found;
}
