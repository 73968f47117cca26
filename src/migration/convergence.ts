/**
 * When replay has made the copy consistent: it has passed the position of every read of the source, and no row waits to be fetched
 * again. Rows that replay could not make whole are read again in rounds. In the first round every row may be newer than the changes that
 * are replayed over it. In each later one only those just read are: all others are exact, so that writers who keep changing keys do not
 * put the end off for ever.
 */
import { randomUUID } from 'node:crypto';
import type { Database, Key, Position, RelationMap, Sink, UnsettledKeys } from '../engines/engine.js';
import type { MoveContext } from './move-context.js';

const KEYS_AT_ONCE = 1_000;

export class Convergence {
  readonly #context: MoveContext;
  readonly #source: Database;
  readonly #sink: Sink;
  readonly #maps: readonly RelationMap[];
  #mustPass: readonly Position[] = [];
  #unsettled: Unsettled | undefined;
  #askedAtMs = 0;

  constructor(context: MoveContext, source: Database, sink: Sink, maps: readonly RelationMap[]) {
    this.#context = context;
    this.#source = source;
    this.#sink = sink;
    this.#maps = maps;
  }

  /** undefined: every key. */
  get unsettled(): UnsettledKeys | undefined {
    return this.#unsettled;
  }

  async begin(): Promise<void> {
    this.#mustPass = await this.#sink.readPositions();
    this.#unsettled = undefined;
    this.#askedAtMs = 0;
  }

  /** @returns true when replay up to `applied` has converged. */
  async advance(applied: Position, isIdle: boolean): Promise<boolean> {
    if (!this.#hasPassed(applied)) {
      if (isIdle) await this.#nudge();
      return false;
    }
    if ((await this.#sink.heal.size()) === 0) return true;
    const healed = new Unsettled();
    for (const map of this.#maps) {
      for (;;) {
        const keys = await this.#sink.heal.take(map, KEYS_AT_ONCE);
        if (keys.length === 0) break;
        const format = await this.#source.snapshot.chunkFormat(map, this.#sink.formats);
        const reader = await this.#source.snapshot.readKeys(map, keys, format, this.#context.signal);
        await this.#sink.healRows(map, keys, reader);
        healed.add(map, keys);
        await this.#context.at('replicator.healed');
      }
    }
    // The rows just read may be newer than what has been replayed.
    await this.begin();
    this.#unsettled = healed;
    return this.#hasPassed(applied);
  }

  #hasPassed(applied: Position): boolean {
    return this.#mustPass.every((position) => this.#source.changes.reached(applied, position));
  }

  /** A quiet source has nothing in its log behind the last read: a marker row moves it on. */
  async #nudge(): Promise<void> {
    const now = this.#context.now();
    if (now - this.#askedAtMs < 1_000) return;
    this.#askedAtMs = now;
    await this.#source.control.writeBarrier(this.#context.owner, `converge-${randomUUID()}`);
  }
}

class Unsettled implements UnsettledKeys {
  readonly #keys = new Map<RelationMap, Set<string>>();

  has(map: RelationMap, key: Key): boolean {
    return this.#keys.get(map)?.has(JSON.stringify(key)) === true;
  }

  add(map: RelationMap, keys: readonly Key[]): void {
    const known = this.#keys.get(map) ?? new Set<string>();
    this.#keys.set(map, known);
    for (const key of keys) known.add(JSON.stringify(key));
  }
}
