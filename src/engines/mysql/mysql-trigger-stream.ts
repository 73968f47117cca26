/**
 * Reads the change log that triggers write. Every look is one consistent view: what it shows and no earlier one has shown is a number of
 * whole transactions, whatever their numbers are, so one that commits late with low numbers is not skipped. Within a look rows go by their
 * numbers: changes of one row, and those that had to wait for each other, have them in the order in which they were made. Where a stream
 * stands is which numbers it has read.
 */
import type { Connection as CallbackConnection } from 'mysql2';
import type mysql from 'mysql2/promise';
import type {
  Change,
  ChangeStream,
  ChangeTransaction,
  Position,
  RelationMap,
  StreamOptions,
} from '../engine.js';
import {
  ChangeLogPoll,
  changeReader,
  LookPieces,
  type LoggedRow,
  type LoggedText,
} from '../change-log-poll.js';
import { queryable } from './mysql-connection.js';
import { IdSet } from './mysql-id-set.js';
import { keyDecoder, rowDecoder } from './mysql-trigger-log.js';
import { formatTriggerPosition, parseTriggerPosition } from './mysql-trigger-position.js';

const ROWS_AT_ONCE = 256;
const PURGE_ROWS = 5_000;
/** Beyond these the ranges are not spelled out in a query. */
const MOST_GAPS = 100;

export interface TriggerStreamContext {
  /** The stream's own; holds its lock. */
  readonly session: mysql.Connection;
  /** The table's name in positions, and in SQL. */
  readonly log: string;
  readonly table: string;
  /** @throws RefusedError when triggers or relations are not what they were. */
  readonly assertIntact: () => Promise<void>;
  /** Notes what is durable, ahead of its removal: whoever asks where the database stands is told of it all the same. */
  readonly confirm: (position: Position) => Promise<void>;
  /** Deletes numbers that were read and are durable on the other side. */
  readonly purge: (first: number, last: number, limit: number) => Promise<number>;
  /** Numbers of transactions that are open and may have written; null where the account may not ask. */
  readonly openTransactions: () => Promise<ReadonlySet<string> | null>;
  readonly describe: (error: unknown) => Error;
  readonly release: () => Promise<void>;
}

interface NumberedRow extends LoggedRow {
  readonly id: string;
}

export class MysqlTriggerStream implements ChangeStream {
  readonly #context: TriggerStreamContext;
  readonly #options: StreamOptions;
  readonly #maxChanges: number;
  readonly #decoders: readonly ((row: LoggedRow) => Change)[];
  /** Handed out, or known never to come. */
  readonly #read: IdSet;
  /** Durable on the other side, and perhaps still in the table. */
  #durable: IdSet;
  readonly #purged = new IdSet();
  readonly #barriers = new Set<string>();
  #gaps: { readonly below: number; readonly open: ReadonlySet<string> } | null = null;
  readonly #poll: ChangeLogPoll;

