/**
 * Reads a slot: whole committed transactions, handed out in bounded pieces when they are asked for. A slow caller pauses the socket, so
 * that the server waits instead of this process growing. The server is told nothing but what the caller says is durable; an idle
 * position goes the same way, since a slot confirmed beyond the checkpoint loses what lies between (H6).
 */
import type { Duplex } from 'node:stream';
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import type {
  Change,
  ChangeStream,
  ChangeTransaction,
  Key,
  Position,
  StreamOptions,
  Value,
} from '../engine.js';
import { UNCHANGED } from '../engine.js';
import { MARK_TABLES } from './postgres-control.js';
import { changedShape, streamLost } from '../stream-refusals.js';
import { type LogRelation, type LogRelations } from './postgres-log-relations.js';
import { formatLsn, parseLsn } from './postgres-lsn.js';
import {
  committedAtMs,
  decodePgoutput,
  rowRelation,
  TAG,
  type PgoutputMessage,
  type RelationMessage,
} from './postgres-pgoutput.js';
import { takeCopyData } from './postgres-replication-socket.js';
import { quoteIdentifier, quoteLiteral } from './postgres-sql.js';

/** Bytes of undecoded messages held before the socket is paused, and bytes after which a piece is cut. */
const INBOX_BYTES = 2 << 20;
const PIECE_BYTES = 4 << 20;
const STATUS_EVERY_MS = 5_000;
/** 2000-01-01 in microseconds since 1970. */
const EPOCH_US = 946_684_800_000_000n;

/** The driver's connection, as far as replication needs it. */
interface ReplicationConnection {
  readonly stream: Duplex;
  once(event: 'replicationStart' | 'end', listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
}

/** A relation of dbps's own in the log: never rows of the move. */
interface OwnRelation {
  readonly table: string;
  readonly columns: RelationMessage['columns'];
}

/** A message that waits to be looked at, in the socket's own memory. */
interface Message {
  readonly buffer: Buffer;
  readonly from: number;
  readonly to: number;
}

/** A position as it stands in a message: written out only when somebody asks, which for most of them nobody does. */
class At {
  constructor(
    readonly high: number,
    readonly low: number,
  ) {}

  static read(buffer: Buffer, offset: number): At {
    return new At(buffer.readUInt32BE(offset), buffer.readUInt32BE(offset + 4));
  }

  get position(): Position {
    return formatLsn(this.high, this.low);
  }
}

class Piece implements ChangeTransaction {
  constructor(
    private readonly committed: At,
    private readonly ended: At,
    readonly committedAtMs: number,
    readonly isOwn: boolean,
    readonly changes: readonly Change[],
    readonly barriers: readonly string[],
    readonly last: boolean,
    readonly bytes: number,
  ) {}

  get commit(): Position {
    return this.committed.position;
  }

  get end(): Position {
    return this.ended.position;
  }
}

interface OpenTransaction {
  readonly commit: At;
  readonly committedAtMs: number;
  /** Known from its first row on. */
  isOwn: boolean | null;
}

export class PostgresChangeStream implements ChangeStream {
  readonly #session: pg.Client;
  readonly #connection: ReplicationConnection;
  readonly #relations: LogRelations;
  readonly #options: StreamOptions;
  readonly #target: ConnectionTarget;
  readonly #maxChanges: number;
  readonly #own = new Map<number, OwnRelation>();

  #inbox: Message[] = [];
  #next = 0;
  #inboxBytes = 0;
  #isPaused = false;
  #wake: (() => void) | null = null;
  #failure: Error | null = null;
  #isClosed = false;
  #statusTimer: NodeJS.Timeout | undefined;

  #open: OpenTransaction | null = null;
  #changes: Change[] = [];
  #barriers: string[] = [];
  #bytes = 0;

  #received: At;
  #durable: Position;
  #keepalive: At | null = null;
  #delivered: ChangeTransaction | null = null;
  #isHandingOut = false;

