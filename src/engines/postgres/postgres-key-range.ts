/**
 * Ranges of a key as SQL: half-open, so that ranges laid end to end cover every row once, whatever the key is made of. Bounds are the
 * server's own text, cast to the column's type; the comparison is the type's own (and the column's own collation), so the key's index serves it.
 */
import type { RelationId } from '../../model/relation-id.js';
import type { Chunk, Key } from '../engine.js';
import { boundText } from '../canonical-columns.js';
import type { KeyColumn } from '../relation-sides.js';
import { textSql } from './postgres-canonical.js';
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

/** By its type and collation, or by the bytes of its text where the two sides would order text differently. */
function orderedKey({ name, type, kind, isByBytes }: KeyColumn): string {
  const column = quoteIdentifier(name);
  return isByBytes === true ? `(${textSql(type, kind, column)}) COLLATE "C"` : column;
}

function bound({ type, kind, isByBytes }: KeyColumn, value: string): string {
  return isByBytes === true
    ? `${quoteLiteral(boundText(kind, value))}::text COLLATE "C"`
    : `${quoteLiteral(value)}::${type}`;
}

export function orderBy(columns: readonly KeyColumn[]): string {
  return columns.map(orderedKey).join(', ');
}

/** A condition without WHERE; `true` for a chunk without bounds. */
export function rangeCondition(chunk: Pick<Chunk, 'from' | 'to'>, columns: readonly KeyColumn[]): string {
  const key = tuple(columns.map(orderedKey));
  const bounds = (values: Key) => tuple(columns.map((column, i) => bound(column, values[i] as string)));
  const parts = [
    ...(chunk.from === null ? [] : [`${key} >= ${bounds(chunk.from)}`]),
    ...(chunk.to === null ? [] : [`${key} < ${bounds(chunk.to)}`]),
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
