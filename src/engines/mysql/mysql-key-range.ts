/**
 * Ranges of a key as SQL: half-open, so that ranges laid end to end cover every row once. Written out column by column: neither MySQL nor
 * MariaDB searches an index for `(a, b) >= (1, 2)`.
 */
import type { Chunk, Key } from '../engine.js';
import { boundText } from '../canonical-columns.js';
import type { KeyColumn } from '../relation-sides.js';
import { canonicalLiteral, textSql } from './mysql-canonical.js';
import { quoteIdentifier } from './mysql-sql.js';
import { mysqlType, typeLabels } from './mysql-values.js';

/** A column as it is ordered, and a value of it in the same terms. */
interface Ordered {
  readonly sql: string;
  readonly bound: (value: string) => string;
}

function ordered({ name, type, kind: as, isByBytes }: KeyColumn): Ordered {
  const column = quoteIdentifier(name);
  const { kind } = mysqlType(type);
  const isText = kind === 'text' || kind === 'enum' || kind === 'set' || kind === 'plain';
  // Only text is ordered differently by different servers and collations.
  if (isByBytes === true && (as !== undefined || isText))
    return {
      sql: `CAST(${as === undefined ? `CONVERT(${column} USING utf8mb4)` : textSql(type, as, column)} AS BINARY)`,
      bound: (value) => `x'${Buffer.from(boundText(as, value), 'utf8').toString('hex')}'`,
    };
  // Indexes and ORDER BY take these by their number, but compared with text they are text, in another order.
  if (kind === 'enum' || kind === 'set') {
    const labels = typeLabels(type);
    const number = (value: string): string =>
      kind === 'enum'
        ? String(labels.indexOf(value) + 1)
        : value
            .split(',')
            .reduce((sum, label) => sum + (label === '' ? 0n : 1n << BigInt(labels.indexOf(label))), 0n)
            .toString();
    return { sql: `(${column} + 0)`, bound: number };
  }
  return { sql: column, bound: (value) => canonicalLiteral(type, as, value) };
}

export function orderBy(columns: readonly KeyColumn[]): string {
  return columns.map((column) => ordered(column).sql).join(', ');
}

/** `a > 1 OR (a = 1 AND (b > 2 OR (b = 2 AND c >= 3)))` for `>=`. */
function bounded(
  columns: readonly Ordered[],
  values: Key,
  strict: '>' | '<',
  last: '>' | '>=' | '<',
): string {
  const [first, ...rest] = columns as [Ordered, ...Ordered[]];
  const bound = first.bound(values[0] as string);
  if (rest.length === 0) return `${first.sql} ${last} ${bound}`;
  return `(${first.sql} ${strict} ${bound} OR (${first.sql} = ${bound} AND ${bounded(rest, values.slice(1), strict, last)}))`;
}

/** A condition without WHERE; `TRUE` for a chunk without bounds. */
export function rangeCondition(chunk: Pick<Chunk, 'from' | 'to'>, columns: readonly KeyColumn[]): string {
  const key = columns.map(ordered);
  const parts = [
    ...(chunk.from === null ? [] : [bounded(key, chunk.from, '>', '>=')]),
    ...(chunk.to === null ? [] : [bounded(key, chunk.to, '<', '<')]),
  ];
  return parts.length === 0 ? 'TRUE' : parts.join(' AND ');
}

/** Rows of the given keys, as the column's collation compares them: `a` finds `A` too. */
export function keysCondition(keys: readonly Key[], columns: readonly KeyColumn[]): string {
  if (keys.length === 0) return 'FALSE';
  const names = columns.map(({ name }) => quoteIdentifier(name));
  const literals = (key: Key) =>
    columns.map(({ type, kind }, i) => canonicalLiteral(type, kind, key[i] as string));
  if (columns.length === 1) return `${names[0]} IN (${keys.map((key) => literals(key)[0]).join(', ')})`;
  return keys
    .map((key) => {
      const values = literals(key);
      return `(${names.map((name, i) => `${name} = ${values[i]}`).join(' AND ')})`;
    })
    .join(' OR ');
}
