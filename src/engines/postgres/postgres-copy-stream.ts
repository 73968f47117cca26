/**
 * COPY over the socket of a `pg` session, at the speed of the socket. PostgreSQL sends every row as a message of its own; a
 * client that looks at each of them spends more time than both servers together. Here only the 5-byte headers are walked: the
 * payloads are closed up in place, and what one read of the socket brought is handed on as one buffer, which goes out again as
 * one CopyData. Everything that is not CopyData passes on to the driver untouched, so that errors, notices and the end of the
 * command stay its business. A slow reader stops the socket, a slow server stops the writer: memory stays flat.
 */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type pg from 'pg';

const COPY_DATA = 0x64;
const COPY_DONE = Buffer.from([0x63, 0, 0, 0, 4]);
/** What may lie between socket and consumer before TCP is made to push back. */
const HIGH_WATER = 1 << 20;

/** Stands between the socket and the driver's parser, and takes the CopyData out while somebody wants it. */
class CopyFilter {
  sink: ((payload: Buffer) => void) | null = null;
  readonly #forward: (bytes: Buffer) => void;
  readonly #header = Buffer.alloc(5);
  #headerLength = 0;
  /** Bytes still to come of the message under way. */
  #missing = 0;
  #isWanted = false;

  constructor(stream: Duplex) {
    const parsers = stream.listeners('data') as ((bytes: Buffer) => void)[];
    this.#forward = (bytes) => {
      for (const parse of parsers) parse.call(stream, bytes);
    };
    stream.on('data', (bytes: Buffer) => this.#read(bytes));
    for (const parse of parsers) stream.off('data', parse);
  }

  #read(bytes: Buffer): void {
    let at = 0;
    // Payload closed up so far and not yet handed over. It never reaches beyond `at`, so closing up overwrites only headers.
    let from = 0;
    let to = 0;
    const handOver = () => {
      if (to > from) this.sink?.(bytes.subarray(from, to));
      from = to = at;
    };
    while (at < bytes.length) {
      if (this.#missing > 0) {
        const stop = Math.min(at + this.#missing, bytes.length);
        this.#missing -= stop - at;
        if (!this.#isWanted) {
          this.#forward(bytes.subarray(at, stop));
          from = to = stop;
        } else if (to === from) {
          from = at;
          to = stop;
        } else {
          bytes.copyWithin(to, at, stop);
          to += stop - at;
        }
        at = stop;
      } else if (this.#headerLength > 0 || bytes.length - at < 5) {
        // A header that two reads share.
        const taken = bytes.copy(this.#header, this.#headerLength, at, at + 5 - this.#headerLength);
        this.#headerLength += taken;
        at += taken;
        if (this.#headerLength < 5) break;
        this.#headerLength = 0;
        this.#begin(this.#header, 0);
        if (!this.#isWanted) {
          handOver();
          this.#forward(Buffer.from(this.#header));
        }
      } else {
        this.#begin(bytes, at);
        if (this.#isWanted) {
          at += 5;
        } else {
          handOver();
          this.#missing += 5;
        }
      }
    }
    handOver();
  }

  #begin(bytes: Buffer, at: number): void {
    this.#isWanted = bytes[at] === COPY_DATA && this.sink !== null;
    this.#missing = bytes.readInt32BE(at + 1) - 4;
  }
}

const FILTERS = new WeakMap<object, CopyFilter>();

function filterOf(stream: Duplex): CopyFilter {
  let filter = FILTERS.get(stream);
  if (filter === undefined) {
    filter = new CopyFilter(stream);
    FILTERS.set(stream, filter);
  }
  return filter;
}

/** What `pg` calls on a query that it is given as an object (its Submittable, in full). */
abstract class CopyQuery {
  /** Rows, once the server has said that all is done. */
  readonly done: Promise<number>;
  protected settle!: { resolve: (rows: number) => void; reject: (error: Error) => void };
  protected rows = 0;
  /** pg puts its query timeout here if one is set. */
  callback: (error: Error) => void = () => undefined;

