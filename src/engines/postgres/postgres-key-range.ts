/**
 * Ranges of a key as SQL: half-open, so that ranges laid end to end cover every row once, whatever the key is made of. Bounds are the
 * server's own text, cast to the column's type; the comparison is the type's own (and the column's own collation), so the key's index serves it.
 */
import type { RelationId } from '../../model/relation-id.js';
import type { Chunk, Key } from '../engine.js';
import type { KeyColumn } from '../relation-sides.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';

/** `"a", "b"` or, for one column, `"a"`. */
export function columnList(columns: readonly KeyColumn[]): string {
  return columns.map((column) => quoteIdentifier(column.name)).join(', ');
}

function tuple(parts: readonly string[]): string {
  return parts.length === 1 ? (parts[0] as string) : `(${parts.join(', ')})`;
}

export function keyLiteral(key: Key, columns: readonly KeyColumn[]): string {
  return tuple(columns.map((column, i) => `${quoteLiteral(key[i] as string)}::${column.type}`));
}

/** How keys are ordered: by their types and collations, or by bytes where the two sides would order text differently. */
export type KeyOrder = 'native' | 'bytes';

function orderedKey(columns: readonly KeyColumn[], order: KeyOrder): readonly string[] {
  return columns.map((column) =>
    order === 'native' ? quoteIdentifier(column.name) : `${quoteIdentifier(column.name)}::text COLLATE "C"`,
  );
}

export function orderBy(columns: readonly KeyColumn[], order: KeyOrder = 'native'): string {
  return orderedKey(columns, order).join(', ');
}

/** A condition without WHERE; `true` for a chunk without bounds. */
export function rangeCondition(
  chunk: Pick<Chunk, 'from' | 'to'>,
  columns: readonly KeyColumn[],
  order: KeyOrder = 'native',
): string {
  const key = tuple(orderedKey(columns, order));
  const bound = (values: Key) =>
    order === 'native'
      ? keyLiteral(values, columns)
      : tuple(columns.map((_, i) => `${quoteLiteral(values[i] as string)}::text COLLATE "C"`));
  const parts = [
    ...(chunk.from === null ? [] : [`${key} >= ${bound(chunk.from)}`]),
    ...(chunk.to === null ? [] : [`${key} < ${bound(chunk.to)}`]),
  ];
  return parts.length === 0 ? 'true' : parts.join(' AND ');
}

export function keysCondition(keys: readonly Key[], columns: readonly KeyColumn[]): string {
  if (keys.length === 0) return 'false';
  const literals = keys.map((key) => keyLiteral(key, columns));
  const names = columns.map((c) => quoteIdentifier(c.name));
  // One column: an array that the index is searched for. Several: a list to join with; as alternatives they would be planned one by one.
  return columns.length === 1
    ? `${tuple(names)} IN (${literals.join(', ')})`
    : `${tuple(names)} IN (VALUES ${literals.join(', ')})`;
}

/** A partitioned root is read through all its leaves at once; any other table alone, without what inherits from it. */
export function fromClause(relation: RelationId, relkind: string): string {
  return relkind === 'p' ? quoteRelation(relation) : `ONLY ${quoteRelation(relation)}`;
}
