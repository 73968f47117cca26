/**
 * The canonical text of a value: the same, byte for byte, whether it was read by a query or from the binary log, on MariaDB or MySQL.
 * Types are column types as the introspector gives them (`bigint unsigned`, `enum('a','b')`, `datetime(6)`).
 *
 * | column | canonical text |
 * |---|---|
 * | integers, DECIMAL | as the server prints them, without ZEROFILL's zeros |
 * | FLOAT, DOUBLE | JavaScript's String(number) of the exact value (of FLOAT: the 32-bit one) |
 * | CHAR, VARCHAR, TEXT | Unicode text |
 * | BINARY, VARBINARY, BLOB, VECTOR, GEOMETRY | `\x` and lower-case hex; BINARY(n) padded to n; geometry: SRID and WKB as stored |
 * | BIT(n) | n digits 0 and 1 |
 * | DATE, DATETIME, TIMESTAMP (UTC), TIME | `2026-01-02 03:04:05.678`, exactly the column's digits; zero dates as they are |
 * | YEAR | four digits |
 * | ENUM, SET | label (`''`: the error value), labels in order of definition joined by `,` |
 * | JSON | as the server prints it (MariaDB: the text as stored) |
 * | UUID, INET4, INET6 | as the server prints them |
 *
 * Rows of the binary log are read to the same text: mysql-row-image.ts.
 */
import { InternalError } from '../../model/errors.js';

export type MysqlValueKind =
  | 'integer'
  | 'decimal'
  | 'float'
  | 'double'
  | 'bit'
  | 'year'
  | 'text'
  | 'binary'
  | 'geometry'
  | 'temporal'
  | 'enum'
  | 'set'
  | 'json'
  | 'plain';

export interface MysqlType {
  readonly kind: MysqlValueKind;
  /** First word of the type, in lower case. */
  readonly word: string;
  /** Number in brackets: length, bits, digits; for DECIMAL the precision. Undefined where there is none. */
  readonly length: number | undefined;
  readonly scale: number | undefined;
  readonly isUnsigned: boolean;
  readonly isZerofill: boolean;
}

const KINDS: Readonly<Record<string, MysqlValueKind>> = {
  tinyint: 'integer',
  smallint: 'integer',
  mediumint: 'integer',
  int: 'integer',
  integer: 'integer',
  bigint: 'integer',
  decimal: 'decimal',
  numeric: 'decimal',
  float: 'float',
  double: 'double',
  bit: 'bit',
  year: 'year',
  char: 'text',
  varchar: 'text',
  tinytext: 'text',
  text: 'text',
  mediumtext: 'text',
  longtext: 'text',
  binary: 'binary',
  varbinary: 'binary',
  tinyblob: 'binary',
  blob: 'binary',
  mediumblob: 'binary',
  longblob: 'binary',
  vector: 'binary',
  geometry: 'geometry',
  point: 'geometry',
  linestring: 'geometry',
  polygon: 'geometry',
  multipoint: 'geometry',
  multilinestring: 'geometry',
  multipolygon: 'geometry',
  geometrycollection: 'geometry',
  geomcollection: 'geometry',
  date: 'temporal',
  datetime: 'temporal',
  timestamp: 'temporal',
  time: 'temporal',
  enum: 'enum',
  set: 'set',
  json: 'json',
  uuid: 'plain',
  inet4: 'plain',
  inet6: 'plain',
};

const parsed = new Map<string, MysqlType>();

/** @throws InternalError for a type that no MySQL or MariaDB column has. */
export function mysqlType(type: string): MysqlType {
  const known = parsed.get(type);
  if (known !== undefined) return known;
  const match = /^([a-z0-9]+)\s*(?:\((\d+)(?:\s*,\s*(\d+))?\))?/i.exec(type);
  const word = match?.[1]?.toLowerCase() ?? '';
  const kind = KINDS[word];
  if (kind === undefined)
    throw new InternalError({ code: 'DBPS_E901', message: `no canonical text is known for type ${type}` });
  const isLabels = kind === 'enum' || kind === 'set';
  const found: MysqlType = {
    kind,
    word,
    length: match?.[2] === undefined ? undefined : Number(match[2]),
    scale: match?.[3] === undefined ? undefined : Number(match[3]),
    isUnsigned: !isLabels && /\bunsigned\b/i.test(type),
    isZerofill: !isLabels && /\bzerofill\b/i.test(type),
  };
  parsed.set(type, found);
  return found;
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', '0': '\0' };

/** Labels of an ENUM or SET, in order of definition. The catalogue writes quotes twice and a few characters behind a backslash. */
export function typeLabels(type: string): readonly string[] {
  const list = type.slice(type.indexOf('(') + 1, type.lastIndexOf(')'));
  return [...list.matchAll(/'((?:[^'\\]|''|\\.)*)'/gs)].map((match) =>
    (match[1] as string).replace(/''|\\(.)/gs, (_pair, escaped?: string) =>
      escaped === undefined ? "'" : (ESCAPED[escaped] ?? escaped),
    ),
  );
}

// ---------------------------------------------------------------- reading

/**
 * An expression whose text, as the server sends it to a session of dbps, is the canonical text after `fromServer`.
 * @param column quoted, qualified where it must be.
 */
