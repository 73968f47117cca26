/**
 * Between reading and applying: the next batch is received while the last one is written. Bounded, so that a slow target slows the
 * reader (which slows the socket, which lets the server wait); hands out whole transactions, as many as are there, up to a bound. A
 * transaction larger than the bound is handed out piece by piece as it comes.
 */
import type { ChangeTransaction, Position } from '../engines/engine.js';

const QUEUE_BYTES = 8 << 20;
const QUEUE_CHANGES = 12_500;
/** Also the bound of what is lost and done again when a batch fails. */
const BATCH_CHANGES = 10_000;
const BATCH_BYTES = 8 << 20;

export interface Batch {
  readonly transactions: readonly ChangeTransaction[] | AsyncIterable<ChangeTransaction>;
  /** null for one large transaction whose end has not come yet. */
  readonly end: Position | null;
  readonly committedAtMs: number;
}

export class ChangeQueue {
  #pieces: ChangeTransaction[] = [];
  #changes = 0;
  #bytes = 0;
  #hasEnded = false;
  #failure: unknown = null;
  #waiters: (() => void)[] = [];

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** When the oldest transaction that waits here was committed; null when none does. */
  get oldestMs(): number | null {
    return this.#pieces[0]?.committedAtMs ?? null;
  }

  /** @returns when there is room again. */
  async put(piece: ChangeTransaction): Promise<void> {
    this.#pieces.push(piece);
    this.#changes += piece.changes.length;
    this.#bytes += piece.bytes;
    this.wake();
    while (!this.#hasEnded && (this.#bytes > QUEUE_BYTES || this.#changes > QUEUE_CHANGES))
      await this.#change();
  }

  /** Nothing more will come; what is here is handed out first, then `failure` is thrown, if there was one. */
  end(failure: unknown = null): void {
    this.#hasEnded = true;
    this.#failure ??= failure;
    this.wake();
  }

  wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  /** Until something is here, the end came, somebody woke it, or the time is over. */
  async wait(timeoutMs: number): Promise<void> {
    if (this.#pieces.length > 0) return;
    if (this.#failure !== null) throw this.#failure as Error;
    if (this.#hasEnded) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      this.#change(),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs);
      }),
    ]);
    clearTimeout(timer);
    if (this.#pieces.length === 0 && this.#failure !== null) throw this.#failure as Error;
  }

  /** null when nothing is here. */
  take(): Batch | null {
    const first = this.#pieces[0];
    if (first === undefined) return null;
    let [count, changes, bytes, whole] = [0, 0, 0, 0];
    for (const piece of this.#pieces) {
      count++;
      changes += piece.changes.length;
      bytes += piece.bytes;
      if (piece.last) whole = count;
      if (changes >= BATCH_CHANGES || bytes >= BATCH_BYTES) break;
    }
    if (whole === 0) return { transactions: this.#large(), end: null, committedAtMs: first.committedAtMs };
    const transactions = this.#pieces.slice(0, whole);
    this.#drop(whole);
    return {
      transactions,
      end: (transactions.at(-1) as ChangeTransaction).end,
      committedAtMs: first.committedAtMs,
    };
  }

  async *#large(): AsyncIterable<ChangeTransaction> {
    for (;;) {
      const piece = this.#pieces[0];
      if (piece === undefined) {
        if (this.#failure !== null) throw this.#failure as Error;
        if (this.#hasEnded) throw new LeftPartWayError();
        await this.#change();
        continue;
      }
      this.#drop(1);
      yield piece;
      if (piece.last) return;
    }
  }

  #drop(count: number): void {
    for (const piece of this.#pieces.splice(0, count)) {
      this.#changes -= piece.changes.length;
      this.#bytes -= piece.bytes;
    }
    this.wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}

/** Stopping in the middle of a large transaction: it is rolled back, and received again whole. */
export class LeftPartWayError extends Error {
  constructor() {
    super('stopped in the middle of a large transaction');
    this.name = 'LeftPartWayError';
  }
}
