/** Log positions of PostgreSQL: `0/16B3748`, 64 bits, totally ordered. Text outside this file; numbers only where they are compared. */
import type { Position } from '../engine.js';

const LSN = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i;

/** @throws RangeError when the text is not a position of this engine. */
export function parseLsn(position: Position): bigint {
  const match = LSN.exec(position);
  if (match === null) throw new RangeError(`"${position}" is not a log position of PostgreSQL`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

export function formatLsn(high: number, low: number): Position {
  return `${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()}`;
}

/** The position written at `offset` in a message, as the server writes it in text. */
export function readLsn(buffer: Buffer, offset: number): Position {
  return formatLsn(buffer.readUInt32BE(offset), buffer.readUInt32BE(offset + 4));
}
