/**
 * Where to cut a key into ranges of about equal size. There is no sample of pages here. A single integer key is halved again and again,
 * and the server's own estimate of each half (EXPLAIN: a look at two leaves of the index) says when to stop: no row is read. Any other key
 * is walked along its index, one bound every so many rows, which reads the index once.
 */
import type { RelationId } from '../../model/relation-id.js';
import type { Chunk, RelationMap, Side } from '../engine.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { keyOn, relationOn, type KeyColumn } from '../relation-sides.js';
import { readTableIndexes } from './mysql-indexes.js';
import { orderBy, rangeCondition } from './mysql-key-range.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';
import { fromServer, mysqlType, readSql } from './mysql-values.js';

/** Estimates of one plan at most: beyond, the pieces stay larger. */
const MOST_ESTIMATES = 20_000;

export async function planCuts(
  session: MysqlQueryable,
  map: RelationMap,
  side: Side,
  rowsPerChunk: number,
  signal?: AbortSignal,
): Promise<readonly Chunk[]> {
  const relation = relationOn(map, side);
  const key = keyOn(map, side);
  const from = `${quoteRelation(relation)}${await keyIndexHint(session, relation, key)}`;
  const estimated = await estimate(session, from, 'true');
  const [only] = key;
  const isSmall = estimated <= rowsPerChunk;
  // MySQL bounds every estimate by the table's statistics: where those are too old to be true, the index is walked.
  const isUnknown = isSmall && !(await holdsAtMost(session, from, 2 * rowsPerChunk));
  const isHalved =
    !isUnknown && key.length === 1 && only !== undefined && mysqlType(only.type).kind === 'integer';
  const cuts =
    isSmall && !isUnknown
      ? []
      : ((isHalved ? await halve(session, from, only, rowsPerChunk, estimated, signal) : null) ??
        (await walk(session, from, key, rowsPerChunk, signal)));
  const rows = cuts.length === 0 ? estimated : null;
  return [null, ...cuts].map((lower, index) => ({
    relation: map.source,
    index,
    from: lower === null ? null : lower.bound,
    to: cuts[index]?.bound ?? null,
    estimatedRows: rows ?? (index === 0 ? (cuts[0]?.before ?? 0) : (lower?.after ?? 0)),
  }));
}

interface Cut {
  readonly bound: readonly string[];
  /** Rows estimated up to the first cut, and from this one to the next. */
  readonly before: number;
  readonly after: number;
}

/** ` FORCE INDEX (…)` of the index that begins with the key's columns, in their order: a range must never become a scan of the table. */
export async function keyIndexHint(
  session: MysqlQueryable,
  relation: RelationId,
  key: readonly KeyColumn[],
): Promise<string> {
  const wanted = key.map((column) => column.name.toLowerCase());
  const found = (await readTableIndexes(session, relation)).find(
    (index) => !index.hasPrefix && wanted.every((column, i) => index.columns[i] === column),
  );
  return found === undefined ? '' : ` FORCE INDEX (${quoteIdentifier(found.name)})`;
}

/** The server's own estimate of the rows that answer to a condition. */
export async function estimate(session: MysqlQueryable, from: string, condition: string): Promise<number> {
  // MySQL 9 draws a tree unless it is told otherwise.
  const [row] = await session.query({
    sql: `EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM ${from} WHERE ${condition}`,
  });
  // Without a row: an impossible range.
  return Number(row?.['rows'] ?? 0);
}

/** Statistics may be old: a table that is said to be small is looked at. */
async function holdsAtMost(session: MysqlQueryable, from: string, rows: number): Promise<boolean> {
  const found = await session.query({ sql: `SELECT 1 FROM ${from} LIMIT 1 OFFSET ${rows}` });
  return found.length === 0;
}

/** @returns null where the estimates cannot be trusted. */
async function halve(
  session: MysqlQueryable,
  from: string,
  column: KeyColumn,
  rowsPerChunk: number,
  estimated: number,
  signal?: AbortSignal,
): Promise<readonly Cut[] | null> {
  const name = quoteIdentifier(column.name);
  const [ends] = await session.query({
    sql: `SELECT MIN(${name}) AS low, MAX(${name}) AS high FROM ${from}`,
  });
  if (ends?.['low'] == null || ends['high'] == null) return [];
  /** Small pieces in order, to be put together to chunks. */
  const pieces: { readonly low: bigint; readonly rows: number }[] = [];
  const open = [{ low: BigInt(ends['low']), high: BigInt(ends['high']) + 1n }];
  for (let asked = 0; ; asked++) {
    const range = open.pop();
    if (range === undefined) break;
    signal?.throwIfAborted();
    const { low, high } = range;
    const rows = await estimate(session, from, `${name} >= ${low} AND ${name} < ${high}`);
    if (
      rows <= rowsPerChunk / 2 ||
      high - low <= BigInt(Math.ceil(rowsPerChunk / 2)) ||
      asked > MOST_ESTIMATES
    ) {
      pieces.push({ low, rows: Math.min(rows, Number(high - low)) });
    } else {
      const middle = low + (high - low) / 2n;
      open.push({ low: middle, high }, { low, high: middle });
    }
  }
  // The parts do not make the whole: they are bounded by statistics that are not true.
  if (pieces.reduce((sum, piece) => sum + piece.rows, 0) < estimated / 2) return null;
  const cuts: { bound: readonly string[]; before: number; after: number }[] = [];
  let held = 0;
  let before = 0;
  for (const piece of pieces) {
    if (held > 0 && held + piece.rows > rowsPerChunk * 1.1) {
      const previous = cuts.at(-1);
      if (previous === undefined) before = held;
      else previous.after = held;
      cuts.push({ bound: [String(piece.low)], before: 0, after: 0 });
      held = 0;
    }
    held += piece.rows;
  }
  const last = cuts.at(-1);
  if (last !== undefined) last.after = held;
  const [first, ...rest] = cuts;
  return first === undefined ? [] : [{ ...first, before }, ...rest];
}

async function walk(
  session: MysqlQueryable,
  from: string,
  key: readonly KeyColumn[],
  rowsPerChunk: number,
  signal?: AbortSignal,
): Promise<readonly Cut[]> {
  const what = key.map((column, i) => `${readSql(column.type, quoteIdentifier(column.name))} AS k${i}`);
  const convert = key.map((column) => fromServer(column.type));
  const cuts: Cut[] = [];
  let after: readonly string[] | null = null;
  for (;;) {
    signal?.throwIfAborted();
    const [row] = await session.query({
      sql: `SELECT ${what.join(', ')} FROM ${from} WHERE ${rangeCondition({ from: after, to: null }, key)}
             ORDER BY ${orderBy(key)} LIMIT 1 OFFSET ${rowsPerChunk}`,
    });
    if (row === undefined) break;
    const bound = key.map((_, i) => {
      const text = row[`k${i}`] ?? '';
      return convert[i]?.(text) ?? text;
    });
    after = bound;
    cuts.push({ bound, before: rowsPerChunk, after: rowsPerChunk });
  }
  return cuts;
}
