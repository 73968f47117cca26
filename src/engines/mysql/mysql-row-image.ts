/**
 * Rows of the binary log as canonical text (mysql-values.ts), byte for byte what a query gives. Formats: the servers' sql/field.cc
 * (pack) and sql/log_event.cc; MariaDB's field_comp.cc for COMPRESSED columns.
 */
import { inflateRawSync, inflateSync } from 'node:zlib';
import type { ReadText } from './mysql-charset.js';
import { decimalText, jsonText } from './mysql-json.js';
import { TYPE, type Reader } from './mysql-log-event.js';
import { mysqlType, typeLabels, type MysqlType } from './mysql-values.js';

/** Reads one value that is not NULL; `skip` only goes past it. */
export interface ValueReader {
  read(from: Reader): string;
  skip(from: Reader): void;
}

const pad = (value: number | bigint, width: number): string => String(value).padStart(width, '0');

// ---------------------------------------------------------------- widths

const FIXED_WIDTH: Readonly<Record<number, number>> = {
  [TYPE.tiny]: 1,
  [TYPE.short]: 2,
  [TYPE.int24]: 3,
  [TYPE.long]: 4,
  [TYPE.longlong]: 8,
  [TYPE.float]: 4,
  [TYPE.double]: 8,
  [TYPE.year]: 1,
  [TYPE.date]: 3,
  [TYPE.time]: 3,
  [TYPE.timestamp]: 4,
  [TYPE.datetime]: 8,
};

const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;
const digitsWidth = (digits: number): number =>
  Math.trunc(digits / 9) * 4 + (DIGIT_BYTES[digits % 9] as number);
const decimalWidth = (metadata: number): number => {
  const scale = metadata >> 8;
  return digitsWidth((metadata & 0xff) - scale) + digitsWidth(scale);
};

/** Longest length in bytes of CHAR and BINARY: two bits of it are hidden in the type. */
const charLength = (metadata: number): number => (((metadata << 4) & 0x300) ^ 0x300) + (metadata >> 8);

/** The value's bytes, by what the log says of the column. null: a type that is not known. */
function byteReader(type: number, metadata: number): ((from: Reader) => Buffer) | null {
  const fixed = (width: number) => (from: Reader) => from.take(width);
  const counted = (width: number) => (from: Reader) => from.take(from.uint(width));
  const width = FIXED_WIDTH[type];
  if (width !== undefined) return fixed(width);
  switch (type) {
    case TYPE.decimal:
      return fixed(decimalWidth(metadata));
    case TYPE.bit:
      return fixed((metadata >> 8) + ((metadata & 0xff) > 0 ? 1 : 0));
    case TYPE.time2:
      return fixed(3 + Math.ceil(metadata / 2));
    case TYPE.datetime2:
      return fixed(5 + Math.ceil(metadata / 2));
    case TYPE.timestamp2:
      return fixed(4 + Math.ceil(metadata / 2));
    case TYPE.enum:
    case TYPE.set:
      return fixed(metadata >> 8);
    case TYPE.varchar:
    case TYPE.varcharCompressed:
      return counted(metadata > 255 ? 2 : 1);
    case TYPE.string:
    case TYPE.varString:
      return counted(charLength(metadata) > 255 ? 2 : 1);
    case TYPE.tinyBlob:
    case TYPE.mediumBlob:
    case TYPE.longBlob:
    case TYPE.blob:
    case TYPE.blobCompressed:
    case TYPE.geometry:
    case TYPE.json:
    case TYPE.vector:
      return counted(metadata);
    default:
      return null;
  }
}

// ---------------------------------------------------------------- values

const TYPES_OF: Readonly<Record<string, readonly number[]>> = {
  tinyint: [TYPE.tiny],
  smallint: [TYPE.short],
  mediumint: [TYPE.int24],
  int: [TYPE.long],
  integer: [TYPE.long],
  bigint: [TYPE.longlong],
  float: [TYPE.float],
  double: [TYPE.double],
  year: [TYPE.year],
  date: [TYPE.date],
  time: [TYPE.time2, TYPE.time],
  datetime: [TYPE.datetime2, TYPE.datetime],
  timestamp: [TYPE.timestamp2, TYPE.timestamp],
};
const TYPES_OF_KIND: Readonly<Partial<Record<MysqlType['kind'], readonly number[]>>> = {
  decimal: [TYPE.decimal],
  bit: [TYPE.bit],
  enum: [TYPE.enum],
  set: [TYPE.set],
  // MariaDB keeps the text itself.
  json: [TYPE.json, TYPE.blob, TYPE.longBlob],
  geometry: [TYPE.geometry],
  plain: [TYPE.string],
};
const BLOBS = [TYPE.blob, TYPE.blobCompressed, TYPE.tinyBlob, TYPE.mediumBlob, TYPE.longBlob];

