/**
 * Events of the binary log, in their bytes: the header, the table a row event belongs to, statements. The log's library frames and
 * requests them; rows are read here, because its own values lose what the move must not: SRIDs, the order and numbers of JSON, labels with
 * commas, characters of older sets. Formats: the servers' libs/mysql/binlog/event, MariaDB's sql/log_event.h.
 */
import { inflateSync } from 'node:zlib';

export const EVENT = {
  query: 2,
  rotate: 4,
  format: 15,
  xid: 16,
  executeLoadQuery: 18,
  tableMap: 19,
  incident: 26,
  heartbeat: 27,
  gtid: 33,
  anonymousGtid: 34,
  xaPrepare: 38,
  partialUpdateRows: 39,
  transactionPayload: 40,
  heartbeat2: 41,
  taggedGtid: 42,
  mariadbGtid: 162,
  queryCompressed: 165,
} as const;

export interface LogEvent {
  readonly type: number;
  /** Seconds since 1970, as the server's clock was when the statement ran. */
  readonly timestamp: number;
  /** Low 32 bits of where the next event begins; 0 where the server does not say. */
  readonly next: number;
  readonly isArtificial: boolean;
  /** Without header and checksum. */
  readonly body: Buffer;
  /** With them. */
  readonly size: number;
}

const HEADER = 19;
const CHECKSUM = 4;
const ARTIFICIAL = 0x20;

/** @param bytes one event, from its header on. */
export function readLogEvent(bytes: Buffer, hasChecksum: boolean): LogEvent {
  return {
    timestamp: bytes.readUInt32LE(0),
    type: bytes[4] as number,
    next: bytes.readUInt32LE(13),
    isArtificial: (bytes.readUInt16LE(17) & ARTIFICIAL) !== 0,
    body: bytes.subarray(HEADER, hasChecksum ? bytes.length - CHECKSUM : bytes.length),
    size: bytes.length,
  };
}

/** Whether events after this format description end in a checksum: the byte before its own, which is always there. */
export function formatHasChecksum(bytes: Buffer): boolean {
  return bytes[bytes.length - CHECKSUM - 1] === 1;
}

export function readRotate(body: Buffer): { readonly file: string; readonly offset: number } {
  return { offset: Number(body.readBigUInt64LE(0)), file: body.toString('utf8', 8) };
}

// ---------------------------------------------------------------- statements

export interface LoggedStatement {
  /** The database that was the session's own. */
  readonly schema: string;
  readonly sql: string;
  /** Double quotes are around names, not strings. */
  readonly hasAnsiQuotes: boolean;
}

const SQL_MODE = 1;
const ANSI_QUOTES = 4n;

export const readQuery = (body: Buffer, isCompressed: boolean): LoggedStatement =>
  readStatement(body, 13, isCompressed);

/** LOAD DATA of a session that logs statements: a query with the file's number and places before its variables. */
export const readLoadQuery = (body: Buffer): LoggedStatement => readStatement(body, 13 + 13, false);

function readStatement(body: Buffer, from: number, isCompressed: boolean): LoggedStatement {
  const schemaLength = body[8] as number;
  const variables = body.subarray(from, from + body.readUInt16LE(11));
  const at = from + variables.length;
  const text = body.subarray(at + schemaLength + 1);
  return {
    schema: body.toString('utf8', at, at + schemaLength),
    sql: (isCompressed ? inflateEvent(text) : text).toString('utf8'),
    hasAnsiQuotes: (sqlMode(variables) & ANSI_QUOTES) !== 0n,
  };
}

/** Status variables come in the order of their numbers: flags of four bytes, then the mode. */
function sqlMode(variables: Buffer): bigint {
  let at = 0;
  if (variables[at] === 0) at += 5;
  return variables[at] === SQL_MODE && variables.length >= at + 9 ? variables.readBigUInt64LE(at + 1) : 0n;
}

/** MariaDB's log_bin_compress: a byte of flags and width, the length, zlib. */
export function inflateEvent(bytes: Buffer): Buffer {
  const width = (bytes[0] as number) & 7;
  return inflateSync(bytes.subarray(1 + width));
}

