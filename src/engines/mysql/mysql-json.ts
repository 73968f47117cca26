/**
 * MySQL's binary JSON, as it stands in the log, as the text that the server prints for it. The log's library has a reader of its own, which
 * gives JavaScript objects: keys change their order, decimals become strings, 1.0 becomes 1. Format: the server's json_binary.h; text: its
 * json_dom.cc (Json_wrapper::to_string).
 */
import { InternalError } from '../../model/errors.js';

/** @param value the column's bytes in the log. Nothing at all is what a server that is not strict stores for a missing value: null. */
export function jsonText(value: Buffer): string {
  return value.length === 0 ? 'null' : text(value, value[0] as number, 1);
}

function text(bytes: Buffer, type: number, at: number): string {
  switch (type) {
    case 0x00:
      return container(bytes, at, true, false);
    case 0x01:
      return container(bytes, at, true, true);
    case 0x02:
      return container(bytes, at, false, false);
    case 0x03:
      return container(bytes, at, false, true);
    case 0x04:
      return ['null', 'true', 'false'][bytes[at] as number] ?? malformed();
    case 0x05:
      return String(bytes.readInt16LE(at));
    case 0x06:
      return String(bytes.readUInt16LE(at));
    case 0x07:
      return String(bytes.readInt32LE(at));
    case 0x08:
      return String(bytes.readUInt32LE(at));
    case 0x09:
      return String(bytes.readBigInt64LE(at));
    case 0x0a:
      return String(bytes.readBigUInt64LE(at));
    case 0x0b:
      return jsonDouble(bytes.readDoubleLE(at));
    case 0x0c: {
      const { length, next } = dataLength(bytes, at);
      return JSON.stringify(bytes.toString('utf8', next, next + length));
    }
    case 0x0f: {
      const { length, next } = dataLength(bytes, at + 1);
      return opaque(bytes[at] as number, bytes.subarray(next, next + length));
    }
    default:
      return malformed();
  }
}

/** Objects and arrays; offsets count from their own beginning, and values that are small enough stand in the place of the offset. */
function container(bytes: Buffer, start: number, isObject: boolean, isLarge: boolean): string {
  const size = isLarge ? 4 : 2;
  const read = (at: number) => (isLarge ? bytes.readUInt32LE(at) : bytes.readUInt16LE(at));
  const count = read(start);
  const keys = start + 2 * size;
  const values = keys + (isObject ? count * (size + 2) : 0);
  const parts: string[] = [];
  for (let i = 0; i < count; i++) {
    const entry = values + i * (1 + size);
    const type = bytes[entry] as number;
    const isInline =
      type === 0x04 || type === 0x05 || type === 0x06 || (isLarge && (type === 0x07 || type === 0x08));
    const value = text(bytes, type, isInline ? entry + 1 : start + read(entry + 1));
    if (!isObject) {
      parts.push(value);
      continue;
    }
    const key = keys + i * (size + 2);
    const from = start + read(key);
    parts.push(
      `${JSON.stringify(bytes.toString('utf8', from, from + bytes.readUInt16LE(key + size)))}: ${value}`,
    );
  }
  return isObject ? `{${parts.join(', ')}}` : `[${parts.join(', ')}]`;
}

/** Seven bits a byte, the lowest first; the high bit says that there is another. */
function dataLength(bytes: Buffer, at: number): { readonly length: number; readonly next: number } {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes.readUInt8(at + i);
    length += (byte & 0x7f) * 2 ** (7 * i);
    if ((byte & 0x80) === 0) return { length, next: at + i + 1 };
  }
  return malformed();
}

const TIMESTAMP = 7;
const DATE = 10;
const TIME = 11;
const DATETIME = 12;
const NEWDECIMAL = 246;

/** A value of an SQL type inside JSON. */
function opaque(type: number, data: Buffer): string {
  switch (type) {
    case NEWDECIMAL:
      return decimalText(data.subarray(2), data[0] as number, data[1] as number);
    case DATE:
      return `"${packedDateTime(data).slice(0, 10)}"`;
    case DATETIME:
    case TIMESTAMP:
      return `"${packedDateTime(data)}"`;
    case TIME:
      return `"${packedTime(data)}"`;
    default:
      // The server breaks base64 into lines.
      return JSON.stringify(`base64:type${type}:${data.toString('base64').replace(/.{76}(?=.)/g, '$&\n')}`);
  }
}

const pad = (value: bigint | number, width: number) => String(value).padStart(width, '0');

function packedDateTime(data: Buffer): string {
  const packed = data.readBigInt64LE(0);
  const fraction = packed & 0xffffffn;
  const time = (packed >> 24n) & 0x1ffffn;
  const day = packed >> 41n;
  const month = day >> 5n;
  return (
    `${pad(month / 13n, 4)}-${pad(month % 13n, 2)}-${pad(day & 31n, 2)} ` +
    `${pad(time >> 12n, 2)}:${pad((time >> 6n) & 63n, 2)}:${pad(time & 63n, 2)}.${pad(fraction, 6)}`
  );
}

function packedTime(data: Buffer): string {
  const signed = data.readBigInt64LE(0);
  const packed = signed < 0n ? -signed : signed;
  const time = packed >> 24n;
  return (
    `${signed < 0n ? '-' : ''}${pad((time >> 12n) & 1023n, 2)}:${pad((time >> 6n) & 63n, 2)}:${pad(time & 63n, 2)}` +
    `.${pad(packed & 0xffffffn, 6)}`
  );
}

/** Bytes for 0 to 9 digits that do not fill a group of nine. */
const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;

/** The server's binary DECIMAL: groups of nine digits in four bytes, negative numbers inverted, the sign bit set for positive ones. */
export function decimalText(data: Buffer, precision: number, scale: number): string {
  const bytes = Buffer.from(data);
  const isNegative = ((bytes[0] as number) & 0x80) === 0;
  bytes[0] = (bytes[0] as number) ^ 0x80;
  if (isNegative) for (let i = 0; i < bytes.length; i++) bytes[i] = ~(bytes[i] as number) & 0xff;
  let at = 0;
  const digits = (count: number): string => {
    const width = count === 9 ? 4 : (DIGIT_BYTES[count] as number);
    if (width === 0) return '';
    const value = bytes.readUIntBE(at, width);
    at += width;
    return pad(value, count);
  };
  const whole = precision - scale;
  let integer = digits(whole % 9);
  for (let i = 0; i < Math.trunc(whole / 9); i++) integer += digits(9);
  let fraction = '';
  for (let i = 0; i < Math.trunc(scale / 9); i++) fraction += digits(9);
  fraction += digits(scale % 9);
  return `${isNegative ? '-' : ''}${integer.replace(/^0+(?=\d)/, '') || '0'}${scale > 0 ? `.${fraction}` : ''}`;
}

/** A double as the server prints it: the fewest digits that mean it, an exponent beyond fifteen places, and in JSON never like an integer. */
export function jsonDouble(value: number): string {
  const printed = doubleText(value);
  return /[.e]/.test(printed) ? printed : `${printed}.0`;
}

export function doubleText(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa, exponent] = Math.abs(value).toExponential().split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  const point = Number(exponent) + 1;
  const sign = value < 0 ? '-' : '';
  if (point < -14 || point > 15)
    return `${sign}${digits[0]}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${point - 1}`;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (digits.length <= point) return sign + digits.padEnd(point, '0');
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

function malformed(): never {
  throw new InternalError({ code: 'DBPS_E901', message: 'malformed binary JSON in the binary log' });
}
