/** Rows, bytes, rate and what is left, for one activity with parallel workers. The clock is given. */
import type { EventSink } from '../model/events.js';

export class CopyMeter {
  #rows = 0;
  #bytes = 0;
  readonly #startedAt: number;

  /** @param alreadyRows rows that an earlier run did: they count for what is left, not for the rate. */
  constructor(
    readonly service: string,
    readonly activity: string,
    readonly totalRows: number,
    readonly alreadyRows: number,
    readonly now: () => number,
    readonly emit: EventSink,
  ) {
    this.#startedAt = now();
  }

  get rows(): number {
    return this.#rows;
  }
  get bytes(): number {
    return this.#bytes;
  }

  add(relation: string, rows: number, bytes: number): void {
    this.#rows += rows;
    this.#bytes += bytes;
    const seconds = Math.max(this.now() - this.#startedAt, 1) / 1000;
    const rowsPerSecond = Math.round(this.#rows / seconds);
    const rowsDone = this.alreadyRows + this.#rows;
    // Estimates of the server may be too low: what was copied is a lower bound.
    const totalRows = Math.max(this.totalRows, rowsDone);
    this.emit({
      type: 'progress',
      service: this.service,
      activity: this.activity,
      relation,
      rows: rowsDone,
      totalRows,
      bytes: this.#bytes,
      rowsPerSecond,
      etaMs: rowsPerSecond > 0 ? Math.round(((totalRows - rowsDone) / rowsPerSecond) * 1000) : null,
    });
  }
}
