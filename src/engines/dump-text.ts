/**
 * The text of a dump file, in pieces of bounded size. PowerShell's `>` writes UTF-16, editors add byte order
 * marks: both are detected. Bytes that are no valid text become U+FFFD, never an error: data may be binary.
 */
import fs from 'node:fs';
import { TextDecoder } from 'node:util';

export type DumpEncoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** By byte order mark, else by where the zero bytes of ASCII text stand. */
export function detectEncoding(head: Uint8Array): DumpEncoding {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  let even = 0;
  let odd = 0;
  const length = Math.min(head.length, 4096) & ~1;
  for (let at = 0; at < length; at += 2) {
    if (head[at] === 0) even += 1;
    if (head[at + 1] === 0) odd += 1;
  }
  if (odd > length / 5 && even < odd / 4) return 'utf-16le';
  if (even > length / 5 && odd < even / 4) return 'utf-16be';
  return 'utf-8';
}

const PIECE_BYTES = 1 << 20;

/** Pieces of about 1 MB, byte order mark removed. @throws the file system's error when it cannot be read. */
export async function* readDumpText(path: string, signal?: AbortSignal): AsyncGenerator<string> {
  const file = await fs.promises.open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    let decoder: TextDecoder | undefined;
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, null);
      const piece = buffer.subarray(0, bytesRead);
      decoder ??= new TextDecoder(detectEncoding(piece));
      const text = decoder.decode(piece, { stream: bytesRead > 0 });
      if (text !== '') yield text;
      if (bytesRead === 0) return;
    }
  } finally {
    await file.close();
  }
}
