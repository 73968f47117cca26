/** Canonical text of values (model/canonical-kinds.ts) as MySQL and MariaDB make it: what another engine's server makes of the same value. */
import type { CanonicalKind } from '../../model/canonical-kinds.js';
import type { CanonicalForm } from '../canonical-form.js';
import type { SideColumn } from '../relation-sides.js';
import { quoteIdentifier } from './mysql-sql.js';
import { literal, mysqlType, readSql } from './mysql-values.js';

const utf8 = (value: string): string => `CONVERT(${value} USING utf8mb4)`;

/** The eight bytes of the number, the first one first. Adding turns -0 into 0. */
const bytesOf = (number: string): string =>
  `LOWER(HEX(REVERSE(SUBSTR(ST_AsBinary(POINT(${number} + 0e0, 0)), 6, 8))))`;

function withoutZeros(type: string, text: string): string {
  const { length, scale, kind } = mysqlType(type);
  const digits = kind === 'decimal' ? (scale ?? 0) : kind === 'temporal' ? (length ?? 0) : 0;
  return digits === 0 ? text : `TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM ${text}))`;
}

/**
 * Text of a value that another engine's server gives too, as an expression. Kinds hashed here: text that canonicalText understands.
 * @param column quoted.
 */
export function textSql(type: string, kind: CanonicalKind, column: string): string {
  const of = mysqlType(type);
  switch (kind) {
    case 'integer':
    case 'boolean':
      return of.kind === 'bit' || of.kind === 'year' ? `(${column} + 0)` : readSql(type, column);
    case 'decimal':
      return of.kind === 'year' ? `(${column} + 0)` : withoutZeros(type, readSql(type, column));
    case 'float64':
      return bytesOf(column);
    case 'float32':
      return bytesOf(of.kind === 'float' ? column : `CAST(${column} AS FLOAT)`);
    case 'text':
    case 'set':
    case 'json':
    case 'list':
      return utf8(column);
    case 'padded text':
      return `TRIM(TRAILING ' ' FROM ${utf8(column)})`;
    case 'bytes':
      return `LOWER(HEX(${column}))`;
    case 'date':
      return `CONCAT(${column})`;
    case 'timestamp':
      return of.word === 'date' ? `CONCAT(${column}, ' 00:00:00')` : withoutZeros(type, `CONCAT(${column})`);
    case 'time':
      return withoutZeros(type, `CONCAT(${column})`);
    case 'uuid':
      return of.kind === 'binary' ? `LOWER(HEX(${column}))` : `LOWER(REPLACE(${utf8(column)}, '-', ''))`;
    case 'bit':
      return readSql(type, column);
  }
}

/** What goes into the row's digest: ends where it says. */
function fieldSql({ name, type, kind, isLong, isStrict }: SideColumn & CanonicalForm): string {
  const column = quoteIdentifier(name);
  const text = isStrict && kind === 'decimal' ? readSql(type, column) : textSql(type, kind, column);
  switch (kind) {
    case 'text':
    case 'padded text':
    case 'set':
      return isLong ? `MD5(${text})` : `CONCAT(CHAR_LENGTH(${text}), ':', ${text})`;
    case 'bytes':
      return isLong ? `MD5(${column})` : text;
    default:
      return text;
  }
}

/** MD5 of the row's fields, in hex. */
export function rowDigestSql(columns: readonly (SideColumn & CanonicalForm)[]): string {
  const fields = columns.map((column) => `COALESCE(${fieldSql(column)}, '-')`);
  return `MD5(CONCAT_WS(',', ${fields.join(', ') || "''"}))`;
}

/** 64 bits of a row's digest: as a signed number to be added, as an unsigned one to be xor-ed. */
export function digestNumberSql(digest: string, isSigned: boolean): string {
  const base = isSigned ? '-10' : '10';
  return `CAST(CONV(LEFT(${digest}, 16), 16, ${base}) AS ${isSigned ? 'SIGNED' : 'UNSIGNED'})`;
}

/** This engine's own canonical text of a canonical one across engines. */
export function ownText(type: string, kind: CanonicalKind, text: string): string {
  const { kind: own, length, word } = mysqlType(type);
  if (kind === 'uuid' && own === 'binary') return `\\x${text.replaceAll('-', '')}`;
  if (own === 'bit' && kind !== 'bit')
    return BigInt(text)
      .toString(2)
      .padStart(length ?? 1, '0');
  if (word === 'year') return text.padStart(4, '0');
  return text;
}

export function canonicalLiteral(type: string, kind: CanonicalKind | undefined, text: string): string {
  return literal(type, kind === undefined ? text : ownText(type, kind, text));
}
