/**
 * The replication stream between the socket and the driver: messages of the log are taken out here, everything else passes on to the
 * driver. Its parser would make three objects of each row's message, and reads the next one into the memory of the last, so that whoever
 * keeps a message finds another one in it. The buffers handed out here are the socket's own and stay as they are.
 */
import type { Duplex } from 'node:stream';

const COPY_DATA = 0x64;
const HEADER = 5;

/** A payload: `buffer` from `from` up to `to`. */
export type PayloadReader = (buffer: Buffer, from: number, to: number) => void;

/** Puts itself before the driver's own listener; from then on CopyData goes to `read` only. */
export function takeCopyData(stream: Duplex, read: PayloadReader): void {
  const parsers = stream.listeners('data') as ((bytes: Buffer) => void)[];
  for (const parse of parsers) stream.off('data', parse);
  /** Of a message that has not come whole: what is here, and how much is needed before it is worth looking again. */
  let parts: Buffer[] = [];
  let have = 0;
  let need = 0;
  stream.on('data', (bytes: Buffer) => {
    let data = bytes;
    if (have > 0) {
      parts.push(bytes);
      have += bytes.length;
      if (have < need) return;
      data = Buffer.concat(parts, have);
      parts = [];
      have = 0;
    }
    let at = 0;
    need = HEADER;
    while (data.length - at >= HEADER) {
      const end = at + 1 + data.readInt32BE(at + 1);
      if (end > data.length) {
        need = end - at;
        break;
      }
      if (data[at] === COPY_DATA) read(data, at + HEADER, end);
      else for (const parse of parsers) parse.call(stream, data.subarray(at, end));
      at = end;
    }
    if (at < data.length) {
      parts = [data.subarray(at)];
      have = data.length - at;
    }
  });
}
