/**
 * Reads the change log that triggers write. Every look is one snapshot: rows that it shows and the last one did not are a number of whole
 * transactions, however their numbers lie, so one that commits late is not skipped. Within a look rows go by their numbers: changes of one
 * row, and those that had to wait for each other, have them in the order in which they were made.
 */
import type pg from 'pg';
import { relationId } from '../../model/relation-id.js';
import type {
  Change,
  ChangeStream,
  ChangeTransaction,
  Key,
  Position,
  RelationMap,
  StreamOptions,
  Value,
} from '../engine.js';
import {
  ChangeLogPoll,
  changeReader,
  LookPieces,
  type LoggedRow,
  type LoggedText,
} from '../change-log-poll.js';
import {
  formatSnapshotPosition,
  isSnapshotReached,
  parseSnapshotPosition,
} from './postgres-trigger-position.js';

const ROWS_AT_ONCE = 500;

export interface TriggerStreamContext {
  /** The stream's own; holds its lock. */
  readonly session: pg.Client;
  /** Quoted. */
  readonly table: string;
  /** @throws RefusedError when triggers or relations are not what they were. */
  readonly assertIntact: () => Promise<void>;
  /** Deletes rows that the snapshot shows. */
  readonly purge: (snapshot: string) => Promise<void>;
  readonly describe: (error: unknown) => Error;
  readonly release: () => Promise<void>;
}

interface LeafRow extends LoggedRow {
  readonly leaf: string | null;
}

export class PostgresTriggerStream implements ChangeStream {
  readonly #context: TriggerStreamContext;
  readonly #options: StreamOptions;
  readonly #maxChanges: number;
  readonly #barriers = new Set<string>();
  /** What was handed out. */
  #read: Position;
  #durable: Position;
  #purged: Position | null = null;
  readonly #readers: readonly ((row: LeafRow) => Change)[];
  readonly #poll: ChangeLogPoll;

  constructor(context: TriggerStreamContext, options: StreamOptions) {
    this.#context = context;
    this.#options = options;
    this.#maxChanges = options.maxChanges ?? 20_000;
    this.#read = this.#durable = options.checkpoint.received;
    this.#readers = options.maps.map(leafReader);
    this.#poll = new ChangeLogPoll(
      {
        look: () => this.#look(),
        care: () => this.#care(),
        describe: context.describe,
        release: context.release,
      },
      options.signal,
    );
    context.session.on('error', (error) => this.#poll.fail(error));
    context.session.on('end', () => this.#poll.fail(new Error('its session was ended')));
  }

  get head(): Position {
    return this.#read;
  }

  [Symbol.asyncIterator](): AsyncIterator<ChangeTransaction> {
    return this.#poll[Symbol.asyncIterator]();
  }

  acknowledge(position: Position): void {
    if (!isSnapshotReached(this.#durable, position)) this.#durable = position;
  }

  /** A snapshot goes on with every transaction of the server, ours or not: what is read is known to be complete up to it. */
  idlePosition(): Position | null {
    return this.#poll.isHandingOut || isSnapshotReached(this.#durable, this.#read) ? null : this.#read;
  }

  close(): Promise<void> {
    return this.#poll.close();
  }

  async *#look(): AsyncGenerator<ChangeTransaction> {
    const { session, table } = this.#context;
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: now } = await session.query<{ snapshot: string }>(
      'SELECT pg_current_snapshot()::text AS snapshot',
    );
    const end = formatSnapshotPosition(now[0]?.snapshot ?? '');
    const { rows: markers } = await session.query<{ nonce: string }>(
      'SELECT nonce FROM dbps.barrier WHERE service = $1',
      [this.#options.stream.service],
    );
    const barriers = markers.map(({ nonce }) => nonce).filter((nonce) => !this.#barriers.has(nonce));
    await session.query(
      `DECLARE changes NO SCROLL CURSOR FOR
         SELECT relation, kind, leaf, round(extract(epoch FROM at) * 1000) AS at_ms, to_json(new_row)::text AS new_row,
                to_json(old_key)::text AS old_key
           FROM ${table} WHERE NOT pg_visible_in_snapshot(xid, '${parseSnapshotPosition(this.#read)}'::pg_snapshot) ORDER BY id`,
    );
    const pieces = new LookPieces(this.#read, barriers, this.#maxChanges);
    for (;;) {
      const { rows } = await session.query<LeafRow>(`FETCH ${ROWS_AT_ONCE} FROM changes`);
      if (rows.length === 0) break;
      for (const row of rows) {
        if (pieces.isFull) yield pieces.cut(null);
        pieces.add((this.#readers[Number(row.relation)] as (row: LeafRow) => Change)(row), row);
      }
    }
    await session.query('COMMIT');
    const last = pieces.isNothing ? null : pieces.cut(end);
    for (const nonce of barriers) this.#barriers.add(nonce);
    this.#read = end;
    if (last !== null) yield last;
  }

  async #care(): Promise<void> {
    await this.#context.assertIntact();
    if (this.#purged === this.#durable) return;
    const durable = this.#durable;
    await this.#context.purge(parseSnapshotPosition(durable));
    this.#purged = durable;
  }
}

const AS_JSON: LoggedText = {
  values: (text) => JSON.parse(text ?? '[]') as Value[],
  key: (text) => JSON.parse(text ?? '[]') as Key,
};

function leafReader(map: RelationMap): (row: LeafRow) => Change {
  const read = changeReader(map, AS_JSON);
  return (row) => {
    if (row.kind !== 'T') return read(row);
    const [schema, name] = JSON.parse(row.leaf ?? '[]') as [string, string];
    return { kind: 'truncate', maps: [map], leaves: [relationId(schema, name)] };
  };
}