// ---------------------------------------------------------------- tables

export interface TableMap {
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** One type code a column, ENUM and SET told from CHAR. */
  readonly types: readonly number[];
  /** What the log says of each column: length, digits, width. Two bytes as a number, the first one low. */
  readonly metadata: readonly number[];
  /** With binlog_row_metadata = FULL. */
  readonly names?: readonly string[];
  /** Of numeric columns, where the log has it. */
  readonly unsigned?: readonly (boolean | undefined)[];
  /** Collation's number of character columns, where the log has it; 63 is binary. */
  readonly collations?: readonly (number | undefined)[];
}

export const TYPE = {
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  blobCompressed: 140,
  varcharCompressed: 141,
  vector: 242,
  json: 245,
  decimal: 246,
  enum: 247,
  set: 248,
  tinyBlob: 249,
  mediumBlob: 250,
  longBlob: 251,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const;

const METADATA_BYTES: Readonly<Record<number, number>> = {
  [TYPE.float]: 1,
  [TYPE.double]: 1,
  [TYPE.varchar]: 2,
  [TYPE.varcharCompressed]: 2,
  [TYPE.bit]: 2,
  [TYPE.timestamp2]: 1,
  [TYPE.datetime2]: 1,
  [TYPE.time2]: 1,
  [TYPE.blobCompressed]: 1,
  [TYPE.vector]: 1,
  [TYPE.json]: 1,
  [TYPE.decimal]: 2,
  [TYPE.enum]: 2,
  [TYPE.set]: 2,
  [TYPE.tinyBlob]: 1,
  [TYPE.mediumBlob]: 1,
  [TYPE.longBlob]: 1,
  [TYPE.blob]: 1,
  [TYPE.varString]: 2,
  [TYPE.string]: 2,
  [TYPE.geometry]: 1,
};

export class Reader {
  constructor(
    readonly bytes: Buffer,
    public at = 0,
  ) {}

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  uint(width: number): number {
    const value = this.bytes.readUIntLE(this.at, width);
    this.at += width;
    return value;
  }

  take(length: number): Buffer {
    const end = this.at + length;
    if (end > this.bytes.length) throw new RangeError('an event of the binary log is cut short');
    const bytes = this.bytes.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  /** The protocol's length-encoded integer. */
  length(): number {
    const first = this.uint(1);
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.uint(2);
    if (first === 0xfd) return this.uint(3);
    const value = this.bytes.readBigUInt64LE(this.at);
    this.at += 8;
    return Number(value);
  }

  name(): string {
    return this.take(this.length()).toString('utf8');
  }
}

/** Number, schema and name of a table: all that is needed of most of them. */
export function readTableName(body: Buffer): { id: number; schema: string; name: string } {
  const reader = new Reader(body);
  const id = reader.uint(6);
  reader.at += 2;
  const schema = reader.take(reader.uint(1)).toString('utf8');
  reader.at += 1;
  return { id, schema, name: reader.take(reader.uint(1)).toString('utf8') };
}

export function readTableMap(body: Buffer): TableMap {
  const { id, schema, name } = readTableName(body);
  const reader = new Reader(body, 8 + 1);
  reader.at += body[8] as number;
  reader.at += 2 + (body[reader.at + 1] as number);
  reader.at += 1;
  const types = [...reader.take(reader.length())];
  const ends = reader.length() + reader.at;
  const metadata = types.map((type, i) => {
    const width = METADATA_BYTES[type] ?? 0;
    const value = width === 0 ? 0 : reader.uint(width);
    const real = value & 0xff;
    if (type === TYPE.string && (real === TYPE.enum || real === TYPE.set)) types[i] = real;
    return value;
  });
  reader.at = ends + Math.ceil(types.length / 8);
  return { id, schema, name, types, metadata, ...readOptional(reader, types) };
}

const SIGNEDNESS = 1;
const DEFAULT_CHARSET = 2;
const COLUMN_CHARSET = 3;
const COLUMN_NAME = 4;

const NUMERIC: ReadonlySet<number> = new Set([
  TYPE.tiny,
  TYPE.short,
  TYPE.int24,
  TYPE.long,
  TYPE.longlong,
  TYPE.decimal,
  TYPE.float,
  TYPE.double,
  TYPE.year,
  0,
]);
const CHARACTER: ReadonlySet<number> = new Set([
  TYPE.varchar,
  TYPE.varString,
  TYPE.string,
  TYPE.blob,
  TYPE.tinyBlob,
  TYPE.mediumBlob,
  TYPE.longBlob,
  TYPE.blobCompressed,
  TYPE.varcharCompressed,
]);

function readOptional(
  reader: Reader,
  types: readonly number[],
): Pick<TableMap, 'names' | 'unsigned' | 'collations'> {
  const places = (wanted: ReadonlySet<number>) => types.flatMap((type, i) => (wanted.has(type) ? [i] : []));
  const found: { names?: string[]; unsigned?: boolean[]; collations?: number[] } = {};
  while (!reader.isAtEnd) {
    const kind = reader.uint(1);
    const field = new Reader(reader.take(reader.length()));
    if (kind === SIGNEDNESS) {
      const unsigned: boolean[] = [];
      places(NUMERIC).forEach((place, i) => {
        unsigned[place] = ((field.bytes[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0;
      });
      found.unsigned = unsigned;
    } else if (kind === COLUMN_NAME) {
      found.names = [];
      while (!field.isAtEnd) found.names.push(field.name());
    } else if (kind === DEFAULT_CHARSET || kind === COLUMN_CHARSET) {
      const collations: number[] = [];
      const characters = places(CHARACTER);
      if (kind === COLUMN_CHARSET) for (const place of characters) collations[place] = field.length();
      else {
        const usual = field.length();
        for (const place of characters) collations[place] = usual;
        while (!field.isAtEnd) {
          const place = characters[field.length()];
          const collation = field.length();
          if (place !== undefined) collations[place] = collation;
        }
      }
      found.collations = collations;
    }
  }
  return found;
}

// ---------------------------------------------------------------- rows

export type RowsKind = 'insert' | 'update' | 'delete';

const ROWS: Readonly<Record<number, readonly [kind: RowsKind, version: 1 | 2, isCompressed: boolean]>> = {
  23: ['insert', 1, false],
  24: ['update', 1, false],
  25: ['delete', 1, false],
  30: ['insert', 2, false],
  31: ['update', 2, false],
  32: ['delete', 2, false],
  166: ['insert', 1, true],
  167: ['update', 1, true],
  168: ['delete', 1, true],
  169: ['insert', 2, true],
  170: ['update', 2, true],
  171: ['delete', 2, true],
};

export function rowsKind(type: number): RowsKind | null {
  return ROWS[type]?.[0] ?? null;
}

/** Which columns are in the images of a row event, and where the images begin. */
export interface RowsEvent {
  readonly kind: RowsKind;
  readonly tableId: number;
  /** One bit a column: of the only image, or the one before an update. */
  readonly present: Buffer;
  /** Of the image after an update. */
  readonly presentAfter: Buffer;
  readonly images: Reader;
}

export function rowsTableId(body: Buffer): number {
  return body.readUIntLE(0, 6);
}

export function readRows(type: number, body: Buffer): RowsEvent {
  const [kind, version, isCompressed] = ROWS[type] as (typeof ROWS)[number];
  const reader = new Reader(body);
  const tableId = reader.uint(6);
  reader.at += 2;
  // The length counts itself.
  if (version === 2) {
    const extra = reader.uint(2);
    reader.at += extra - 2;
  }
  const width = Math.ceil(reader.length() / 8);
  const present = reader.take(width);
  const presentAfter = kind === 'update' ? reader.take(width) : present;
  const images = isCompressed ? new Reader(inflateEvent(body.subarray(reader.at))) : reader;
  return { kind, tableId, present, presentAfter, images };
}
