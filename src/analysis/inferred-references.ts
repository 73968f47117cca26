/**
 * References that no key declares, found by name and type: `customer_id` → `customers.id`. Only where a schema declares few:
 * measured, adding guesses to a schema that declares its own keys makes proposals worse.
 */
import type { DatabaseSchema, Relation } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import { readNames, type Names } from './names.js';
import { columnStem, ownableRelations, ownKeys, partitionKeyColumns } from './relation-facts.js';

export interface InferredReference {
  readonly child: RelationId;
  readonly column: string;
  readonly parent: RelationId;
  readonly parentColumn: string;
  /** 0..1: exact name beats a name at the end of a longer one. */
  readonly confidence: number;
}

/** Declared keys a table below which references are guessed. */
export const DECLARED_ENOUGH = 0.3;

/** Distinct values fewer than these neither confirm nor refute a guess. */
export const FEWEST_VALUES = 10;
/** Share of values found in the parent below which a guess is dropped. */
export const LEAST_HIT_RATE = 0.8;

/** The guesses that `analyze --check-data` asks the data about. */
export function guessedReferences(schema: DatabaseSchema): readonly InferredReference[] {
  const relations = ownableRelations(schema);
  return declaresFewKeys(relations) ? inferReferences(relations, readNames(relations)) : [];
}

export function declaresFewKeys(relations: readonly Relation[]): boolean {
  const declared = relations.reduce((sum, relation) => sum + ownKeys(relation).length, 0);
  return relations.length > 0 && declared < DECLARED_ENOUGH * relations.length;
}

/** `customer_id`, `customer_uuid`, `customerId`; not `email` nor `state`. */
const KEY_LIKE = /(?:_id|Id|ID|_uuid|_guid|_key|_code|_no|_fk|id)$/;

export function inferReferences(relations: readonly Relation[], names: Names): readonly InferredReference[] {
  const partitionKeys = partitionKeyColumns(relations);
  const byTokens = new Map<string, Relation[]>();
  for (const relation of relations) {
    const key = (names.tokens.get(relation.id) ?? []).join(' ');
    byTokens.set(key, [...(byTokens.get(key) ?? []), relation]);
  }
  const found: InferredReference[] = [];
  for (const relation of relations) {
    const declared = new Set(relation.foreignKeys.flatMap((key) => key.columns));
    for (const column of relation.columns) {
      if (declared.has(column.name) || partitionKeys.has(column.name) || !KEY_LIKE.test(column.name))
        continue;
      const stem = columnStem(column.name);
      if (stem.length === 0 || stem.join(' ') === (names.tokens.get(relation.id) ?? []).join(' ')) continue;
      // `parent_account_id`: the longest end of the name that is a relation.
      for (let from = 0; from < stem.length; from += 1) {
        const candidates = byTokens.get(stem.slice(from).join(' ')) ?? [];
        const parent = candidates.find((candidate) => candidate.schema === relation.schema) ?? candidates[0];
        if (parent === undefined) continue;
        const target = targetColumn(parent, column.name, column.baseType);
        if (target !== undefined && !(parent.id === relation.id && target === column.name))
          found.push({
            child: relation.id,
            column: column.name,
            parent: parent.id,
            parentColumn: target,
            confidence: from === 0 ? 0.9 : 0.7,
          });
        break;
      }
    }
  }
  return found;
}

const FAMILIES: readonly (readonly string[])[] = [
  [
    'int2',
    'int4',
    'int8',
    'numeric',
    'smallint',
    'mediumint',
    'int',
    'bigint',
    'decimal',
    'tinyint',
    'serial',
  ],
  ['varchar', 'bpchar', 'text', 'char', 'citext', 'uuid', 'tinytext', 'binary', 'varbinary'],
];

const familyOf = (baseType: string): number => FAMILIES.findIndex((family) => family.includes(baseType));

/** A column of the parent that is unique by itself and of a comparable type. */
function targetColumn(parent: Relation, column: string, baseType: string): string | undefined {
  const unique = new Set<string>();
  for (const key of parent.keys) if (key.columns.length === 1) unique.add(key.columns[0] as string);
  for (const index of parent.indexes)
    if (index.isUnique && index.columns.length === 1 && index.predicate === undefined)
      unique.add(index.columns[0] as string);
  const family = familyOf(baseType);
  const fitting = parent.columns.filter(
    (candidate) => unique.has(candidate.name) && familyOf(candidate.baseType) === family,
  );
  const lower = column.toLowerCase();
  const ending = fitting.filter((candidate) => lower.endsWith(candidate.name.toLowerCase()));
  return (ending.sort((a, b) => b.name.length - a.name.length)[0] ?? fitting[0])?.name;
}