  constructor(session: pg.Client, relations: LogRelations, options: StreamOptions, target: ConnectionTarget) {
    this.#session = session;
    this.#connection = (session as unknown as { connection: ReplicationConnection }).connection;
    this.#relations = relations;
    this.#options = options;
    this.#target = target;
    this.#maxChanges = options.maxChanges ?? 10_000;
    this.#durable = options.checkpoint.received;
    const start = parseLsn(this.#durable);
    this.#received = new At(Number(start >> 32n), Number(start & 0xffff_ffffn));
  }

  get head(): Position {
    return this.#received.position;
  }

  /** @throws the server's error when the slot cannot be started. */
  async start(slot: string): Promise<void> {
    const name = quoteLiteral(quoteIdentifier(slot));
    await new Promise<void>((resolve, reject) => {
      this.#connection.once('replicationStart', resolve);
      takeCopyData(this.#connection.stream, (buffer, from, to) => this.#receive(buffer, from, to));
      this.#connection.once('end', () => this.#fail(streamLost(this.#target)));
      this.#session.on('error', (error) => this.#fail(streamLost(this.#target, error)));
      this.#session
        .query(
          `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${this.#durable} (proto_version '1', publication_names ${name})`,
        )
        .then(
          () => this.#fail(streamLost(this.#target)),
          (error: unknown) => {
            reject(error instanceof Error ? error : new Error(String(error)));
            this.#fail(streamLost(this.#target, error));
          },
        );
    });
    this.#statusTimer = setInterval(() => this.#sendStatus(), STATUS_EVERY_MS);
    this.#options.signal.addEventListener('abort', this.#abort, { once: true });
    if (this.#options.signal.aborted) this.#abort();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ChangeTransaction> {
    for (;;) {
      while (this.#next < this.#inbox.length) {
        const { buffer, from, to } = this.#inbox[this.#next++] as Message;
        this.#inboxBytes -= to - from;
        const tag = buffer[from];
        const piece =
          tag === TAG.relation ? await this.#describe(buffer, from, to) : this.#take(tag, buffer, from, to);
        if (piece !== null) {
          this.#isHandingOut = true;
          yield piece;
          // Asked for the next one: only now is this one in the caller's hands, and its end a position to speak of.
          this.#isHandingOut = false;
          if (piece.last) this.#delivered = piece;
        }
        if (this.#isClosed) return;
      }
      this.#inbox = [];
      this.#next = 0;
      if (this.#isPaused) {
        this.#isPaused = false;
        this.#connection.stream.resume();
      }
      if (this.#isClosed) return;
      // What had arrived before the loss is whole transactions: handed out first.
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }

  acknowledge(position: Position): void {
    if (parseLsn(position) <= parseLsn(this.#durable)) return;
    this.#durable = position;
    this.#sendStatus();
  }

  idlePosition(): Position | null {
    if (this.#open !== null || this.#isHandingOut) return null;
    const candidates = [
      this.#delivered?.end,
      this.#next >= this.#inbox.length ? this.#keepalive?.position : undefined,
    ];
    let best: Position | null = null;
    for (const candidate of candidates)
      if (candidate !== undefined && parseLsn(candidate) > parseLsn(best ?? this.#durable)) best = candidate;
    return best;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#sendStatus();
    this.#isClosed = true;
    clearInterval(this.#statusTimer);
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#wake?.();
    // A polite end would wait for the server to send what it still has.
    this.#connection.stream.destroy();
    await this.#session.end().catch(() => undefined);
  }

  readonly #abort = (): void => {
    void this.close();
  };

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  #receive(buffer: Buffer, from: number, to: number): void {
    if (buffer[from] === 0x77) {
      // XLogData: start, head of the log, time; then the message.
      this.#inbox.push({ buffer, from: from + 25, to });
      this.#inboxBytes += to - from - 25;
      if (buffer[from + 25] === TAG.commit) this.#received = At.read(buffer, from + 9);
      if (this.#inboxBytes > INBOX_BYTES && !this.#isPaused) {
        this.#isPaused = true;
        this.#connection.stream.pause();
      }
    } else if (buffer[from] === 0x6b) {
      this.#keepalive = this.#received = At.read(buffer, from + 1);
      if (buffer[from + 17] === 1) this.#sendStatus();
    }
    this.#wake?.();
  }

  #sendStatus(): void {
    if (this.#isClosed || this.#failure !== null) return;
    const durable = parseLsn(this.#durable);
    const received = parseLsn(this.#received.position);
    const status = Buffer.alloc(34);
    status[0] = 0x72;
    status.writeBigUInt64BE(received > durable ? received : durable, 1);
    status.writeBigUInt64BE(durable, 9);
    status.writeBigUInt64BE(durable, 17);
    status.writeBigInt64BE(BigInt(Date.now()) * 1000n - EPOCH_US, 25);
    this.#connection.sendCopyFromChunk(status);
  }

  async #describe(buffer: Buffer, from: number, to: number): Promise<null> {
    const message = decodePgoutput(buffer, from, to);
    if (message.kind !== 'relation') return null;
    const { relation } = message;
    if (relation.schema === 'dbps')
      this.#own.set(relation.oid, { table: relation.name, columns: relation.columns });
    else await this.#relations.describe(relation);
    return null;
  }

  /** @returns a piece when one is complete. */
  #take(tag: number | undefined, buffer: Buffer, from: number, to: number): ChangeTransaction | null {
    switch (tag) {
      case TAG.begin:
        this.#open = {
          commit: At.read(buffer, from + 1),
          committedAtMs: committedAtMs(buffer, from),
          isOwn: null,
        };
        return null;
      case TAG.commit: {
        const open = this.#open;
        if (open === null) return null;
        this.#bytes += to - from;
        this.#open = null;
        return this.#piece(open, At.read(buffer, from + 10), true);
      }
      case TAG.insert:
      case TAG.update:
      case TAG.delete:
      case TAG.truncate:
        break;
      default:
        return null;
    }
    const open = this.#open;
    if (open === null) return null;
    this.#bytes += to - from;
    const own = tag === TAG.truncate ? undefined : this.#own.get(rowRelation(buffer, from));
    open.isOwn ??= own !== undefined && this.#isOwnMark(own, buffer, from, to);
    if (own !== undefined) {
      if (own.table === 'barrier' && tag === TAG.insert)
        this.#takeBarrier(decodePgoutput(buffer, from, to), own);
      return null;
    }
    // The applier's own rows are not decoded: the opposite direction drops them.
    if (open.isOwn) return null;
    this.#takeChange(decodePgoutput(buffer, from, to));
    if (this.#changes.length >= this.#maxChanges || this.#bytes >= PIECE_BYTES)
      return this.#piece(open, open.commit, false);
    return null;
  }

  /** The row that a transaction of dbps begins with names the service it is written for. */
  #isOwnMark(own: OwnRelation, buffer: Buffer, from: number, to: number): boolean {
    if (!(MARK_TABLES as readonly string[]).includes(own.table)) return false;
    if (this.#options.followsApplied !== true) return true;
    const message = decodePgoutput(buffer, from, to);
    const row =
      message.kind === 'insert' || message.kind === 'update'
        ? message.values
        : message.kind === 'delete'
          ? message.old
          : [];
    return row[own.columns.findIndex(({ name }) => name === 'service')] === this.#options.stream.service;
  }

  #piece(open: OpenTransaction, end: At, last: boolean): ChangeTransaction {
    const piece = new Piece(
      open.commit,
      end,
      open.committedAtMs,
      open.isOwn === true,
      this.#changes,
      this.#barriers,
      last,
      this.#bytes,
    );
    this.#changes = [];
    this.#barriers = [];
    this.#bytes = 0;
    return piece;
  }

  #takeBarrier(message: PgoutputMessage, own: OwnRelation): void {
    if (message.kind !== 'insert') return;
    const value = (name: string) => message.values[own.columns.findIndex((column) => column.name === name)];
    const nonce = value('nonce');
    // Other services' markers travel in the same table (H18).
    if (value('service') === this.#options.stream.service && typeof nonce === 'string')
      this.#barriers.push(nonce);
  }

  #takeChange(message: PgoutputMessage): void {
    switch (message.kind) {
      case 'insert': {
        const relation = this.#relations.get(message.oid);
        this.#changes.push({
          kind: 'insert',
          map: relation.map,
          values: inMapOrder(relation, message.values),
        });
        return;
      }
      case 'update': {
        const relation = this.#relations.get(message.oid);
        const before = message.old ?? message.oldIdentity;
        const values = inMapOrder(relation, message.values);
        const old = before === null ? null : inMapOrder(relation, before);
        if (old !== null) {
          for (let i = 0; i < values.length; i++) {
            // FULL logs the old row with its out-of-line values; otherwise only the key's columns are in it.
            if (values[i] === UNCHANGED && (message.old !== null || relation.key.includes(i)))
              values[i] = old[i] ?? null;
          }
        }
        this.#changes.push({
          kind: 'update',
          map: relation.map,
          values,
          oldKey: old === null ? null : changedKey(relation, old, values),
        });
        return;
      }
      case 'delete': {
        const relation = this.#relations.get(message.oid);
        this.#changes.push({
          kind: 'delete',
          map: relation.map,
          key: keyOf(relation, inMapOrder(relation, message.old)),
        });
        return;
      }
      case 'truncate': {
        const relations = message.oids
          .filter((oid) => !this.#own.has(oid))
          .map((oid) => this.#relations.get(oid));
        if (relations.length === 0) return;
        this.#changes.push({
          kind: 'truncate',
          maps: [...new Set(relations.map((relation) => relation.map))],
          leaves: relations.map((relation) => relation.leaf),
        });
        return;
      }
      case 'begin':
      case 'commit':
      case 'relation':
      case 'other':
        return;
    }
  }
}

function inMapOrder(relation: LogRelation, row: Value[]): Value[] {
  if (relation.isInOrder && row.length === relation.order.length) return row;
  // Columns added since the row was logged: the other side keeps what its own column has.
  return relation.order.map((place) => (place < 0 ? UNCHANGED : (row[place] as Value)));
}

function keyOf(relation: LogRelation, row: readonly Value[]): Key {
  return relation.key.map((index) => {
    const value = row[index];
    if (typeof value !== 'string')
      throw changedShape(relation.leaf, `the log has a row without its key (${relation.map.key.join(', ')})`);
    return value;
  });
}

/** The old key when it is not the new one, else null. */
function changedKey(relation: LogRelation, old: readonly Value[], values: readonly Value[]): Key | null {
  const key = keyOf(relation, old);
  return key.every((part, i) => part === values[relation.key[i] as number]) ? null : key;
}