export function readSql(type: string, column: string): string {
  const { kind, length, scale, isZerofill } = mysqlType(type);
  switch (kind) {
    case 'integer':
      return isZerofill ? `CAST(${column} AS UNSIGNED)` : column;
    case 'decimal':
      return isZerofill ? `CAST(${column} AS DECIMAL(${length ?? 10}, ${scale ?? 0}))` : column;
    case 'float':
    case 'double':
      // FLOAT by itself prints six digits. Adding makes it a double, which prints every digit that matters.
      return `(${column} + 0e0)`;
    case 'bit':
      return `LPAD(BIN(${column} + 0), ${length ?? 1}, '0')`;
    case 'binary':
    case 'geometry':
      return `CONCAT(_utf8mb4 x'5c78', LOWER(HEX(${column})))`;
    default:
      return column;
  }
}

/** An expression whose bytes, as the server sends them, LOAD DATA puts into a column of the same kind (mysql-load-file.ts). */
export function loadSql(type: string, column: string): string {
  const { kind } = mysqlType(type);
  return kind === 'float' || kind === 'double' ? `(${column} + 0e0)` : column;
}

/** What is left to do to the server's text; null: nothing. */
export function fromServer(type: string): ((text: string) => string) | null {
  const { kind } = mysqlType(type);
  return kind === 'float' || kind === 'double' ? (text) => numberText(Number(text)) : null;
}

/** -0 equals 0 in SQL and in every comparison: one text for both. */
const numberText = (value: number): string => String(value);

/**
 * Canonical text of the bytes that `loadSql` brings, from `at` to `end`. Not every value may take the way by `readSql`: what an expression makes
 * of a long one (twice as many hexadecimal digits) is NULL to the server beyond max_allowed_packet.
 */
export function fromBytes(type: string): (bytes: Buffer, at: number, end: number) => string {
  const { kind, length, isZerofill } = mysqlType(type);
  switch (kind) {
    case 'float':
    case 'double':
      return (bytes, at, end) => numberText(Number(bytes.toString('latin1', at, end)));
    case 'integer':
      return isZerofill
        ? (bytes, at, end) => bytes.toString('latin1', at, end).replace(/^0+(?=\d)/, '')
        : (bytes, at, end) => bytes.toString('latin1', at, end);
    case 'decimal':
      return (bytes, at, end) => bytes.toString('latin1', at, end).replace(/^0+(?=\d)/, '');
    case 'bit':
      return (bytes, at, end) =>
        BigInt(`0x${bytes.toString('hex', at, end)}`)
          .toString(2)
          .padStart(length ?? 1, '0');
    case 'binary':
    case 'geometry':
      return (bytes, at, end) => `\\x${bytes.toString('hex', at, end)}`;
    default:
      return (bytes, at, end) => bytes.toString('utf8', at, end);
  }
}

/** The bytes of a canonical text as LOAD DATA puts them into a column; text itself where that is the same. */
export function toBytes(type: string): ((text: string) => Buffer) | null {
  switch (mysqlType(type).kind) {
    case 'bit':
      return (text) => {
        const digits = BigInt(`0b${text}`).toString(16);
        return Buffer.from(digits.padStart(2 * Math.ceil(text.length / 8), '0'), 'hex');
      };
    case 'binary':
    case 'geometry':
      return (text) => Buffer.from(text.slice(2), 'hex');
    default:
      return null;
  }
}

// ---------------------------------------------------------------- writing

/**
 * Makes literals that mean the value of a canonical text, as an operand and as a value of a column of that type. Comparable literals keep
 * the index in use: they are coercible, and never of another type than the column.
 */
export function literalOf(type: string): (value: string) => string {
  const { kind } = mysqlType(type);
  switch (kind) {
    case 'integer':
    case 'decimal':
      return (value) => shaped(type, value, /^-?\d+(?:\.\d+)?$/);
    case 'float':
    case 'double':
      // Without an exponent it would be a DECIMAL.
      return (value) => shaped(type, value, /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/).replace(/^[^e]*$/, '$&e0');
    case 'bit':
      return (value) => BigInt(`0b${shaped(type, value, /^[01]+$/)}`).toString();
    case 'binary':
    case 'geometry':
      return (value) => `x'${shaped(type, value, /^\\x(?:[0-9a-f]{2})*$/).slice(2)}'`;
    case 'enum': {
      const isLabel = typeLabels(type).includes('');
      // The error value has a number and no label. Only sessions that are not strict may write it.
      return (value) => (value === '' && !isLabel ? '0' : textLiteral(value));
    }
    default:
      return textLiteral;
  }
}

export function literal(type: string, value: string): string {
  return literalOf(type)(value);
}

function shaped(type: string, value: string, shape: RegExp): string {
  if (!shape.test(value))
    throw new InternalError({
      code: 'DBPS_E901',
      message: `a value of type ${type} is not in canonical text (${value.length} characters)`,
    });
  return value;
}

/** Right whether or not NO_BACKSLASH_ESCAPES is set. An introducer, not CONVERT: the result of a function would not give way to the column's collation. */
function textLiteral(text: string): string {
  return /[\\\0]/.test(text)
    ? `_utf8mb4 x'${Buffer.from(text, 'utf8').toString('hex')}'`
    : `'${text.replaceAll("'", "''")}'`;
}
