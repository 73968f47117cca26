/**
 * Counters in a cutover. An AUTO_INCREMENT value is only given to a row that is being written, and the fence refuses before one is drawn: so the
 * closed side's counter needs no fence of its own, and nobody holds values that were given and not used. The new owner goes on beyond
 * what either side would have given next.
 */
import type mysql from 'mysql2/promise';
import { RefusedError } from '../../model/errors.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { SequenceAdvance, SequenceState } from '../engine.js';
import { autoIncrementMaximum } from './mysql-auto-increment.js';
import { queryable, type MysqlQueryable } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';
import { nextOf } from './mysql-sequences.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

export interface CounterFacts extends SequenceState {
  /** `counter`: of an AUTO_INCREMENT column, under its table's name. `sequence`: MariaDB's CREATE SEQUENCE. */
  readonly kind: 'counter' | 'sequence';
}

const COUNTERS = `
SELECT t.table_schema, t.table_name, t.table_type, t.auto_increment, c.column_name, c.column_type,
       @@auto_increment_increment AS step, @@auto_increment_offset AS first
  FROM information_schema.tables t
  LEFT JOIN information_schema.columns c
    ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.extra LIKE '%auto_increment%'
 WHERE (t.table_schema, t.table_name) IN`;

const UNKNOWN_VARIABLE = 1193;

/** MySQL keeps statistics for a day; MariaDB always looks. */
export async function readFreshStatistics(connection: mysql.Connection): Promise<void> {
  await connection.query('SET SESSION information_schema_stats_expiry = 0').catch((error: unknown) => {
    if (errorNumber(error) !== UNKNOWN_VARIABLE) throw error;
  });
}

/** In the order asked for. @throws RefusedError for one that is not there. */
export async function readCounters(
  session: MysqlQueryable,
  ids: readonly RelationId[],
): Promise<CounterFacts[]> {
  if (ids.length === 0) return [];
  const names = ids.map((id) => parseRelationId(id));
  const rows = await session.query({
    sql: `${COUNTERS} (${names.map(() => '(?, ?)').join(', ')})`,
    values: names.flatMap(({ schema, name }) => [schema, name]),
  });
  const found = new Map(
    rows.map((row) => [relationId(row['table_schema'] ?? '', row['table_name'] ?? ''), row]),
  );
  const greatest = await readGreatest(session, found);
  const counters: CounterFacts[] = [];
  for (const id of ids) {
    const row = found.get(id);
    const isSequence = row?.['table_type'] === 'SEQUENCE';
    if (row === undefined || (!isSequence && row['column_type'] == null))
      throw new RefusedError({
        code: 'DBPS_E330',
        message: `no such sequence: ${id}`,
        hint: 'dbps plan diff shows what has changed since the plan was made.',
      });
    counters.push(
      isSequence
        ? await readSequence(session, id)
        : {
            kind: 'counter',
            id,
            next: nextCounter(row, greatest.get(id) ?? 0n),
            increment: row['step'] ?? '1',
            minimum: '1',
            maximum: autoIncrementMaximum(row['column_type'] ?? '').toString(),
            cache: '1',
          },
    );
  }
  return counters;
}

/** MySQL says NULL for a table into which nothing was ever written. */
function nextCounter(row: Readonly<Record<string, string | null>>, greatest: bigint): string {
  const counter = BigInt(row['auto_increment'] ?? '1');
  const least = counter > greatest ? counter : greatest + 1n;
  return nextOf(least, BigInt(row['step'] ?? '1'), BigInt(row['first'] ?? '1')).toString();
}

/** A key that was changed to a greater one does not move the counter. By the column's index, in one statement. */
async function readGreatest(
  session: MysqlQueryable,
  rows: ReadonlyMap<RelationId, Readonly<Record<string, string | null>>>,
): Promise<ReadonlyMap<RelationId, bigint>> {
  const counted = [...rows].filter(([, row]) => row['column_name'] != null);
  if (counted.length === 0) return new Map();
  const found = await session.query({
    sql: counted
      .map(
        ([id, row], at) =>
          `SELECT ${at} AS at, CAST(MAX(${quoteIdentifier(row['column_name'] ?? '')}) AS DECIMAL(40, 0)) AS greatest FROM ${quoteRelation(id)}`,
      )
      .join(' UNION ALL '),
  });
  return new Map(
    found.map((row) => [
      counted[Number(row['at'])]?.[0] ?? '',
      BigInt(row['greatest'] ?? '0') > 0n ? BigInt(row['greatest'] ?? '0') : 0n,
    ]),
  );
}

async function readSequence(session: MysqlQueryable, id: RelationId): Promise<CounterFacts> {
  const [row] = await session.query({
    sql: `SELECT next_not_cached_value AS next, increment, minimum_value AS minimum, maximum_value AS maximum, cache_size AS cache
            FROM ${quoteRelation(id)}`,
  });
  return {
    kind: 'sequence',
    id,
    next: row?.['next'] ?? '1',
    increment: row?.['increment'] ?? '1',
    minimum: row?.['minimum'] ?? '1',
    maximum: row?.['maximum'] ?? '9223372036854775806',
    cache: row?.['cache'] === '0' ? '1' : (row?.['cache'] ?? '1'),
  };
}

const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);

/**
 * The next value to give here, null where the counter is there already. The margin is for values that sessions of the other side were given and
 * have not used yet (increment × cache × clients). @throws RefusedError when that is outside what the column holds.
 */
export function planAdvance(own: SequenceState, advance: SequenceAdvance): bigint | null {
  const increment = BigInt(own.increment);
  const peer = BigInt(advance.peer.next);
  const mine = BigInt(own.next);
  const step = [magnitude(increment), magnitude(BigInt(advance.peer.increment))].reduce((a, b) =>
    a > b ? a : b,
  );
  const margin = step * BigInt(advance.peer.cache) * BigInt(advance.clients);
  const wanted = increment > 0n ? peer + margin : peer - margin;
  if (increment > 0n ? mine >= wanted : mine <= wanted) return null;
  if (wanted > BigInt(own.maximum) || wanted < BigInt(own.minimum))
    throw new RefusedError({
      code: 'DBPS_E336',
      message: `sequence ${own.id} has no room: it would go on at ${wanted}, outside ${own.minimum} to ${own.maximum}`,
      hint: `Widen the column first: ALTER TABLE ${quoteRelation(own.id)} MODIFY … bigint …;`,
    });
  return wanted;
}

/** In place: the server must not copy the table for it. SETVAL never goes back. */
export function advanceStatement(own: CounterFacts, next: bigint): string {
  return own.kind === 'sequence'
    ? `DO SETVAL(${quoteRelation(own.id)}, ${next}, 0)`
    : `ALTER TABLE ${quoteRelation(own.id)} AUTO_INCREMENT = ${next}, ALGORITHM = INPLACE`;
}

export async function readCountersFresh(
  connection: mysql.Connection,
  ids: readonly RelationId[],
): Promise<CounterFacts[]> {
  await readFreshStatistics(connection);
  return readCounters(queryable(connection), ids);
}
