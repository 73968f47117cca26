/** Runs a few at a time; the first failure is thrown when those under way have ended. */
export async function forEachParallel<T>(
  items: Iterable<T>,
  jobs: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failure: { readonly error: unknown } | null = null;
  await Promise.all(
    Array.from({ length: Math.max(1, jobs) }, async () => {
      for (let next = iterator.next(); !next.done && failure === null; next = iterator.next()) {
        try {
          signal.throwIfAborted();
          await work(next.value);
        } catch (error) {
          failure ??= { error };
        }
      }
    }),
  );
  const ended = failure as { readonly error: unknown } | null;
  if (ended !== null) throw ended.error;
}
