/**
 * Cuts a batch into windows of net changes and writes them, with the keys of what changed (H15): old and new, each once a window. A
 * transaction of any size passes through in windows.
 */
import type { Change, ChangeTransaction, Key, Position, RelationMap } from './engine.js';
import { canMerge, keyText, MergeWindow } from './merge-window.js';

/** What is known of the rows that are there already. */
export interface Certainty {
  /** Every row is exact. */
  readonly isConverged: boolean;
  /** True: the row of this key is exactly what replay says, so that a miss is a loss. False: it may be newer or missing, and is fetched again. */
  isExact(map: RelationMap, key: Key): boolean;
  /** Puts keys into the heal set. */
  heal(map: RelationMap, keys: readonly Key[]): Promise<void>;
}

/** An engine's way of writing changes, inside a transaction that somebody else has opened. */
export interface ChangeWriter {
  /** Net changes; where they collide, the window's changes one by one in source order. */
  writeWindow(window: MergeWindow, certainty: Certainty): Promise<void>;
  /** A key change or a TRUNCATE: what ends a window. */
  writeSingle(change: Change, certainty: Certainty): Promise<void>;
}

/** Changes of one window; also the bound of what an unmerged retry repeats. */
const WINDOW_CHANGES = 10_000;

export class BatchWriter {
  changes = 0;
  /** Of the last whole transaction. */
  end: Position | null = null;
  #window = new MergeWindow();
  #keys: ChangedBatch;

  constructor(
    readonly writer: ChangeWriter,
    readonly certainty: Certainty,
    readonly places: ReadonlyMap<RelationMap, readonly number[]>,
    readonly storeKeys: (map: RelationMap, keys: readonly Key[]) => Promise<void>,
  ) {
    this.#keys = new ChangedBatch(places);
  }

  async write(transactions: Iterable<ChangeTransaction>): Promise<void> {
    let last: ChangeTransaction | null = null;
    for (const transaction of transactions) {
      if (transaction.last) last = transaction;
      if (transaction.isOwn) continue;
      for (const change of transaction.changes) {
        this.changes++;
        if (canMerge(change)) {
          this.#window.add(change);
          this.#keys.add(change);
          if (this.#window.changes.length >= WINDOW_CHANGES) await this.flush();
        } else {
          await this.flush();
          await this.writer.writeSingle(change, this.certainty);
          this.#keys.add(change);
        }
      }
    }
    if (last !== null) this.end = last.end;
  }

  async flush(): Promise<void> {
    await this.writer.writeWindow(this.#window, this.certainty);
    this.#window = new MergeWindow();
    for (const [map, keys] of this.#keys.relations) await this.storeKeys(map, keys);
    this.#keys = new ChangedBatch(this.places);
  }
}

/** Keys touched since the last flush, old and new, each once. */
class ChangedBatch {
  readonly #keys = new Map<RelationMap, Map<string, Key>>();

  constructor(readonly places: ReadonlyMap<RelationMap, readonly number[]>) {}

  add(change: Change): void {
    switch (change.kind) {
      case 'truncate':
        for (const map of change.maps) this.#put(map, []);
        return;
      case 'delete':
        this.#put(change.map, change.key);
        return;
      case 'update':
        if (change.oldKey !== null) this.#put(change.map, change.oldKey);
        break;
      case 'insert':
        break;
    }
    const places = this.places.get(change.map) ?? [];
    this.#put(
      change.map,
      places.map((place) => change.values[place] as string),
    );
  }

  get relations(): readonly (readonly [RelationMap, readonly Key[]])[] {
    return [...this.#keys].map(([map, keys]) => [map, [...keys.values()]]);
  }

  #put(map: RelationMap, key: Key): void {
    let keys = this.#keys.get(map);
    if (keys === undefined) {
      keys = new Map<string, Key>();
      this.#keys.set(map, keys);
    }
    keys.set(key.length === 0 ? '' : keyText(key), key);
  }
}
