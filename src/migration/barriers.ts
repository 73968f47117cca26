/** Who waits for which marker row, and which have come lately: a waiter may ask a moment after its marker arrived. */
import { InterruptedError } from '../model/errors.js';

const REMEMBERED = 1_000;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Barriers {
  readonly #seen = new Set<string>();
  readonly #waiters = new Map<string, Waiter>();
  readonly #withheld: string[] = [];

  /** @throws InterruptedError past the deadline, or what ended the stream. */
  wait(nonce: string, deadlineMs: number, now: () => number): Promise<void> {
    if (this.#seen.has(nonce)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          this.#waiters.delete(nonce);
          reject(
            new InterruptedError({
              code: 'DBPS_E510',
              message: 'the other side did not catch up in time: the marker row has not arrived',
              hint: 'dbps status shows the lag',
            }),
          );
        },
        Math.max(0, deadlineMs - now()),
      );
      const settle =
        <T extends unknown[]>(how: (...args: T) => void) =>
        (...args: T) => {
          clearTimeout(timer);
          this.#waiters.delete(nonce);
          how(...args);
        };
      this.#waiters.set(nonce, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  arrived(nonces: readonly string[]): void {
    for (const nonce of nonces) {
      this.#seen.add(nonce);
      this.#waiters.get(nonce)?.resolve();
    }
    for (const oldest of this.#seen) {
      if (this.#seen.size <= REMEMBERED) break;
      this.#seen.delete(oldest);
    }
  }

  /** They have come, and what stands before them is not all there yet. */
  withhold(nonces: readonly string[]): void {
    this.#withheld.push(...nonces);
  }

  release(): void {
    this.arrived(this.#withheld.splice(0));
  }

  fail(error: Error): void {
    for (const waiter of [...this.#waiters.values()]) waiter.reject(error);
  }
}
