/**
 * The text of a script, in pieces of bounded size, from a file, a pipe or standard input: read once, in order. PowerShell's `>` writes
 * UTF-16, editors add byte order marks, and dumps are kept compressed by gzip: all are detected. Bytes that are no valid text become
 * U+FFFD, never an error: data may be binary.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Readable, pipeline } from 'node:stream';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';
import { UsageError } from '../model/errors.js';

export type DumpEncoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** By byte order mark, else by where the zero bytes of ASCII text stand. */
export function detectEncoding(head: Uint8Array): DumpEncoding {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  let even = 0;
  let odd = 0;
  const length = Math.min(head.length, SNIFFED) & ~1;
  for (let at = 0; at < length; at += 2) {
    if (head[at] === 0) even += 1;
    if (head[at + 1] === 0) odd += 1;
  }
  if (odd > length / 5 && even < odd / 4) return 'utf-16le';
  if (even > length / 5 && odd < even / 4) return 'utf-16be';
  return 'utf-8';
}

const SNIFFED = 4096;
const PIECE_BYTES = 1 << 20;

/** What a script is read from: the path of a file, or bytes under a name that messages call them by. */
export type DumpInput = string | { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> };

/** Pieces of about 1 MB, byte order mark removed. @throws UsageError DBPS_E201 (no such file), DBPS_E152 (no text). */
export async function* readDumpText(input: DumpInput, signal?: AbortSignal): AsyncGenerator<string> {
  const name = typeof input === 'string' ? input : input.name;
  const raw = typeof input === 'string' ? fileBytes(input, signal) : input.bytes;
  const bytes = await unpacked(name, raw);
  let decoder: TextDecoder | undefined;
  for await (const piece of bytes) {
    signal?.throwIfAborted();
    if (decoder === undefined) {
      const encoding = detectEncoding(piece);
      if (encoding === 'utf-8' && piece.subarray(0, SNIFFED).includes(0)) throw noText(name, piece);
      decoder = new TextDecoder(encoding);
    }
    const text = decoder.decode(piece, { stream: true });
    if (text !== '') yield text;
  }
  const rest = decoder?.decode() ?? '';
  if (rest !== '') yield rest;
}

/** A text with its beginning at hand: what comes from a pipe cannot be read twice. */
export interface PeekedText {
  readonly head: string;
  /** All of it, the head included; once. */
  readonly pieces: AsyncIterable<string>;
}

export async function peekDumpText(pieces: AsyncIterable<string>, length: number): Promise<PeekedText> {
  const iterator = pieces[Symbol.asyncIterator]();
  const read: string[] = [];
  let head = '';
  while (head.length < length) {
    const next = await iterator.next();
    if (next.done === true) break;
    read.push(next.value);
    head += next.value;
  }
  return {
    head: head.slice(0, length),
    pieces: (async function* () {
      try {
        yield* read.splice(0);
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
          yield next.value;
      } finally {
        await iterator.return?.();
      }
    })(),
  };
}

async function* fileBytes(file: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const handle = await fs.promises.open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT')
      throw new UsageError({ code: 'DBPS_E201', message: `there is no ${file}`, hint: 'correct the path' });
    throw unreadable(
      file,
      `cannot be read: ${error.code ?? error.message}`,
      'check the path and its permissions',
    );
  });
  try {
    if ((await handle.stat()).isDirectory())
      throw fs.existsSync(path.join(file, 'toc.dat'))
        ? archived(file, 'a dump in the directory format')
        : unreadable(file, 'is a directory', 'give the path of a file');
    for (;;) {
      signal?.throwIfAborted();
      // A buffer of its own each time: what waits to be unpacked still refers to the one before.
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** The first bytes of what is packed. */
const GZIP = [0x1f, 0x8b];
const PACKED: readonly (readonly [magic: readonly number[], what: string, tool: string])[] = [
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstd', 'zstd -dc'],
  [[0x42, 0x5a, 0x68], 'bzip2', 'bzip2 -dc'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xz', 'xz -dc'],
  [[0x04, 0x22, 0x4d, 0x18], 'lz4', 'lz4 -dc'],
  [[0x50, 0x4b, 0x03, 0x04], 'zip', 'unzip -p'],
];

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, at) => bytes[at] === byte);

/** The bytes as they are, or unpacked where gzip has packed them. @throws UsageError for other packings and for archives of pg_dump. */
async function unpacked(name: string, bytes: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = bytes[Symbol.asyncIterator]();
  // A pipe hands out as little as it likes: at least as much as the longest mark.
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < SNIFFED) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const all = (async function* (): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.();
    }
  })();
  try {
    const text = Buffer.from(head.subarray(0, 512)).toString('latin1');
    if (text.startsWith('PGDMP')) throw archived(name, "a dump in pg_dump's custom format");
    if (text.startsWith('toc.dat\0')) throw archived(name, 'a dump in the tar format');
    for (const [magic, what, tool] of PACKED)
      if (startsWith(head, magic))
        throw unreadable(name, `is packed by ${what}`, `unpack it first: ${tool} ${name} > schema.sql`);
  } catch (error) {
    await all.return(undefined);
    throw error;
  }
  return startsWith(head, GZIP) ? gunzipped(name, all) : all;
}

async function* gunzipped(name: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  // Its errors are thrown where it is read.
  pipeline(Readable.from(bytes, { objectMode: false }), gunzip, () => undefined);
  try {
    for await (const piece of gunzip) yield piece as Uint8Array;
  } catch (error) {
    if (!String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error;
    throw unreadable(name, 'is packed by gzip, and cut off or damaged', 'make the dump again');
  }
}

const archived = (name: string, what: string): UsageError =>
  unreadable(name, `is ${what}`, `pg_restore -s -f schema.sql ${name}, then --from-sql schema.sql`);

function noText(name: string, head: Uint8Array): UsageError {
  const zero = head.indexOf(0);
  return unreadable(
    name,
    `is no text: byte ${zero + 1} is zero`,
    'give plain text, or plain text packed by gzip',
  );
}

function unreadable(name: string, why: string, hint: string): UsageError {
  return new UsageError({ code: 'DBPS_E152', message: `${name} ${why}`, hint });
}