/** Whether a column of this type can be what the log says: a type that has changed since must not be read as the old one. */
export function isTypeInLog(columnType: string, type: number, metadata: number): boolean {
  const { kind, word, length, scale } = mysqlType(columnType);
  const types = TYPES_OF[word] ?? TYPES_OF_KIND[kind];
  if (types !== undefined) {
    if (!types.includes(type)) return false;
    if (kind === 'decimal') return metadata >> 8 === (scale ?? 0);
    if (kind === 'bit') return (metadata >> 8) * 8 + (metadata & 0xff) === (length ?? 1);
    if (type === TYPE.time2 || type === TYPE.datetime2 || type === TYPE.timestamp2)
      return metadata === (length ?? 0);
    return true;
  }
  if (/^(?:char|binary)$/.test(word)) return type === TYPE.string;
  if (/^var/.test(word)) return type === TYPE.varchar || type === TYPE.varcharCompressed;
  return (BLOBS as readonly number[]).includes(type);
}

/** Types that are in the log and not read from it, with the way out. null: it is read. */
export function whyNotInLog(columnType: string): string | null {
  if (/^vector\b/i.test(columnType)) return 'VECTOR values are not read from the binary log';
  if (/mariadb-5\.3/.test(columnType))
    return 'it is stored as MariaDB 5.3 stored fractions of a second: ALTER TABLE … FORCE stores it anew';
  return null;
}

/** @param text how a column of characters is read. */
export function valueReader(
  columnType: string,
  type: number,
  metadata: number,
  text: ReadText | null,
): ValueReader {
  const bytes = byteReader(type, metadata);
  if (bytes === null) throw new Error(`type ${type} of the binary log is not known`);
  const parsed = mysqlType(columnType);
  const convert = converter(columnType, parsed, type, metadata, text);
  const isCompressed = type === TYPE.blobCompressed || type === TYPE.varcharCompressed;
  return {
    read: isCompressed ? (from) => convert(uncompressed(bytes(from))) : (from) => convert(bytes(from)),
    skip: (from) => void bytes(from),
  };
}

/** For a column that is not part of the move. null: a type that is not known, after which nothing of the row can be found. */
export function valueSkipper(type: number, metadata: number): ValueReader | null {
  const bytes = byteReader(type, metadata);
  if (bytes === null) return null;
  const read = (): string => {
    throw new Error('a column that is not part of the move was read');
  };
  return { read, skip: (from) => void bytes(from) };
}

function converter(
  columnType: string,
  { kind, word, length, isUnsigned }: MysqlType,
  type: number,
  metadata: number,
  text: ReadText | null,
): (bytes: Buffer) => string {
  switch (kind) {
    case 'integer':
      if (type === TYPE.longlong)
        return isUnsigned
          ? (bytes) => bytes.readBigUInt64LE(0).toString()
          : (bytes) => bytes.readBigInt64LE(0).toString();
      return isUnsigned
        ? (bytes) => String(bytes.readUIntLE(0, bytes.length))
        : (bytes) => String(bytes.readIntLE(0, bytes.length));
    case 'decimal':
      return (bytes) => decimalText(bytes, metadata & 0xff, metadata >> 8);
    case 'float':
      return (bytes) => String(bytes.readFloatLE(0));
    case 'double':
      return (bytes) => String(bytes.readDoubleLE(0));
    case 'bit':
      return (bytes) =>
        BigInt(`0x${bytes.toString('hex') || '0'}`)
          .toString(2)
          .padStart(length ?? 1, '0');
    case 'year':
      return ([byte = 0]) => (byte === 0 ? '0000' : String(1900 + byte));
    case 'binary': {
      if (word !== 'binary') return (bytes) => `\\x${bytes.toString('hex')}`;
      // Trailing zeros are not in the log.
      const digits = 2 + 2 * (length ?? 1);
      return (bytes) => `\\x${bytes.toString('hex')}`.padEnd(digits, '0');
    }
    case 'geometry':
      return (bytes) => `\\x${bytes.toString('hex')}`;
    case 'json':
      return type === TYPE.json ? jsonText : (bytes) => bytes.toString('utf8');
    case 'enum': {
      const labels = typeLabels(columnType);
      // Zero is the error value, which has no label.
      return (bytes) => {
        const place = bytes.readUIntLE(0, bytes.length);
        const label = place === 0 ? '' : labels[place - 1];
        if (label === undefined) throw new Error(`${columnType} has no label ${place}`);
        return label;
      };
    }
    case 'set': {
      const labels = typeLabels(columnType);
      return (bytes) => {
        const bits = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
        if (bits >> BigInt(labels.length) !== 0n) throw new Error(`${columnType} has fewer labels`);
        return labels.filter((_, i) => ((bits >> BigInt(i)) & 1n) === 1n).join(',');
      };
    }
    case 'temporal':
      return temporal(type, metadata);
    case 'plain':
      return plain(word);
    case 'text':
      if (text === null) throw new Error(`${columnType} without a character set`);
      return text;
  }
}

// ---------------------------------------------------------------- times

