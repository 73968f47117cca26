/**
 * Rows of a query as the server sends them, without a JavaScript value for each field: their bytes are put into the form that LOAD DATA
 * reads, or become text where rows travel to another engine. The driver keeps everything but the rows: packets of any size, TLS, errors,
 * the end of the result. A slow reader stops the socket: memory stays flat.
 *
 * The driver's query object hands each row to its method `row`, which returns what handles the next packet; a function in its place is
 * given the packets instead (held by test/contract/mysql-copy.test.ts: rows of every length, large ones in several packets).
 */
import type mysql from 'mysql2/promise';

interface Packet {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
  isEOF(): boolean;
}

interface RawQuery {
  row(packet: Packet): unknown;
  done(): unknown;
}

interface RawConnection {
  readonly stream: { pause(): void; resume(): void };
  query(options: { readonly sql: string }, callback: (error: Error | null) => void): RawQuery;
}

/** What may lie between socket and consumer before TCP is made to push back. */
const HIGH_WATER = 1 << 20;

/** Makes batches of rows: bytes, or lists of texts. */
export interface RowForm<T> {
  /** One row: fields with their lengths in front, from `at` to `end`. */
  add(bytes: Buffer, at: number, end: number): void;
  /** What is ready to be handed over, if it is enough or `isLast`, and its size in bytes. */
  take(isLast: boolean): { readonly batch: T; readonly bytes: number } | null;
}

/** Iterate once; `done` tells the rows when the server has sent all of them. */
export class RowStream<T> implements AsyncIterable<T> {
  readonly done: Promise<number>;
  readonly #connection: RawConnection;
  readonly #queue: { readonly batch: T; readonly bytes: number }[] = [];
  #queued = 0;
  #rows = 0;
  #isEnded = false;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;
  #settle!: { readonly resolve: (rows: number) => void; readonly reject: (error: Error) => void };

  constructor(session: mysql.Connection, sql: string, form: RowForm<T>) {
    this.done = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    // Whoever iterates sees the error; one that nobody waits for must not end the process.
    this.done.catch(() => undefined);
    const connection = (session as unknown as { connection: RawConnection }).connection;
    this.#connection = connection;
    const query = connection.query({ sql }, (error) => (error === null ? this.#end() : this.fail(error)));
    const onRow = (packet: Packet): unknown => {
      if (packet.isEOF()) {
        this.#hand(form.take(true));
        return query.done();
      }
      this.#rows++;
      form.add(packet.buffer, packet.offset, packet.end);
      this.#hand(form.take(false));
      return onRow;
    };
    query.row = onRow;
  }

  #hand(ready: { readonly batch: T; readonly bytes: number } | null): void {
    if (ready === null) return;
    this.#queue.push(ready);
    this.#queued += ready.bytes;
    if (this.#queued > HIGH_WATER) this.#connection.stream.pause();
    this.#wake?.();
  }

  #end(): void {
    this.#isEnded = true;
    this.#settle.resolve(this.#rows);
    this.#wake?.();
  }

  /** The session was ended: the driver says nothing to a query whose session is taken away. */
  fail(error: Error): void {
    if (this.#isEnded) return;
    this.#failure ??= error;
    this.#settle.reject(error);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const ready = this.#queue.shift();
      if (ready !== undefined) {
        this.#queued -= ready.bytes;
        if (this.#queued <= HIGH_WATER / 2) this.#connection.stream.resume();
        yield ready.batch;
      } else if (this.#isEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = null;
      }
    }
  }
}

const TAB = 9;
const NEWLINE = 10;
const BACKSLASH = 92;
const NULL = 251;

/** Room for one batch of lines; a longer line gets a buffer of its own. */
const LINES = 1 << 18;

/** Lines for `LOAD DATA … CHARACTER SET binary`: tabs between fields, backslash before what would be taken for something else. */
export class LoadLines implements RowForm<Buffer> {
  #out = Buffer.allocUnsafe(LINES);
  #length = 0;
  readonly #ready: Buffer[] = [];

  add(bytes: Buffer, at: number, end: number): void {
    // Each field has its length in front, which pays for its tab and for `\N`.
    const most = 2 * (end - at) + 2;
    if (this.#length + most > this.#out.length) {
      this.#close();
      if (most > LINES) this.#out = Buffer.allocUnsafe(most);
    }
    const out = this.#out;
    let to = this.#length;
    let isFirst = true;
    while (at < end) {
      if (isFirst) isFirst = false;
      else out[to++] = TAB;
      let length = bytes[at] as number;
      if (length === NULL) {
        at++;
        out[to++] = BACKSLASH;
        out[to++] = 78; // N
        continue;
      }
      if (length < NULL) at++;
      else if (length === 252) {
        length = bytes.readUInt16LE(at + 1);
        at += 3;
      } else if (length === 253) {
        length = bytes.readUIntLE(at + 1, 3);
        at += 4;
      } else {
        length = Number(bytes.readBigUInt64LE(at + 1));
        at += 9;
      }
      for (const stop = at + length; at < stop; at++) {
        const byte = bytes[at] as number;
        if (byte === BACKSLASH || byte === TAB || byte === NEWLINE) {
          out[to++] = BACKSLASH;
          out[to++] = byte === TAB ? 116 : byte === NEWLINE ? 110 : BACKSLASH; // \t \n \\
        } else out[to++] = byte;
      }
    }
    out[to++] = NEWLINE;
    this.#length = to;
  }

  take(isLast: boolean): { readonly batch: Buffer; readonly bytes: number } | null {
    if (isLast) this.#close();
    if (this.#ready.length === 0) return null;
    const batch = this.#ready.length === 1 ? (this.#ready[0] as Buffer) : Buffer.concat(this.#ready);
    this.#ready.length = 0;
    return { batch, bytes: batch.length };
  }

  #close(): void {
    if (this.#length > 0) this.#ready.push(this.#out.subarray(0, this.#length));
    this.#out = Buffer.allocUnsafe(LINES);
    this.#length = 0;
  }
}

export type TextRow = readonly (string | null)[];

const ROWS = 500;
const ROW_BYTES = 1 << 18;

/** Rows of canonical text. `decode`: what makes it of a column's bytes, by its place. */
export class TextRows implements RowForm<readonly TextRow[]> {
  #rows: TextRow[] = [];
  #bytes = 0;

  constructor(readonly decode: readonly ((bytes: Buffer, at: number, end: number) => string)[]) {}

  add(bytes: Buffer, at: number, end: number): void {
    this.#bytes += end - at;
    const row: (string | null)[] = [];
    while (at < end) {
      let length = bytes[at] as number;
      if (length === NULL) {
        at++;
        row.push(null);
        continue;
      }
      if (length < NULL) at++;
      else if (length === 252) {
        length = bytes.readUInt16LE(at + 1);
        at += 3;
      } else if (length === 253) {
        length = bytes.readUIntLE(at + 1, 3);
        at += 4;
      } else {
        length = Number(bytes.readBigUInt64LE(at + 1));
        at += 9;
      }
      row.push(this.decode[row.length]?.(bytes, at, at + length) ?? null);
      at += length;
    }
    this.#rows.push(row);
  }

  take(isLast: boolean): { readonly batch: readonly TextRow[]; readonly bytes: number } | null {
    const isEnough = this.#rows.length >= ROWS || this.#bytes >= ROW_BYTES;
    if (this.#rows.length === 0 || !(isLast || isEnough)) return null;
    const taken = { batch: this.#rows, bytes: this.#bytes };
    this.#rows = [];
    this.#bytes = 0;
    return taken;
  }
}
