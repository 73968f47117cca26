/** A few workers over one queue that may grow while they work; the first failure stops the others. */
export class WorkQueue<T> {
  readonly #items: T[] = [];
  readonly #waiting: (() => void)[] = [];
  #isClosed = false;

  push(...items: readonly T[]): void {
    this.#items.push(...items);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** No more will come: workers end when it is empty. */
  close(): void {
    this.#isClosed = true;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async next(signal: AbortSignal): Promise<T | undefined> {
    for (;;) {
      signal.throwIfAborted();
      const item = this.#items.shift();
      if (item !== undefined) return item;
      if (this.#isClosed) return undefined;
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        signal.addEventListener('abort', wake, { once: true });
        this.#waiting.push(wake);
      });
    }
  }

  /** Resolves when the queue is closed and empty; see inParallel for failures. */
  async drain(workers: number, stop: AbortController, work: (item: T) => Promise<void>): Promise<void> {
    await inParallel(workers, stop, async (signal) => {
      for (let item = await this.next(signal); item !== undefined; item = await this.next(signal))
        await work(item);
    });
  }
}

/** The first failure stops the others by the signal, and is thrown when all have ended. */
export async function inParallel(
  workers: number,
  stop: AbortController,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await Promise.all(
    Array.from({ length: workers }, async () => {
      try {
        await work(stop.signal);
      } catch (error) {
        stop.abort(error);
      }
    }),
  );
  stop.signal.throwIfAborted();
}
