/**
 * When replay has made the copy consistent: it has passed the position of every read of the source, and no row waits to be fetched
 * again. Until then updates may find no row, and rows that replay could not make whole are read again from the source.
 */
import { randomUUID } from 'node:crypto';
import type { Database, Position, RelationMap, Sink } from '../engines/engine.js';
import type { MoveContext } from './move-context.js';

const KEYS_AT_ONCE = 1_000;

export class Convergence {
  readonly #context: MoveContext;
  readonly #source: Database;
  readonly #sink: Sink;
  readonly #maps: readonly RelationMap[];
  #mustPass: readonly Position[] = [];
  #askedAtMs = 0;

  constructor(context: MoveContext, source: Database, sink: Sink, maps: readonly RelationMap[]) {
    this.#context = context;
    this.#source = source;
    this.#sink = sink;
    this.#maps = maps;
  }

  async begin(): Promise<void> {
    this.#mustPass = await this.#sink.readPositions();
    this.#askedAtMs = 0;
  }

  /** @returns true when replay up to `applied` has converged. */
  async advance(applied: Position, isIdle: boolean): Promise<boolean> {
    if (!this.#hasPassed(applied)) {
      if (isIdle) await this.#nudge();
      return false;
    }
    if ((await this.#sink.heal.size()) === 0) return true;
    for (const map of this.#maps) {
      for (;;) {
        const keys = await this.#sink.heal.take(map, KEYS_AT_ONCE);
        if (keys.length === 0) break;
        const format = await this.#source.snapshot.chunkFormat(map, this.#sink.formats);
        const reader = await this.#source.snapshot.readKeys(map, keys, format, this.#context.signal);
        await this.#sink.healRows(map, keys, reader);
        await this.#context.at('replicator.healed');
      }
    }
    // The rows just read may be newer than what has been replayed.
    await this.begin();
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
