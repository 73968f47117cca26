/**
 * Following a change log that triggers write: look, hand out what is new, look after what captures, wait a little where nothing was new.
 * What a look is, and in what words a stream says where it stands, is the engine's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change, ChangeTransaction, Key, Position, RelationMap, Value } from './engine.js';
import { keyPlaces } from './merge-window.js';

const PIECE_BYTES = 4 << 20;
const SHORTEST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;
/** How often triggers and shapes are looked after, and what was applied is purged. */
const CARE_EVERY_MS = 2_000;

export interface ChangeLog {
  /** What was committed since the last look, in one consistent view; nothing, or pieces of which the last has `last`. */
  look(): AsyncIterable<ChangeTransaction>;
  care(): Promise<void>;
  describe(error: unknown): Error;
  release(): Promise<void>;
}

export class ChangeLogPoll implements AsyncIterable<ChangeTransaction> {
  readonly #log: ChangeLog;
  readonly #signal: AbortSignal;
  readonly #stopped = new AbortController();
  #cared = 0;
  #isClosed = false;
  #isHandingOut = false;
  #failure: Error | null = null;

  constructor(log: ChangeLog, signal: AbortSignal) {
    this.#log = log;
    this.#signal = signal;
    signal.addEventListener('abort', this.#abort, { once: true });
    if (signal.aborted) this.#abort();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Somebody has a piece and has not come back for the next. */
  get isHandingOut(): boolean {
    return this.#isHandingOut;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ChangeTransaction> {
    let pause = SHORTEST_PAUSE_MS;
    try {
      while (!this.#isClosed) {
        let isEmpty = true;
        for await (const piece of this.#log.look()) {
          isEmpty = false;
          this.#isHandingOut = true;
          try {
            yield piece;
          } finally {
            this.#isHandingOut = false;
          }
          if (this.#isClosed) return;
        }
        if (Date.now() - this.#cared >= CARE_EVERY_MS) {
          this.#cared = Date.now();
          await this.#log.care();
        }
        pause = isEmpty ? Math.min(pause * 2, LONGEST_PAUSE_MS) : SHORTEST_PAUSE_MS;
        if (isEmpty) await sleep(pause, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
        if (this.#failure !== null) throw this.#failure;
      }
    } catch (error) {
      if (this.#isClosed) return;
      throw this.#failure ?? this.#log.describe(error);
    }
  }

  /** The session is gone. */
  fail(error: Error): void {
    this.#failure ??= this.#log.describe(error);
    this.#stopped.abort();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopped.abort();
    this.#signal.removeEventListener('abort', this.#abort);
    await this.#log.release();
  }

  readonly #abort = (): void => {
    void this.close();
  };
}

/** The changes of one look, cut into pieces of one transaction. */
export class LookPieces {
  #changes: Change[] = [];
  #bytes = 0;
  #committedAtMs: number | null = null;

  /** @param barriers markers that this look is the first to show; they go with the last piece. */
  constructor(
    readonly begin: Position,
    readonly barriers: readonly string[],
    readonly maxChanges: number,
  ) {}

  get isFull(): boolean {
    return this.#changes.length >= this.maxChanges || this.#bytes >= PIECE_BYTES;
  }

  /** The look has shown nothing new. */
  get isNothing(): boolean {
    return this.#committedAtMs === null && this.barriers.length === 0;
  }

  add(change: Change, row: LoggedRow): void {
    this.#committedAtMs ??= Number(row.at_ms);
    this.#changes.push(change);
    this.#bytes += (row.new_row?.length ?? 0) + (row.old_key?.length ?? 0);
  }

  /** @param end null: there is more. */
  cut(end: Position | null): ChangeTransaction {
    const made: ChangeTransaction = {
      commit: this.begin,
      end: end ?? this.begin,
      committedAtMs: this.#committedAtMs ?? Date.now(),
      isOwn: false,
      changes: this.#changes,
      barriers: end === null ? [] : this.barriers,
      last: end !== null,
      bytes: this.#bytes,
    };
    this.#changes = [];
    this.#bytes = 0;
    return made;
  }
}

/** Columns that the logs of all engines have, as text. */
export interface LoggedRow {
  readonly relation: string;
  readonly kind: string;
  readonly at_ms: string;
  readonly new_row: string | null;
  readonly old_key: string | null;
}

export interface LoggedText {
  values(text: string | null): readonly Value[];
  key(text: string | null): Key;
}

export function changeReader(map: RelationMap, text: LoggedText): (row: LoggedRow) => Change {
  const places = keyPlaces(map);
  return ({ kind, new_row, old_key }) => {
    switch (kind) {
      case 'I':
        return { kind: 'insert', map, values: text.values(new_row) };
      case 'D':
        return { kind: 'delete', map, key: text.key(old_key) };
      default: {
        const [values, key] = [text.values(new_row), text.key(old_key)];
        const isSame = places.every((place, i) => values[place] === key[i]);
        return { kind: 'update', map, values, oldKey: isSame ? null : key };
      }
    }
  };
}
