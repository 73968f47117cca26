/**
 * The binary log as it comes over the wire. The library (@vlasky/zongji) connects, agrees with the server on checksums and MariaDB's
 * event forms, and asks for the log; GTIDs are its events too. Everything else is taken as bytes before it looks at it, since it would
 * read rows with whatever the catalogue says by then. What it throws outside its error event ends up here as well: nothing escapes.
 *
 * Events are held up to a bound; then the socket is paused, and the server waits.
 */
import { randomInt, randomUUID } from 'node:crypto';
import ZongJi, { GtidSet, MariadbGtidPosition } from '@vlasky/zongji';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { connectionOptions } from './mysql-connection.js';
import { EVENT, formatHasChecksum, readLogEvent, readRotate, type LogEvent } from './mysql-log-event.js';
import type { LogPosition } from './mysql-position.js';

/** Behind the file's magic number. */
const FIRST_OFFSET = 4;
/** What is held before the socket is paused. Small events weigh more as objects than as bytes. */
const INBOX_BYTES = 2 << 20;
const INBOX_EVENTS = 8_000;
/** The server speaks at least this often, so that an idle stream knows where the log's end is. */
const HEARTBEAT_NS = 2_000_000_000;
/** A reader that applies slowly leaves the socket unread: the server must not take it for dead. */
const WRITE_TIMEOUT_S = 3_600;

/** An event with where it stands; `next` is where the one behind it begins. */
export interface PlacedEvent extends LogEvent {
  readonly file: string;
  readonly start: number;
  readonly end: number;
  /** When the file was begun, seconds since 1970; 0 where the log does not keep it. */
  readonly created: number;
  /** Of the event that begins a transaction, where the server has them. */
  readonly gtid: string | null;
}

interface Packet {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  isEOF(): boolean;
  isError(): boolean;
  asError(encoding: string): Error;
}

/** The driver's command, as the library subclasses it. */
interface Command {
  execute(packet: Packet | undefined, connection: unknown): boolean;
}

interface DumpConnection {
  readonly config: Record<string, unknown>;
  clientEncoding: string;
  addCommand(command: Command): unknown;
  query(sql: string, callback: (error: Error | null) => void): void;
  pause(): void;
  resume(): void;
}

export class BinlogReader {
  readonly #zongji: ZongJi;
  readonly #from: LogPosition;
  /** An event has come. */
  #hasSpoken = false;
  #hasChecksum = true;
  #file = '';
  #offset = 0;
  #created = 0;
  #firstCreated = 0;
  /** Set while the library looks at an event for us. */
  #gtid: string | null = null;

  #inbox: PlacedEvent[] = [];
  #next = 0;
  #bytes = 0;
  #isPaused = false;
  #wake: (() => void) | null = null;
  #failure: Error | null = null;
  #isClosed = false;
  #accepted: { resolve: () => void; reject: (error: Error) => void } | null = null;

  private constructor(zongji: ZongJi, from: LogPosition) {
    this.#zongji = zongji;
    this.#file = from.file;
    this.#offset = from.offset;
    this.#from = from;
  }

