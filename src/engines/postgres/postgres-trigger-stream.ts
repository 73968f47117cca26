/**
 * Reads the change log that triggers write. Every look is one snapshot: rows that it shows and the last one did not are a number of whole
 * transactions, however their numbers lie, so one that commits late is not skipped. Within a look rows go by their numbers: changes of one
 * row, and those that had to wait for each other, have them in the order in which they were made.
 */
import { setTimeout as sleep } from 'node:timers/promises';
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
  formatSnapshotPosition,
  isSnapshotReached,
  parseSnapshotPosition,
} from './postgres-trigger-position.js';

const PIECE_BYTES = 4 << 20;
const SHORTEST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;
/** How often triggers and shapes are looked after, and what was applied is purged. */
const CARE_EVERY_MS = 2_000;
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

interface LoggedRow {
  readonly relation: string;
  readonly kind: string;
  readonly leaf: string | null;
  readonly at_ms: string;
  readonly new_row: string | null;
  readonly old_key: string | null;
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
  #isHandingOut = false;
  #cared = 0;
  #isClosed = false;
  #failure: Error | null = null;
  readonly #stopped = new AbortController();

  constructor(context: TriggerStreamContext, options: StreamOptions) {
    this.#context = context;
    this.#options = options;
    this.#maxChanges = options.maxChanges ?? 20_000;
    this.#read = this.#durable = options.checkpoint.received;
    context.session.on('error', (error) => this.#fail(error));
    context.session.on('end', () => this.#fail(new Error('its session was ended')));
    options.signal.addEventListener('abort', this.#abort, { once: true });
    if (options.signal.aborted) this.#abort();
  }

  get head(): Position {
    return this.#read;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ChangeTransaction> {
    let pause = SHORTEST_PAUSE_MS;
    try {
      while (!this.#isClosed) {
        let isEmpty = true;
        for await (const piece of this.#look()) {
          isEmpty = false;
          this.#isHandingOut = true;
          try {
            yield piece;
          } finally {
            this.#isHandingOut = false;
          }
          if (this.#isClosed) return;
        }
        if (Date.now() - this.#cared >= CARE_EVERY_MS) await this.#care();
        pause = isEmpty ? Math.min(pause * 2, LONGEST_PAUSE_MS) : SHORTEST_PAUSE_MS;
        if (isEmpty) await sleep(pause, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
        if (this.#failure !== null) throw this.#failure;
      }
    } catch (error) {
      if (this.#isClosed) return;
      throw this.#failure ?? this.#context.describe(error);
    }
  }

  acknowledge(position: Position): void {
    if (!isSnapshotReached(this.#durable, position)) this.#durable = position;
  }

  /** A snapshot goes on with every transaction of the server, ours or not: what is read is known to be complete up to it. */
  idlePosition(): Position | null {
    return this.#isHandingOut || isSnapshotReached(this.#durable, this.#read) ? null : this.#read;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopped.abort();
    this.#options.signal.removeEventListener('abort', this.#abort);
    await this.#context.release();
  }

  readonly #abort = (): void => {
    void this.close();
  };

  #fail(error: Error): void {
    this.#failure ??= this.#context.describe(error);
    this.#stopped.abort();
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
    let changes: Change[] = [];
    let bytes = 0;
    let committedAtMs: number | null = null;
    const begin = this.#read;
    const piece = (last: boolean): ChangeTransaction => {
      const made: ChangeTransaction = {
        commit: begin,
        end: last ? end : begin,
        committedAtMs: committedAtMs ?? Date.now(),
        isOwn: false,
        changes,
        barriers: last ? barriers : [],
        last,
        bytes,
      };
      changes = [];
      bytes = 0;
      return made;
    };
    for (;;) {
      const { rows } = await session.query<LoggedRow>(`FETCH ${ROWS_AT_ONCE} FROM changes`);
      if (rows.length === 0) break;
      for (const row of rows) {
        if (changes.length >= this.#maxChanges || bytes >= PIECE_BYTES) yield piece(false);
        committedAtMs ??= Number(row.at_ms);
        changes.push(readChange(this.#options.maps[Number(row.relation)] as RelationMap, row));
        bytes += (row.new_row?.length ?? 0) + (row.old_key?.length ?? 0);
      }
    }
    await session.query('COMMIT');
    const hasSome = committedAtMs !== null || barriers.length > 0;
    const last = hasSome ? piece(true) : null;
    for (const nonce of barriers) this.#barriers.add(nonce);
    this.#read = end;
    if (last !== null) yield last;
  }

  async #care(): Promise<void> {
    this.#cared = Date.now();
    await this.#context.assertIntact();
    if (this.#purged === this.#durable) return;
    const durable = this.#durable;
    await this.#context.purge(parseSnapshotPosition(durable));
    this.#purged = durable;
  }
}

function readChange(map: RelationMap, { kind, leaf, new_row, old_key }: LoggedRow): Change {
  const values = JSON.parse(new_row ?? '[]') as Value[];
  const key = JSON.parse(old_key ?? '[]') as Key;
  switch (kind) {
    case 'I':
      return { kind: 'insert', map, values };
    case 'D':
      return { kind: 'delete', map, key };
    case 'T': {
      const [schema, name] = JSON.parse(leaf ?? '[]') as [string, string];
      return { kind: 'truncate', maps: [map], leaves: [relationId(schema, name)] };
    }
    default: {
      const places = map.key.map((column) => map.columns.findIndex(({ name }) => name === column));
      const isSame = places.every((place, i) => values[place] === key[i]);
      return { kind: 'update', map, values, oldKey: isSame ? null : key };
    }
  }
}
