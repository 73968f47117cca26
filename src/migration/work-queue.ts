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

  /** Resolves when the queue is closed and empty. After a failure the workers stop at their next item; the first one is thrown when all have. */
  async drain(workers: number, stop: AbortController, work: (item: T) => Promise<void>): Promise<void> {
    const { signal } = stop;
    await Promise.all(
      Array.from({ length: workers }, async () => {
        try {
          for (let item = await this.next(signal); item !== undefined; item = await this.next(signal))
            await work(item);
        } catch (error) {
          stop.abort(error);
        }
      }),
    );
    signal.throwIfAborted();
  }
}