  constructor(context: TriggerStreamContext, options: StreamOptions) {
    this.#context = context;
    this.#options = options;
    this.#maxChanges = options.maxChanges ?? 20_000;
    this.#read = this.#parse(options.checkpoint.received);
    this.#durable = this.#read.copy();
    this.#decoders = options.maps.map((map) => changeReader(map, loggedText(map)));
    this.#poll = new ChangeLogPoll(
      {
        look: () => this.#look(),
        care: () => this.#care(),
        describe: context.describe,
        release: context.release,
      },
      options.signal,
    );
  }

  get head(): Position {
    return this.#format(this.#read);
  }

  #format(read: IdSet): Position {
    return formatTriggerPosition(new Map([[this.#context.log, read]]));
  }

  #parse(position: Position): IdSet {
    return parseTriggerPosition(position).get(this.#context.log) ?? new IdSet();
  }

  /** The session is gone. */
  fail(error: Error): void {
    this.#poll.fail(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<ChangeTransaction> {
    return this.#poll[Symbol.asyncIterator]();
  }

  acknowledge(position: Position): void {
    const durable = this.#parse(position);
    if (this.#durable.covers(durable)) return;
    this.#durable = durable;
  }

  /** There is nothing to make durable without a change: numbers of others do not move it. */
  idlePosition(): Position | null {
    return null;
  }

  close(): Promise<void> {
    return this.#poll.close();
  }

  // -------------------------------------------------------------- looking

  /** One consistent view. The last piece is handed out when the view is over, so that nobody waits for it to end. */
  async *#look(): AsyncGenerator<ChangeTransaction> {
    const { session, table } = this.#context;
    await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
    const markers = await queryable(session).query({
      sql: 'SELECT nonce FROM dbps.barrier WHERE service = ?',
      values: [this.#options.stream.service],
    });
    const barriers = markers.flatMap(({ nonce }) =>
      nonce == null || this.#barriers.has(nonce) ? [] : [nonce],
    );
    const rows = (session as unknown as { readonly connection: CallbackConnection }).connection
      .query({
        sql: `SELECT id, relation, kind, ROUND(UNIX_TIMESTAMP(at) * 1000) AS at_ms, new_row, old_key
                FROM ${table} WHERE ${this.#unread()} ORDER BY id`,
        typeCast: (field) => field.buffer()?.toString('latin1') ?? null,
      })
      .stream({ highWaterMark: ROWS_AT_ONCE });
    const pieces = new LookPieces(this.head, barriers, this.#maxChanges);
    const read = this.#read.copy();
    for await (const value of rows) {
      const row = value as NumberedRow;
      const id = Number(row.id);
      if (this.#read.has(id)) continue;
      if (pieces.isFull) yield pieces.cut(null);
      pieces.add((this.#decoders[Number(row.relation)] as (row: LoggedRow) => Change)(row), row);
      read.add(id);
    }
    await session.query('COMMIT');
    if (pieces.isNothing) return;
    const last = pieces.cut(this.#format(read));
    for (const [from, to] of read.ranges) this.#read.add(from, to);
    for (const nonce of barriers) this.#barriers.add(nonce);
    yield last;
  }

  /** What was read stays in the table until the other side has it: only the rest is asked for. */
  #unread(): string {
    const { ranges, high, low } = this.#read;
    if (ranges.length > MOST_GAPS) return `id > ${low}`;
    const gaps = ranges.map(([first], i) => [(ranges[i - 1]?.[1] ?? 0) + 1, first - 1] as const);
    return [
      ...gaps.filter(([from, to]) => from <= to).map(([from, to]) => `id BETWEEN ${from} AND ${to}`),
      `id > ${high}`,
    ].join(' OR ');
  }

  // -------------------------------------------------------------- care

  async #care(): Promise<void> {
    await this.#context.assertIntact();
    await this.#closeGaps();
    await this.#purge();
  }

  /**
   * A number that a look did not show is of a transaction that was open then, or was rolled back. When all that were open are over, and a
   * later look has not shown it either, it never comes.
   */
  async #closeGaps(): Promise<void> {
    if (!this.#read.hasGaps) {
      this.#gaps = null;
      return;
    }
    const open = await this.#context.openTransactions();
    if (open === null) return;
    const gaps = this.#gaps;
    if (gaps !== null && [...gaps.open].some((id) => open.has(id))) return;
    this.#gaps = { below: this.#read.high, open };
    // They were over before this: a look from here on shows all of theirs.
    if (gaps === null) return;
    const { table, session } = this.#context;
    const left = await queryable(session).query({
      sql: `SELECT id FROM ${table} WHERE id <= ? ORDER BY id`,
      values: [gaps.below],
    });
    const coming = left.map(({ id }) => Number(id)).filter((id) => !this.#read.has(id));
    let from = 1;
    for (const id of [...coming, gaps.below + 1]) {
      if (from < id) this.#read.add(from, id - 1);
      from = id + 1;
    }
  }

  /** Bounds the table: what the other side has is not needed any more. */
  async #purge(): Promise<void> {
    const durable = this.#durable;
    if (this.#purged.covers(durable)) return;
    await this.#context.confirm(this.#format(durable));
    for (const [first, last] of durable.ranges) {
      const done = this.#purged.ranges.find(([from, to]) => from <= first && first <= to);
      const from = done === undefined ? first : done[1] + 1;
      if (from > last) continue;
      while ((await this.#context.purge(from, last, PURGE_ROWS)) === PURGE_ROWS)
        if (this.#poll.isClosed) return;
      this.#purged.add(from, last);
    }
  }
}

function loggedText(map: RelationMap): LoggedText {
  const values = rowDecoder(map.columns);
  const key = keyDecoder(map);
  return { values: (text) => values(text ?? ''), key: (text) => key(text ?? '') };
}
