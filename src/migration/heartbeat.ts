/**
 * Keeps a lease alive and tells, through its signal, when it is lost: taken over, or not renewed for as long as it lasts. The fence against
 * a late write is the epoch; this only makes a replaced runner stop soon.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ownership } from '../engines/engine.js';
import { InterruptedError, RefusedError } from '../model/errors.js';
import type { ServiceProgress, StateStore } from '../state/state-store.js';

export interface HeartbeatOptions {
  readonly store: StateStore;
  readonly owner: Ownership;
  readonly leaseMs: number;
  readonly now: () => number;
  readonly progress: () => ServiceProgress;
}

export class Heartbeat {
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();
  readonly #ended: Promise<void>;

  constructor(options: HeartbeatOptions) {
    this.#ended = this.#beat(options);
  }

  /** Aborted with the DbpsError that says why. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#ended;
  }

  async #beat({ store, owner, leaseMs, now, progress }: HeartbeatOptions): Promise<void> {
    let renewedAt = now();
    while (!this.#stopped.signal.aborted) {
      await sleep(Math.min(1000, leaseMs / 4), undefined, { signal: this.#stopped.signal }).catch(
        () => undefined,
      );
      if (this.#stopped.signal.aborted) return;
      try {
        const askedAt = now();
        await store.heartbeat(owner, progress());
        renewedAt = askedAt;
      } catch (error) {
        if (error instanceof RefusedError) {
          this.#lost.abort(error);
          return;
        }
        if (now() - renewedAt < leaseMs) continue;
        this.#lost.abort(
          new InterruptedError({
            code: 'DBPS_E502',
            message: `the lease of ${owner.service} could not be renewed for ${Math.round(leaseMs / 1000)}s: ${error instanceof Error ? error.message : String(error)}`,
            hint: 'run the same command again when the legacy database can be reached',
            cause: error,
          }),
        );
        return;
      }
    }
  }
}
