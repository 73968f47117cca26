/** Canonical text of values (model/canonical-kinds.ts) as PostgreSQL makes it: what another engine's server makes of the same value. */
import { parse as parseArray } from 'postgres-array';
import type { CanonicalKind } from '../../model/canonical-kinds.js';
import type { CanonicalForm } from '../canonical-form.js';
import type { SideColumn } from '../relation-sides.js';
import { quoteIdentifier, quoteLiteral } from './postgres-sql.js';

const TEXT = /^(text|character varying|name)\b/;
const JSON_TYPE = /^jsonb?$/;

/** As the server would print it: a cast to text is not that for every type. */
const printed = (type: string, column: string): string =>
  TEXT.test(type) ? `${column}::text` : `CASE WHEN ${column} IS NOT NULL THEN concat(${column}) END`;

/** The eight bytes of the number. Adding turns -0 into 0. */
const bytesOf = (number: string): string => `encode(float8send(${number} + 0), 'hex')`;

/**
 * Text of a value that another engine's server gives too, as an expression. Kinds hashed here: text that canonicalText understands.
 * @param column quoted; a domain's is what the domain is made of.
 */
export function textSql(type: string, kind: CanonicalKind | undefined, column: string): string {
  switch (kind) {
    case undefined:
      return `${column}::text`;
    case 'integer':
    case 'bit':
    case 'list':
      return `${column}::text`;
    case 'time': {
      if (!type.startsWith('interval')) return `${column}::text`;
      const days = `extract(day FROM ${column})::integer`;
      return `(${column} - make_interval(days => ${days}) + make_interval(hours => 24 * ${days}))::text`;
    }
    case 'decimal': {
      const number = `${column}::numeric`;
      return `CASE WHEN scale(${number}) > 0 THEN rtrim(rtrim(${number}::text, '0'), '.') ELSE ${number}::text END`;
    }
    case 'float64':
      return bytesOf(`${column}::float8`);
    case 'float32':
      return bytesOf(`${column}::real::float8`);
    case 'boolean':
      return `${column}::integer::text`;
    case 'text':
      return printed(type, column);
    case 'padded text':
      return `rtrim(${column}::text, ' ')`;
    case 'bytes':
      return `encode(${column}, 'hex')`;
    case 'date':
      return `${column}::date::text`;
    case 'timestamp':
      // An instant is written in the session's time zone: UTC.
      return `${column}::timestamp::text`;
    case 'uuid':
      return `replace(${column}::text, '-', '')`;
    case 'set':
      return `array_to_string(${column}, ',')`;
    case 'json':
      return JSON_TYPE.test(type) ? `${column}::text` : `to_jsonb(${column})::text`;
  }
}

/** What goes into the row's digest: ends where it says. */
function fieldSql({ name, type, kind, isLong, isStrict }: SideColumn & CanonicalForm): string {
  const column = quoteIdentifier(name);
  const text = isStrict && kind === 'decimal' ? `${column}::text` : textSql(type, kind, column);
  switch (kind) {
    case 'text':
    case 'padded text':
    case 'set':
      return isLong ? `md5(convert_to(${text}, 'UTF8'))` : `char_length(${text}) || ':' || ${text}`;
    case 'bytes':
      return isLong ? `md5(${column})` : text;
    default:
      return text;
  }
}

/** A function takes no more than a hundred arguments. */
const AT_ONCE = 50;

/** MD5 of the row's fields, in hex. */
export function rowDigestSql(columns: readonly (SideColumn & CanonicalForm)[]): string {
  const fields = columns.map((column) => `coalesce(${fieldSql(column)}, '-')`);
  const groups: string[] = [];
  for (let from = 0; from < fields.length; from += AT_ONCE)
    groups.push(`concat_ws(',', ${fields.slice(from, from + AT_ONCE).join(', ')})`);
  return `md5(convert_to(${groups.join(" || ',' || ") || "''"}, 'UTF8'))`;
}

/** For rows to be shown: text that canonicalText turns into the canonical one. */
export function shownSql({ name, type, kind }: SideColumn & Pick<CanonicalForm, 'kind'>): string {
  const column = quoteIdentifier(name);
  const isSame =
    kind === 'set' || kind === 'json' || kind === 'text' || kind === 'timestamp' || kind === 'time';
  if (isSame) return textSql(type, kind, column);
  return kind === 'decimal' && type === 'money' ? `${column}::numeric::text` : `${column}::text`;
}

/** What the server sent for a value that is shown or hashed here, as text that canonicalText understands. */
export function received(kind: CanonicalKind, text: string | null): string | null {
  return text === null || kind !== 'list' ? text : JSON.stringify(parseArray(text));
}

/** A value of the column's type for a canonical text. */
export function valueSql(type: string, kind: CanonicalKind, text: string): string {
  if (kind === 'set') return `string_to_array(${quoteLiteral(text)}, ',')::${type}`;
  if (kind === 'list') return `${quoteLiteral(arrayOf(JSON.parse(text) as List))}::${type}`;
  // Read in whatever session somebody runs it in.
  const zone = kind === 'timestamp' && type.endsWith('with time zone') ? '+00' : '';
  return `${quoteLiteral(text + zone)}::${type}`;
}

type List = readonly (string | null | List)[];

function arrayOf(items: List): string {
  const element = (item: List[number]): string =>
    item === null
      ? 'NULL'
      : typeof item === 'object'
        ? arrayOf(item)
        : `"${item.replaceAll(/["\\]/g, '\\$&')}"`;
  return `{${items.map(element).join(',')}}`;
}
