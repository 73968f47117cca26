/** Both directions of one service in the hands of its runner: made when first asked for, brought into the mode that phase and owner ask for. */
import type { Direction, Ownership } from '../engines/engine.js';
import type { Phase } from '../model/phases.js';
import type { StateStore, StreamProgress } from '../state/state-store.js';
import { ROGUE_WRITE } from './journal.js';
import type { Modes } from './modes.js';
import type { ReplicationStatus, ReplicatorHandle, RogueChange } from './step-context.js';
import { StreamWatch } from './stream-watch.js';

export interface StreamsSetup {
  readonly store: StateStore;
  readonly owner: Ownership;
  create(direction: Direction): ReplicatorHandle;
}

export class ServiceStreams {
  readonly #setup: StreamsSetup;
  readonly #watch = new StreamWatch();
  readonly #replicators = new Map<Direction, ReplicatorHandle>();

  constructor(setup: StreamsSetup) {
    this.#setup = setup;
  }

  get(direction: Direction): ReplicatorHandle {
    const existing = this.#replicators.get(direction);
    if (existing !== undefined) return existing;
    const replicator = this.#setup.create(direction);
    this.#replicators.set(direction, replicator);
    replicator.onRogue((change) => this.#journal(direction, change));
    return replicator;
  }

  /** Only what was started. */
  statuses(): readonly (readonly [Direction, ReplicationStatus])[] {
    return [...this.#replicators].map(([direction, replicator]) => [direction, replicator.status()] as const);
  }

  status(direction: Direction): ReplicationStatus | null {
    return this.#replicators.get(direction)?.status() ?? null;
  }

  describe(): Readonly<Record<Direction, StreamProgress | null>> & { readonly rogueWrites: number } {
    return {
      forward: this.#watch.describe(this.#replicators.get('forward')),
      reverse: this.#watch.describe(this.#replicators.get('reverse')),
      rogueWrites: this.#watch.rogueWrites,
    };
  }

  /** Reverse first: what it misses nobody keeps. @throws RefusedError when a start would skip changes. */
  async rest(modes: Modes, has: Readonly<Record<Direction, boolean>>): Promise<void> {
    for (const direction of ['reverse', 'forward'] as const) {
      const mode = modes[direction];
      if (mode !== null && has[direction]) await this.get(direction).start(mode);
    }
  }

  async pause(): Promise<void> {
    for (const replicator of this.#replicators.values()) await replicator.pause();
  }

  resume(): void {
    for (const replicator of this.#replicators.values()) replicator.resume();
  }

  /** At a batch boundary. The next one asked for is made anew. */
  async forget(): Promise<void> {
    for (const replicator of this.#replicators.values()) await replicator.stop();
    this.#replicators.clear();
  }

  /** Whatever happens to one, the other is stopped too. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#replicators.values()].map((replicator) => replicator.stop()));
  }

  #journal(direction: Direction, change: RogueChange): void {
    if (!this.#watch.countRogue()) return;
    const { relation, kind, position } = change;
    void this.#setup.store
      .append(this.#setup.owner, {
        transition: direction,
        step: ROGUE_WRITE,
        event: 'note',
        detail: `${kind} in ${relation} at ${position}`,
        data: change,
      })
      .catch(() => undefined);
  }
}

/** False until the copy and its replay are behind us; and on the way back, where the rows may be gone already: what arrives is kept, not applied. */
export function isConvergedIn(phase: Phase, target: Phase | null): boolean {
  return phase !== 'provisioned' && phase !== 'planned' && target !== 'provisioned';
}