/** Fraction: two digits a byte, big-endian; an odd count has a zero behind it. */
const fractionText = (value: number, digits: number): string =>
  digits === 0 ? '' : `.${pad(value, 2 * Math.ceil(digits / 2))}`.slice(0, digits + 1);

function temporal(type: number, digits: number): (bytes: Buffer) => string {
  const fraction = (bytes: Buffer, at: number): string =>
    digits === 0 ? '' : fractionText(bytes.readUIntBE(at, Math.ceil(digits / 2)), digits);
  switch (type) {
    case TYPE.date:
      return (bytes) => {
        const value = bytes.readUIntLE(0, 3);
        return `${pad(value >> 9, 4)}-${pad((value >> 5) & 15, 2)}-${pad(value & 31, 2)}`;
      };
    case TYPE.datetime2:
      return (bytes) => {
        const value = bytes.readUIntBE(0, 5);
        const date = Math.floor(value / 0x20000) & 0x3fffff;
        const time = value % 0x20000;
        const months = date >> 5;
        return (
          `${pad(Math.trunc(months / 13), 4)}-${pad(months % 13, 2)}-${pad(date & 31, 2)} ` +
          `${clock(time >> 12, time)}${fraction(bytes, 5)}`
        );
      };
    case TYPE.timestamp2:
      return (bytes) => utc(bytes.readUInt32BE(0)) + fraction(bytes, 4);
    case TYPE.timestamp:
      return (bytes) => utc(bytes.readUInt32LE(0));
    case TYPE.time2: {
      const width = Math.ceil(digits / 2);
      // One signed number of 3 + width bytes, offset so that it sorts as it stands.
      const zero = 0x800000 * 256 ** width;
      return (bytes) => {
        const stored = bytes.readUIntBE(0, 3 + width) - zero;
        const value = Math.abs(stored);
        const time = Math.floor(value / 256 ** width);
        const rest = value % 256 ** width;
        return `${stored < 0 ? '-' : ''}${clock((time >> 12) & 1023, time)}${fractionText(rest, digits)}`;
      };
    }
    case TYPE.time:
      return (bytes) => {
        const stored = bytes.readIntLE(0, 3);
        return (stored < 0 ? '-' : '') + decimalClock(Math.abs(stored));
      };
    case TYPE.datetime:
      return (bytes) => {
        const value = Number(bytes.readBigUInt64LE(0));
        const date = Math.floor(value / 1_000_000);
        const day = `${pad(Math.trunc(date / 10_000), 4)}-${pad(Math.trunc(date / 100) % 100, 2)}-${pad(date % 100, 2)}`;
        return `${day} ${decimalClock(value % 1_000_000)}`;
      };
    default:
      throw new Error(`type ${type} is no time`);
  }
}

const clock = (hours: number, time: number): string =>
  `${pad(hours, 2)}:${pad((time >> 6) & 63, 2)}:${pad(time & 63, 2)}`;

const decimalClock = (time: number): string =>
  `${pad(Math.trunc(time / 10_000), 2)}:${pad(Math.trunc(time / 100) % 100, 2)}:${pad(time % 100, 2)}`;

/** Zero is the zero date, not the beginning of 1970. */
const utc = (seconds: number): string =>
  seconds === 0
    ? '0000-00-00 00:00:00'
    : new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');

// ---------------------------------------------------------------- MariaDB's own types

function plain(word: string): (bytes: Buffer) => string {
  const width = word === 'inet4' ? 4 : 16;
  const format = word === 'uuid' ? uuid : word === 'inet4' ? inet4 : inet6;
  return (bytes) => {
    // Trailing zeros are not in the log.
    const whole = Buffer.alloc(width);
    bytes.copy(whole);
    return format(whole);
  };
}

function uuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const inet4 = (bytes: Buffer): string => [...bytes].join('.');

/** As RFC 5952 asks and the server does: the first of the longest runs of zero groups is left out, IPv4 inside IPv6 stays dotted. */
function inet6(bytes: Buffer): string {
  if (bytes.subarray(0, 10).every((byte) => byte === 0)) {
    const last = inet4(bytes.subarray(12));
    if (bytes.readUInt16BE(10) === 0xffff) return `::ffff:${last}`;
    if (bytes.readUInt16BE(10) === 0 && bytes.readUInt32BE(12) > 0xffff) return `::${last}`;
  }
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i));
  let [start, length] = [0, 0];
  for (let at = 0; at < 8; at++) {
    let run = 0;
    while (groups[at + run] === 0) run++;
    if (run > length) [start, length] = [at, run];
  }
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** A COMPRESSED column: how, how long, the data; nothing at all for an empty value. */
function uncompressed(bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  const header = bytes[0] as number;
  if (header >> 4 === 0) return bytes.subarray(1);
  const data = bytes.subarray(1 + (header & 7));
  if (header >> 4 !== 8) throw new Error(`compression method ${header >> 4} of a column is not known`);
  return (header & 8) === 0 ? inflateSync(data) : inflateRawSync(data);
}
