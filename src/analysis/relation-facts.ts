/** What a relation is, as far as its shape says: link table, history, weak entity, reference data, partition key columns. */
import {
  isOwnable,
  type Column,
  type DatabaseSchema,
  type ForeignKey,
  type Relation,
} from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import { singular, splitName, type Names } from './names.js';

export interface RelationFacts {
  readonly relation: RelationId;
  /** Relations whose rows a link table pairs; the one whose name it carries comes first, if any. */
  readonly links?: { readonly parents: readonly RelationId[]; readonly owner: RelationId | null };
  /** The relation whose rows this one keeps the past of. */
  readonly historyOf?: RelationId;
  /** The only parent within its primary key: it cannot exist without it. */
  readonly weakOf?: RelationId;
  /** `commentable_type`, `commentable_id`: a reference to many relations that no key declares. */
  readonly polymorphic: readonly { readonly typeColumn: string; readonly idColumn: string }[];
}

/** Tables and partitioned roots: what a service can own. */
export function ownableRelations(schema: DatabaseSchema): readonly Relation[] {
  return schema.relations
    .filter((relation) => isOwnable(relation) && relation.persistence !== 'temporary')
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Who did it or who it is assigned to: says nothing about what belongs together. */
const AUDIT =
  /(?:^|_)(?:(?:created|updated|modified|changed|deleted|removed|inserted|edited|entered|approved|rejected|requested|reviewed|assigned|cancell?ed|closed|archived|uploaded|verified|signed|issued|registered|last_modified|last_updated|performed|invited|granted)_?by|author|assignee|creator|editor|modifier|updater|reviewer|approver|assigned_to)(?:_|$)/;

export function isAuditColumn(column: string): boolean {
  let known = audit.get(column);
  if (known === undefined) audit.set(column, (known = AUDIT.test(splitName(column).join('_'))));
  return known;
}

/** Who did something: unless the column bears the name of what it refers to, as `author_id` does where there are authors. */
export function isAuditKey(columns: readonly string[], parent: RelationId, names: Names): boolean {
  const parentWords = (names.tokens.get(parent) ?? []).join(' ');
  return columns.some((column) => isAuditColumn(column) && columnStem(column).join(' ') !== parentWords);
}

const HOUSEKEEPING =
  /^(?:id|uuid|guid|row_?guid|created|updated|modified|deleted|creation|inserted|last|version|row_?version|sort|position|order|rank|priority|metadata|active|is_active|timestamp)(?:_|$)|(?:_at|_on|_date|_by|_stamp|date|sort_?order)$/;

/** Columns that nearly every table has and that say nothing about what a row is. */
export function isHousekeeping(column: string): boolean {
  let known = housekeeping.get(column);
  if (known === undefined) housekeeping.set(column, (known = HOUSEKEEPING.test(splitName(column).join('_'))));
  return known;
}

/** Column names come again and again. */
const housekeeping = new Map<string, boolean>();
const audit = new Map<string, boolean>();

export function primaryKeyOf(relation: Relation): readonly string[] {
  return relation.keys.find((key) => key.kind === 'primary')?.columns ?? [];
}

export function columnOf(relation: Relation, name: string): Column | undefined {
  return relation.columns.find((column) => column.name === name);
}

/** Exactly these columns, in any order, are unique. */
export function isUniqueOn(relation: Relation, columns: readonly string[]): boolean {
  const wanted = new Set(columns);
  const fits = (key: readonly string[]): boolean =>
    key.length === wanted.size && key.every((name) => wanted.has(name));
  return (
    relation.keys.some((key) => fits(key.columns)) ||
    relation.indexes.some(
      (index) =>
        index.isUnique && index.predicate === undefined && !index.hasExpression && fits(index.columns),
    )
  );
}

const HISTORY =
  /^(?:history|histories|audit|log|archive|archived|version|revision|snapshot|journal|aud|hist|bak|backup|old|tombstone|changelog|change)$/;

export function readFacts(
  relations: readonly Relation[],
  names: Names,
): ReadonlyMap<RelationId, RelationFacts> {
  const byTokens = new Map<string, RelationId>();
  for (const relation of relations)
    byTokens.set((names.tokens.get(relation.id) ?? []).join(' '), relation.id);
  return new Map(
    relations.map((relation) => {
      const links = readLinks(relation, names);
      const weakOf = links === undefined ? readWeak(relation) : undefined;
      const historyOf = readHistory(relation, names, byTokens);
      return [
        relation.id,
        {
          relation: relation.id,
          ...(links === undefined ? {} : { links }),
          ...(weakOf === undefined ? {} : { weakOf }),
          ...(historyOf === undefined ? {} : { historyOf }),
          polymorphic: readPolymorphic(relation),
        },
      ];
    }),
  );
}

/** Foreign keys to other relations, the copies that partitions carry left out. */
export function ownKeys(relation: Relation): readonly ForeignKey[] {
  return relation.foreignKeys.filter((key) => key.parent !== relation.id && !key.isInherited);
}

function readLinks(relation: Relation, names: Names): RelationFacts['links'] {
  const keys = ownKeys(relation).filter((key) => !isAuditKey(key.columns, key.parent, names));
  if (keys.length < 2) return undefined;
  const keyed = new Set(keys.flatMap((key) => key.columns));
  const primary = primaryKeyOf(relation);
  const isPair = primary.length >= 2 && primary.every((column) => keyed.has(column));
  if (!isPair && keys.length !== 2) return undefined;
  const others = relation.columns.filter((column) => !keyed.has(column.name) && !isHousekeeping(column.name));
  const own = others.filter((column) => !(primary.length === 1 && primary[0] === column.name));
  if (!(isPair ? own.length <= 1 : own.length === 0)) return undefined;
  const parents = [
    ...new Set(
      (isPair ? keys.filter((key) => key.columns.some((c) => primary.includes(c))) : keys).map(
        (key) => key.parent,
      ),
    ),
  ];
  if (parents.length < 2) return undefined;
  const owner = nameOwner(relation.id, parents, names);
  return {
    parents: owner === null ? parents : [owner, ...parents.filter((parent) => parent !== owner)],
    owner,
  };
}

/** The parent whose name a relation's name begins with; the longest such name, null when none or several fit equally. */
export function nameOwner(
  child: RelationId,
  parents: readonly RelationId[],
  names: Names,
): RelationId | null {
  const tokens = names.tokens.get(child) ?? [];
  let best: RelationId | null = null;
  let length = 0;
  for (const parent of parents) {
    const candidate = names.tokens.get(parent) ?? [];
    if (candidate.length <= length || !startsWith(tokens, candidate)) continue;
    best = parent;
    length = candidate.length;
  }
  return best;
}

export const startsWith = (tokens: readonly string[], prefix: readonly string[]): boolean =>
  prefix.length > 0 &&
  prefix.length <= tokens.length &&
  prefix.every((token, index) => tokens[index] === token);

function readWeak(relation: Relation): RelationId | undefined {
  const primary = primaryKeyOf(relation);
  const parents = new Set(
    ownKeys(relation)
      .filter((key) => key.columns.every((column) => primary.includes(column)))
      .map((key) => key.parent),
  );
  return parents.size === 1 ? [...parents][0] : undefined;
}

function readHistory(
  relation: Relation,
  names: Names,
  byTokens: ReadonlyMap<string, RelationId>,
): RelationId | undefined {
  const tokens = names.tokens.get(relation.id) ?? [];
  if (tokens.length < 2) return undefined;
  const ways = [
    { marker: tokens.at(-1) as string, rest: tokens.slice(0, -1) },
    { marker: tokens[0] as string, rest: tokens.slice(1) },
  ];
  for (const { marker, rest } of ways) {
    const found = HISTORY.test(marker) ? byTokens.get(rest.join(' ')) : undefined;
    if (found !== undefined && found !== relation.id) return found;
  }
  return undefined;
}

const NAMES_A_TYPE = /(?:type|kind|class|model)(?:_id)?$/i;

function readPolymorphic(relation: Relation): RelationFacts['polymorphic'] {
  const keyed = new Set(relation.foreignKeys.flatMap((key) => key.columns));
  return relation.columns.flatMap((column) => {
    if (!NAMES_A_TYPE.test(column.name)) return [];
    const stem = /^(.+?)_?(?:type|kind|class|model)(?:_id)?$/i.exec(column.name)?.[1];
    if (stem === undefined || stem === '') return [];
    const beside = new RegExp(`^${stem.replaceAll(/[^\w]/g, '.')}_?(?:id|uuid|key)$`, 'i');
    const id = relation.columns.find((other) => beside.test(other.name) && !keyed.has(other.name));
    return id === undefined || id.name === column.name
      ? []
      : [{ typeColumn: column.name, idColumn: id.name }];
  });
}

/** A column (by name) on more than this share of relations separates tenants or partitions; it is no reference. */
export const PARTITION_KEY_SHARE = 0.15;
const FEWEST_FOR_PARTITION_KEY = 12;

/** Names of id-like columns that so many relations have that they part rows, not relations (`tenant_id`). */
export function partitionKeyColumns(relations: readonly Relation[]): ReadonlySet<string> {
  const count = new Map<string, number>();
  for (const relation of relations)
    for (const column of relation.columns)
      if (/(?:id|uuid|key|code)$/i.test(column.name) && splitName(column.name).length > 1)
        count.set(column.name, (count.get(column.name) ?? 0) + 1);
  const limit = Math.max(FEWEST_FOR_PARTITION_KEY, PARTITION_KEY_SHARE * relations.length);
  return new Set([...count].filter(([, n]) => n > limit).map(([name]) => name));
}

/** Words of a column's name without what marks it as a key: `parent_account_record_id` → parent, account. */
export function columnStem(column: string): readonly string[] {
  const words = splitName(column).map(singular);
  while (
    words.length > 1 &&
    /^(?:id|uuid|guid|key|code|fk|ref|record|no|number|pk)$/.test(words.at(-1) as string)
  )
    words.pop();
  return words;
}