  /** Where the log ended when the server last spoke. */
  get head(): LogPosition {
    return this.#hasSpoken
      ? { file: this.#file, offset: this.#offset, created: this.#created, gtids: '' }
      : this.#from;
  }

  /** @throws the server's error when it does not begin there. */
  static async open(
    target: ConnectionTarget,
    applicationName: string,
    from: LogPosition,
  ): Promise<BinlogReader> {
    const options = await connectionOptions(target, { applicationName });
    const zongji = new ZongJi(options);
    const reader = new BinlogReader(zongji, from);
    try {
      await reader.#start(from);
    } catch (error) {
      await reader.close();
      throw error;
    }
    return reader;
  }

  #start(from: LogPosition): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#accepted = { resolve, reject };
      this.#zongji.on('error', (error: Error) => this.#fail(error));
      this.#zongji.on('binlog', (event: { readonly gtid?: string | undefined }) => {
        this.#gtid = event.gtid ?? null;
      });
      this.#zongji.on('ready', () => this.#takePackets());
      this.#zongji.start({
        // Two readers under one number would throw each other out: far away from what people give their servers.
        serverId: randomInt(0xc000_0000, 0xffff_ff00),
        filename: from.file,
        position: from.offset,
        includeEvents: ['gtid', 'mariadbgtid'],
      });
      this.#prepareSession();
    });
  }

  /** Queued ahead of the request for the log; both servers' names of each setting. */
  #prepareSession(): void {
    const connection = this.#zongji.connection as unknown as DumpConnection;
    const uuid = randomUUID();
    for (const sql of [
      `SET @master_heartbeat_period = ${HEARTBEAT_NS}, @source_heartbeat_period = ${HEARTBEAT_NS}`,
      `SET @slave_uuid = '${uuid}', @replica_uuid = '${uuid}'`,
      `SET SESSION net_write_timeout = ${WRITE_TIMEOUT_S}`,
    ]) {
      connection.query(sql, (error) => {
        if (error !== null) this.#fail(error);
      });
    }
  }

  /** The library is about to ask for the log: its command's packets come through here. */
  #takePackets(): void {
    const connection = this.#zongji.connection as unknown as DumpConnection;
    const add = connection.addCommand.bind(connection);
    this.#hasChecksum = this.#zongji.useChecksum === true;
    connection.addCommand = (command) => {
      const execute = command.execute.bind(command);
      command.execute = (packet, on) => {
        try {
          if (packet === undefined) return execute(packet, on);
          if (this.#failure !== null || this.#isClosed) return false;
          if (packet.isError()) throw packet.asError(connection.clientEncoding);
          if (packet.isEOF()) throw new Error('the server has ended the stream');
          this.#receive(packet, () => execute(packet, on));
        } catch (error) {
          this.#fail(error instanceof Error ? error : new Error(String(error)));
        }
        return false;
      };
      return add(command);
    };
  }

  #receive(packet: Packet, hand: () => void): void {
    // A byte that says "no error", then the event.
    const bytes = packet.buffer.subarray(packet.start + 5, packet.end);
    if (bytes[4] === EVENT.format) {
      this.#hasChecksum = formatHasChecksum(bytes);
      // MariaDB writes this event anew when it closes the file.
      if (!this.#zongji.isMariaDb) this.#created = bytes.readUInt32LE(0);
      if (this.#accepted !== null) this.#firstCreated = this.#created;
      this.#accepted?.resolve();
      this.#accepted = null;
    }
    const event = readLogEvent(bytes, this.#hasChecksum);
    switch (event.type) {
      case EVENT.rotate: {
        const { file, offset } = readRotate(event.body);
        this.#file = file;
        this.#offset = offset;
        return;
      }
      case EVENT.heartbeat:
      case EVENT.heartbeat2:
        // Only sent at the end of what there is.
        this.#place(event);
        return;
      case EVENT.gtid:
      case EVENT.taggedGtid:
      case EVENT.mariadbGtid:
        this.#gtid = null;
        hand();
        this.#place(event);
        this.#gtid = null;
        return;
      default:
        this.#place(event);
    }
  }

  #place(event: LogEvent): void {
    const start = this.#offset;
    this.#hasSpoken = true;
    // A format description is sent again to whoever begins in the middle of a file.
    if (!event.isArtificial && event.next > 0 && (event.type !== EVENT.format || start === FIRST_OFFSET))
      this.#offset = widened(event.next, start);
    const { type, timestamp, next, isArtificial, body, size } = event;
    // Written out: copying an object costs as much as reading its event.
    this.#inbox.push({
      type,
      timestamp,
      next,
      isArtificial,
      body,
      size,
      file: this.#file,
      start,
      end: this.#offset,
      created: this.#created,
      gtid: this.#gtid,
    });
    this.#bytes += size;
    const isFull = this.#bytes > INBOX_BYTES || this.#inbox.length - this.#next > INBOX_EVENTS;
    if (isFull && !this.#isPaused) {
      this.#isPaused = true;
      (this.#zongji.connection as unknown as DumpConnection | null)?.pause();
    }
    this.#wake?.();
  }

  /**
   * When the file was begun in which reading began, seconds since 1970; 0 where the log does not keep it. Reading may have reached the next file by the
   * time that this is asked.
   */
  get created(): number {
    return this.#firstCreated;
  }

  /** The next event, at once where there is one. null: closed. @throws what ended the stream, after what came before it. */
  take(): PlacedEvent | null | Promise<PlacedEvent | null> {
    const event = this.#inbox[this.#next];
    if (event === undefined || this.#isClosed) return this.#wait();
    this.#next++;
    this.#bytes -= event.size;
    return event;
  }

  async #wait(): Promise<PlacedEvent | null> {
    for (;;) {
      if (this.#isClosed) return null;
      if (this.#next < this.#inbox.length) return this.take();
      this.#inbox = [];
      this.#next = 0;
      if (this.#failure !== null) throw this.#failure;
      if (this.#isPaused) {
        this.#isPaused = false;
        (this.#zongji.connection as unknown as DumpConnection | null)?.resume();
        if (this.#inbox.length > 0) continue;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }

  /** What comes after it is not handed out any more. */
  fail(error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#accepted?.reject(error);
    this.#accepted = null;
    this.#wake?.();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wake?.();
    await new Promise<void>((resolve) => {
      this.#zongji.once('stopped', () => resolve());
      this.#zongji.stop();
    });
  }
}

/** Offsets are given in 32 bits, and a file with a large transaction is longer. */
function widened(low: number, after: number): number {
  const high = Math.floor(after / 2 ** 32) * 2 ** 32;
  const offset = high + low;
  return offset < after ? offset + 2 ** 32 : offset;
}

/** What has been logged so far, in the server's own words; grows with each transaction. */
export class GtidTracker {
  readonly #set: GtidSet | MariadbGtidPosition | null;
  #text: string;

  /** Without a beginning nothing can be said of the whole. */
  constructor(gtids: string) {
    this.#text = gtids;
    this.#set =
      gtids === '' ? null : gtids.includes(':') ? GtidSet.parse(gtids) : MariadbGtidPosition.parse(gtids);
  }

  add(gtid: string | null): void {
    if (gtid === null || this.#set === null) return;
    if (this.#set instanceof GtidSet) this.#set.add(gtid);
    else {
      const [domainId = '', serverId = '', seqNo = ''] = gtid.split('-');
      this.#set.add({ domainId: Number(domainId), serverId: Number(serverId), seqNo });
    }
    this.#text = this.#set.toString();
  }

  toString(): string {
    return this.#text;
  }
}
