/** Where to cut a key into ranges of equal size. */
import { canonicalKey } from '../canonical-columns.js';
import type { ChecksumMethod, Chunk, Key, RelationMap, Side } from '../engine.js';
import { keyOn, relationOn, type KeyColumn } from '../relation-sides.js';
import type { BulkSession } from './mysql-bulk-sessions.js';
import { queryable } from './mysql-connection.js';
import { orderBy, rangeCondition } from './mysql-key-range.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';
import { estimate, planCuts as estimatedCuts } from './mysql-key-sample.js';
import { fromServer, mysqlType, readSql } from './mysql-values.js';

/** Values as the server sent them for readSql, in this engine's canonical text. */
export function ownValues(
  columns: readonly { readonly type: string }[],
  row: readonly (string | null)[],
): readonly (string | null)[] {
  return columns.map(({ type }, i) => {
    const text = row[i] ?? null;
    return text === null ? null : (fromServer(type)?.(text) ?? text);
  });
}

/** The key at the beginning of a row, in the text that the comparison uses. */
export function keyOf(columns: readonly KeyColumn[], row: readonly (string | null)[]): Key {
  return canonicalKey(columns, ownValues(columns, row) as Key);
}

/**
 * An integer key is halved by the server's estimates, and no row is read. Any other is walked along its index once, every n-th key: exact,
 * however the key is spread.
 */
export async function planCuts(
  session: BulkSession,
  map: RelationMap,
  side: Side,
  rowsPerChunk: number,
  method?: ChecksumMethod,
  signal?: AbortSignal,
): Promise<readonly Chunk[]> {
  const key = keyOn(map, side, method);
  const [only] = key;
  if (key.length === 1 && only?.isByBytes !== true && mysqlType(only?.type ?? '').kind === 'integer')
    return estimatedCuts(queryable(session.connection), map, side, rowsPerChunk, signal);
  const from = quoteRelation(relationOn(map, side));
  const select = key.map((c) => readSql(c.type, quoteIdentifier(c.name))).join(', ');
  const bounds: Key[] = [];
  if (key.some(({ isByBytes }) => isByBytes === true)) {
    const rows = await session.rows(
      `SELECT * FROM (SELECT ${key.map((c, i) => `${readSql(c.type, quoteIdentifier(c.name))} AS k${i}`).join(', ')},
                ROW_NUMBER() OVER (ORDER BY ${orderBy(key)}) - 1 AS n FROM ${from}) q
        WHERE n > 0 AND n % ${rowsPerChunk} = 0 ORDER BY n`,
    );
    bounds.push(...rows.map((row) => keyOf(key, row)));
  } else {
    for (let last: Key | null = null; ;) {
      const [row]: readonly (readonly (string | null)[])[] = await session.rows(
        `SELECT ${select} FROM ${from} WHERE ${rangeCondition({ from: last, to: null }, key)}
          ORDER BY ${orderBy(key)} LIMIT ${rowsPerChunk}, 1`,
      );
      if (row === undefined) break;
      last = keyOf(key, row);
      bounds.push(last);
    }
  }
  const rest = (await estimate(queryable(session.connection), from, 'true')) - bounds.length * rowsPerChunk;
  return [null, ...bounds].map((lower, index) => ({
    relation: map.source,
    index,
    from: lower,
    to: bounds[index] ?? null,
    estimatedRows: index < bounds.length ? rowsPerChunk : Math.min(rowsPerChunk, Math.max(1, rest)),
  }));
}
