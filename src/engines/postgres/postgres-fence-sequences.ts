/**
 * Sequences in a cutover. nextval is no write that a trigger could refuse, so the side that stops owning gets its bound moved to the last
 * value it gave (undone by opening), and the new owner goes on beyond everything that was given, with room for what sessions still
 * hold in their caches.
 */
import { RefusedError } from '../../model/errors.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { SequenceAdvance, SequenceState } from '../engine.js';
import type { SequenceBounds } from './postgres-fence-memory.js';
import type { Queryable } from './postgres-fence-tree.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';

export interface SequenceFacts extends SequenceState {
  readonly id: RelationId;
  readonly sql: string;
  readonly lastValue: bigint;
  readonly isCalled: boolean;
  readonly isCycling: boolean;
  readonly start: string;
}

interface Definition {
  schema: string;
  name: string;
  increment: string;
  minimum: string;
  maximum: string;
  cache: string;
  cycles: string;
  start: string;
}

const DEFINITIONS = `
SELECT n.nspname AS schema, c.relname AS name, s.seqincrement AS increment, s.seqmin AS minimum, s.seqmax AS maximum,
       s.seqcache AS cache, s.seqcycle::text AS cycles, s.seqstart AS start
  FROM unnest($1::text[], $2::text[]) AS given (schema, name)
  JOIN pg_namespace n ON n.nspname = given.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = given.name
  JOIN pg_sequence s ON s.seqrelid = c.oid
 ORDER BY c.oid`;

export async function readSequences(client: Queryable, ids: readonly RelationId[]): Promise<SequenceFacts[]> {
  if (ids.length === 0) return [];
  const names = ids.map((id) => parseRelationId(id));
  const { rows } = await client.query<Definition>(DEFINITIONS, [
    names.map((n) => n.schema),
    names.map((n) => n.name),
  ]);
  const found = new Set(rows.map((row) => relationId(row.schema, row.name)));
  const missing = ids.filter((id) => !found.has(id));
  if (missing.length > 0)
    throw new RefusedError({
      code: 'DBPS_E330',
      message: `no such sequence: ${missing.join(', ')}`,
      hint: 'dbps plan diff shows what has changed since the plan was made.',
    });
  return readSequenceValues(
    client,
    rows.map((row) => ({
      id: relationId(row.schema, row.name),
      sql: `${quoteIdentifier(row.schema)}.${quoteIdentifier(row.name)}`,
      isCycling: row.cycles === 'true',
      start: row.start,
      increment: row.increment,
      minimum: row.minimum,
      maximum: row.maximum,
      cache: row.cache,
    })),
  );
}

/** Where they stand now; one statement for all, as writers wait. */
export async function readSequenceValues(
  client: Queryable,
  sequences: readonly Omit<SequenceFacts, 'lastValue' | 'isCalled' | 'next'>[],
): Promise<SequenceFacts[]> {
  if (sequences.length === 0) return [];
  const { rows } = await client.query<{ last_value: string; is_called: string }>(
    sequences
      .map(
        ({ sql }, index) =>
          `SELECT ${index} AS position, last_value, is_called::text AS is_called FROM ${sql}`,
      )
      .join(' UNION ALL ')
      .concat(' ORDER BY 1'),
  );
  return sequences.map((sequence, index) => {
    const value = rows[index] as { last_value: string; is_called: string };
    const lastValue = BigInt(value.last_value);
    const isCalled = value.is_called === 'true';
    const next = String(isCalled ? lastValue + BigInt(sequence.increment) : lastValue);
    return { ...sequence, lastValue, isCalled, next };
  });
}

/**
 * Takes the lock that fencing needs while there is still a way back: ALTER SEQUENCE waits for every transaction that drew a value. Sets
 * what is set already; rolled back it leaves nothing.
 */
export function lockSequence(sequence: SequenceFacts): string {
  return `ALTER SEQUENCE ${sequence.sql} CACHE ${sequence.cache}`;
}

/**
 * No further value: the bound is the last one given. START must lie inside, and one bound strictly beyond the other. A sequence that has
 * given none yet would still give its first: it is marked as given, which a rollback does not take back (one value less, as after any
 * rolled-back insert).
 */
export function fenceSequence(sequence: SequenceFacts): string {
  const last = sequence.lastValue;
  const isAscending = BigInt(sequence.increment) > 0n;
  const minimum = isAscending ? (BigInt(sequence.minimum) < last ? sequence.minimum : last - 1n) : last;
  const maximum = isAscending ? last : BigInt(sequence.maximum) > last ? sequence.maximum : last + 1n;
  const mark = sequence.isCalled
    ? ''
    : `SELECT setval('${sequence.sql.replaceAll("'", "''")}'::regclass, ${last}, true); `;
  return `${mark}ALTER SEQUENCE ${sequence.sql} MINVALUE ${minimum} MAXVALUE ${maximum} START WITH ${last} NO CYCLE`;
}

export function boundsOf(sequence: SequenceFacts): SequenceBounds {
  return {
    minimum: sequence.minimum,
    maximum: sequence.maximum,
    start: sequence.start,
    isCycling: sequence.isCycling,
  };
}

/** Lifts the fence: bounds as they were. */
export function restoreBounds(sequence: Pick<SequenceFacts, 'sql'>, bounds: SequenceBounds): string {
  return `ALTER SEQUENCE ${sequence.sql} MINVALUE ${bounds.minimum} MAXVALUE ${bounds.maximum} START WITH ${bounds.start} ${bounds.isCycling ? 'CYCLE' : 'NO CYCLE'}`;
}

/**
 * Where the new owner goes on: beyond what either side would have given next, in the sequence's own direction, plus
 * increment × cache × clients (at most that many values are in sessions' caches, given but not yet used).
 * @throws RefusedError when that is outside its bounds.
 */
export function planAdvance(own: SequenceFacts, bounds: SequenceBounds, advance: SequenceAdvance): bigint {
  const increment = BigInt(own.increment);
  const peer = BigInt(advance.peer.next);
  const mine = BigInt(own.next);
  const further = increment > 0n === peer > mine ? peer : mine;
  const magnitude = (value: bigint) => (value < 0n ? -value : value);
  const peerStep = magnitude(BigInt(advance.peer.increment));
  const step = peerStep > magnitude(increment) ? peerStep : magnitude(increment);
  const cache =
    BigInt(advance.peer.cache) > BigInt(own.cache) ? BigInt(advance.peer.cache) : BigInt(own.cache);
  const margin = step * cache * BigInt(Math.max(1, advance.clients));
  const next = increment > 0n ? further + margin : further - margin;
  if (next > BigInt(bounds.maximum) || next < BigInt(bounds.minimum)) {
    throw new RefusedError({
      code: 'DBPS_E336',
      message: `sequence ${own.id} has no room: it would go on at ${next}, outside ${bounds.minimum} to ${bounds.maximum}`,
      hint: `Widen the column and the sequence first: ALTER SEQUENCE ${quoteRelation(own.id)} AS bigint;`,
    });
  }
  return next;
}

/** Restores the bounds and goes on at `next`, transactionally (setval would stay after a rollback). */
export function continueSequence(sequence: SequenceFacts, bounds: SequenceBounds, next: bigint): string {
  return `${restoreBounds(sequence, bounds)} RESTART WITH ${next}`;
}
