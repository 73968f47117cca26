/**
 * Chunks one after the other, the next one read while the last rows of the one before are still being stored: what lies in the sockets of a
 * target takes a third of a chunk's time to store, in which its source would have nothing to do.
 */
import type { ChunkReader } from '../engines/engine.js';

export interface OpenedChunk<T> {
  readonly item: T;
  readonly reader: ChunkReader;
}

/**
 * @param open the next chunk, its reader begun; undefined when there is none.
 * @param store reads the chunk to its end.
 * @throws what either throws; a reader that was opened ahead is cancelled then.
 */
export async function readAhead<T>(
  open: () => Promise<OpenedChunk<T> | undefined>,
  store: (chunk: OpenedChunk<T>) => Promise<void>,
): Promise<void> {
  let ahead: Promise<OpenedChunk<T> | undefined> | undefined;
  try {
    for (let chunk = await open(); chunk !== undefined; chunk = await (ahead ?? open())) {
      ahead = undefined;
      const reader = notingTheEnd(chunk.reader, () => {
        ahead = open();
        // Whoever takes it up sees the failure; until then it must not end the process.
        ahead.catch(() => undefined);
      });
      await store({ item: chunk.item, reader });
    }
  } catch (error) {
    const opened = await ahead?.catch(() => undefined);
    await opened?.reader.cancel();
    throw error;
  }
}

/** Calls back when every row was handed on and the reader's session is free for the next one. */
function notingTheEnd(reader: ChunkReader, ended: () => void): ChunkReader {
  return {
    format: reader.format,
    data: noting(reader, ended),
    finish: () => reader.finish(),
    cancel: () => reader.cancel(),
  };
}

async function* noting(reader: ChunkReader, ended: () => void): ChunkReader['data'] {
  yield* reader.data;
  // What finish() has to complain about, it says to the one who stores the rows.
  void reader.finish().then(ended, () => undefined);
}
