/**
 * A row as bytes that no other row has, and a number of them. What is usual here is CRC32 over CONCAT_WS and exclusive or over the rows. That
 * does not see two rows whose values of one length were swapped (CRC32 is linear), a second CRC32 under a salt adds nothing to the first (it
 * can be worked out from it), 'a' joined with 'b,c' is 'a,b' joined with 'c', FLOAT is cut to six digits, and a row beyond
 * max_allowed_packet is NULL: it is not seen at all. Each was tried; test/contract/mysql-checksum.test.ts keeps the list.
 *
 * So a row is a hash over fields that end where they say: text is UTF-8, in which the bytes FE (here: NULL) and FF (the end of a field) do not
 * occur; bytes carry their length; DOUBLE and FLOAT are the eight bytes of the number, which is also three times as fast as its decimal
 * text. Long values go in as their own SHA-1. Ranges are compared by two CRC32 of rows, finished so that they are not linear any more; single
 * rows by SHA-1.
 */
import type { ComparedColumn } from '../canonical-columns.js';
import { quoteIdentifier } from './mysql-sql.js';
import { mysqlType, readSql, typeLabels } from './mysql-values.js';

export interface DescribedType {
  /** As introspection gives it. */
  readonly type: string;
  readonly characterSet: string | null;
  /** Most bytes of a value, for text and binary. */
  readonly octets: number | null;
  readonly isNullable: boolean;
}

/** A column that is never NULL need not be asked: asking costs a third of the whole. */
const NOT_NULL = ' not null';

/** Longest text or binary value that goes into the row itself. */
const INLINE = 65_535;
/** Character sets whose bytes are UTF-8 as they are. */
const UTF8 = new Set(['utf8mb4', 'utf8mb3', 'utf8', 'ascii']);

const asBytes = (text: string) => `CAST(${text} AS BINARY)`;
const asUtf8 = (value: string) => `CONVERT(${value} USING utf8mb4)`;

/** Words of ChecksumMethod.columns[].as. `text` is what columns of different types are compared as, by the type on each side. */
export function hashedAs(described: DescribedType): string {
  return `${wordOf(described)}${described.isNullable ? '' : NOT_NULL}`;
}

function wordOf({ type, characterSet, octets }: Omit<DescribedType, 'isNullable'>): string {
  const { kind, word } = mysqlType(type);
  switch (kind) {
    case 'text':
      if ((octets ?? Infinity) > INLINE) return 'long text';
      return characterSet !== null && UTF8.has(characterSet) ? 'utf8' : 'text in another character set';
    case 'binary':
      return (octets ?? Infinity) > INLINE ? 'long bytes' : 'bytes';
    case 'float':
    case 'double':
      return 'double';
    case 'enum':
    case 'set':
      return `${kind} ${typeLabels(type).join('\u001f')}`;
    case 'temporal':
      return `${word}(${mysqlType(type).length ?? 0})`;
    case 'json':
      return 'long text';
    case 'plain':
      return word;
    default:
      return kind;
  }
}

export function hashingNote(as: string): string | undefined {
  return as === 'double' || as === `double${NOT_NULL}` ? '-0 counts as 0' : undefined;
}

function fieldSql({ as, name, type }: ComparedColumn): string {
  const column = quoteIdentifier(name);
  switch (as) {
    case 'utf8':
      return asBytes(column);
    case 'text in another character set':
      return asBytes(asUtf8(column));
    case 'long text':
      return `SHA1(${asUtf8(column)})`;
    case 'bytes':
      return `CONCAT(LENGTH(${column}), _binary x'ff', ${column})`;
    case 'long bytes':
    case 'geometry':
      return `SHA1(${column})`;
    case 'double':
      // Bytes of a number: those of a point. Adding turns -0 into 0.
      return `ST_AsBinary(POINT(${column} + 0e0, 0))`;
    case 'bit':
      return `(${column} + 0)`;
    case 'text':
      return `SHA1(${neutral(type, column)})`;
    default:
      // By number: the labels are the same on both sides.
      if (/^(enum|set) /.test(as)) return `(${column} + 0)`;
      return readSql(type, column);
  }
}

/** Bytes that do not depend on precision, character set or length. */
function neutral(type: string, column: string): string {
  const { kind, length } = mysqlType(type);
  switch (kind) {
    case 'temporal':
      return (length ?? 0) === 0
        ? asUtf8(column)
        : `TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM ${asUtf8(column)}))`;
    case 'binary':
    case 'geometry':
      return column;
    default:
      return asUtf8(readSql(type, column));
  }
}

const NULL_MARK = "_binary x'fe'";

/** The row's fields as one binary string. */
export function rowBytesSql(columns: readonly ComparedColumn[]): string {
  const fields = columns.map((column) => {
    if (!column.as.endsWith(NOT_NULL)) return `COALESCE(${fieldSql(column)}, ${NULL_MARK})`;
    return fieldSql({ ...column, as: column.as.slice(0, -NOT_NULL.length) });
  });
  return `CONCAT_WS(_binary x'ff', ${fields.join(', ')})`;
}

/**
 * All rows, in no order, as two columns of a select list: numbers of 32 bits of content each, xor-ed over rows. CRC32 alone is linear, so that two values swapped between
 * two rows would cancel out; the square root is not, costs a tenth of a digest, is the same to the last bit on every machine (IEEE 754), and no two
 * roots are alike: of numbers from 2^32 up to 2^33 all its 53 bits stand in an integer that a BIGINT holds. A row has two of them, since one in
 * 2^32 rows has another's: the second of its bytes from the last to the first, which is another polynomial for the same bytes. The variable
 * saves putting them together twice. Columns are worked out from left to right (within CONCAT of both MariaDB goes the other way); should a server do
 * otherwise, equal rows would be called different, never the other way round.
 */
export function rowsNumberSql(bytes: string): string {
  const number = (of: string) => `BIT_XOR(SQRT(CRC32(${of}) + 4294967296) * 70368744177664)`;
  return `${number(`@dbps_row := ${bytes}`)}, ${number('REVERSE(@dbps_row)')}`;
}

/** A bound for the row's bytes: beyond max_allowed_packet the server would answer NULL for them. */
export function mostBytes(
  columns: readonly { readonly as: string; readonly octets: number | null }[],
): number {
  // A byte in another character set is up to four in UTF-8. Anything else is a number, a date or a digest.
  const ofText = (octets: number) => 4 * Math.min(octets, INLINE);
  return columns.reduce(
    (sum, { as, octets }) => sum + 300 + (/^(long|text( not null)?$)/.test(as) ? 0 : ofText(octets ?? 0)),
    0,
  );
}