  constructor(readonly text: string) {
    this.done = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
    // Whoever reads or writes sees the error; one that nobody waits for must not end the process.
    this.done.catch(() => undefined);
  }

  abstract submit(connection: pg.Connection): void;
  protected abstract ended(error: Error | null): void;

  handleCommandComplete(message: { readonly text: string }): void {
    this.rows = Number(/^COPY (\d+)/.exec(message.text)?.[1] ?? Number.NaN);
  }
  handleReadyForQuery(): void {
    this.ended(null);
    this.settle.resolve(this.rows);
  }
  handleError(error: Error): void {
    this.ended(error);
    this.settle.reject(error);
  }
  handleCopyInResponse(connection: pg.Connection): void {
    (connection as unknown as { sendCopyFail(reason: string): void }).sendCopyFail('not expected');
  }
  handleCopyData(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
}

/** `COPY … TO STDOUT` as the server sends it; iterate once, then await `done`. */
export class CopyOut extends CopyQuery implements AsyncIterable<Buffer> {
  bytes = 0;
  #stream: Duplex | undefined;
  #filter: CopyFilter | undefined;
  #queue: Buffer[] = [];
  #queued = 0;
  #isEnded = false;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  submit(connection: pg.Connection): void {
    this.#stream = connection.stream;
    this.#filter = filterOf(connection.stream);
    this.#filter.sink = (payload) => {
      this.#queue.push(payload);
      this.#queued += payload.length;
      if (this.#queued > HIGH_WATER) this.#stream?.pause();
      this.#wake?.();
    };
    connection.query(this.text);
  }

  protected ended(error: Error | null): void {
    if (this.#filter !== undefined) this.#filter.sink = null;
    this.#isEnded = true;
    this.#failure = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const payload = this.#queue.shift();
      if (payload !== undefined) {
        this.#queued -= payload.length;
        this.bytes += payload.length;
        if (this.#queued <= HIGH_WATER / 2) this.#stream?.resume();
        yield payload;
      } else if (this.#failure !== null) {
        throw this.#failure;
      } else if (this.#isEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = null;
      }
    }
  }
}

/** `COPY … FROM STDIN`: write buffers, then `end` (or `fail`), which tells the rows that the server took. */
export class CopyIn extends CopyQuery {
  bytes = 0;
  #connection: pg.Connection | undefined;
  readonly #ready: Promise<void>;
  #open!: () => void;
  #failure: Error | null = null;
  #isOver = false;

  constructor(text: string) {
    super(text);
    this.#ready = new Promise((resolve) => (this.#open = resolve));
  }

  submit(connection: pg.Connection): void {
    this.#connection = connection;
    connection.query(this.text);
  }

  override handleCopyInResponse(): void {
    this.#open();
  }

  protected ended(error: Error | null): void {
    this.#failure = error;
    this.#isOver = true;
    this.#open();
  }

  /** Resolves when more may be written. @throws the server's error as soon as it is known. */
  async write(payload: Buffer): Promise<void> {
    await this.#ready;
    if (this.#failure !== null) throw this.#failure;
    const { stream } = this.#connection as pg.Connection;
    const header = Buffer.allocUnsafe(5);
    header[0] = COPY_DATA;
    header.writeInt32BE(payload.length + 4, 1);
    this.bytes += payload.length;
    // One system call for both, without joining them in memory.
    stream.cork();
    stream.write(header);
    const isRoomLeft = stream.write(payload);
    stream.uncork();
    if (isRoomLeft || !stream.writableNeedDrain) return;
    const settled = new AbortController();
    await Promise.race([once(stream, 'drain', { signal: settled.signal }), this.done]).finally(() =>
      settled.abort(),
    );
  }

  async end(): Promise<number> {
    await this.#ready;
    if (!this.#isOver) (this.#connection as pg.Connection).stream.write(COPY_DONE);
    return this.done;
  }

  /** Gives up: the server rolls the command back. */
  async fail(reason: string): Promise<void> {
    await this.#ready;
    if (!this.#isOver)
      (this.#connection as unknown as { sendCopyFail(reason: string): void }).sendCopyFail(reason);
    await this.done.catch(() => undefined);
  }
}
