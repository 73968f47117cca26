/** Where the counters of AUTO_INCREMENT columns (by their table) and MariaDB's sequences stand. */
import { parseRelationId, type RelationId } from '../../model/relation-id.js';
import type { SequenceState } from '../engine.js';
import { autoIncrementMaximum } from './mysql-auto-increment.js';
import type { BulkSession } from './mysql-bulk-sessions.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

export async function readSequences(
  session: BulkSession,
  ids: readonly RelationId[],
): Promise<readonly SequenceState[]> {
  const states: SequenceState[] = [];
  for (const id of ids) {
    const state = (await readCounter(session, id)) ?? (await readSequence(session, id));
    if (state !== null) states.push(state);
  }
  return states;
}

async function readCounter(session: BulkSession, id: RelationId): Promise<SequenceState | null> {
  const { schema, name } = parseRelationId(id);
  const [row] = await session.rows(
    `SELECT c.column_name, c.column_type, t.auto_increment, @@auto_increment_increment, @@auto_increment_offset
       FROM information_schema.columns c
       JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
      WHERE c.table_schema = ? AND c.table_name = ? AND c.extra LIKE '%auto_increment%'`,
    [schema, name],
  );
  if (row === undefined) return null;
  const [column, type, counter, increment, offset] = row.map((value) => value ?? '1') as [
    string,
    string,
    string,
    string,
    string,
  ];
  // A key that was changed to a greater one, or applied from elsewhere, does not everywhere move the counter at once.
  const [greatest] = await session.rows(
    `SELECT COALESCE(CAST(MAX(${quoteIdentifier(column)}) AS DECIMAL(40, 0)), 0) FROM ${quoteRelation(id)}`,
  );
  const above = BigInt(greatest?.[0] ?? '0') + 1n;
  const least = BigInt(counter) > above ? BigInt(counter) : above;
  return {
    id,
    next: nextOf(least, BigInt(increment), BigInt(offset)).toString(),
    increment,
    minimum: '1',
    maximum: autoIncrementMaximum(type).toString(),
    cache: '1',
  };
}

/** The first value of `offset + n × increment` that is not below `least`. An offset beyond the increment is ignored by the server. */
export function nextOf(least: bigint, increment: bigint, offset: bigint): bigint {
  const first = offset > increment ? 1n : offset;
  if (least <= first) return first;
  const steps = (least - first + increment - 1n) / increment;
  return first + steps * increment;
}

async function readSequence(session: BulkSession, id: RelationId): Promise<SequenceState | null> {
  const { schema, name } = parseRelationId(id);
  const found = await session.rows(
    `SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ? AND table_type = 'SEQUENCE'`,
    [schema, name],
  );
  if (found.length === 0) return null;
  const [row] = await session.rows(
    `SELECT next_not_cached_value, increment, minimum_value, maximum_value, cache_size FROM ${quoteRelation(id)}`,
  );
  const [next, increment, minimum, maximum, cache] = (row ?? []).map((value) => value ?? '0') as [
    string,
    string,
    string,
    string,
    string,
  ];
  return {
    id,
    next,
    // 0 stands for the server's own increment.
    increment: increment === '0' ? '1' : increment,
    minimum,
    maximum,
    cache: cache === '0' ? '1' : cache,
  };
}
