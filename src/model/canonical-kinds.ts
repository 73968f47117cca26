/**
 * What a value is, whatever engine holds it. A column of one engine and its counterpart in another are compared as the first kind that both
 * can be written as; each kind has one text, which both engines make from the same value, byte for byte:
 *
 * | kind | text | counts as equal |
 * |---|---|---|
 * | integer | `-12` | |
 * | decimal | `1.5`, without trailing zeros; `NaN`, `Infinity` as they are | 1.0 and 1.00, unless strict |
 * | float64, float32 | JavaScript's String(number); hashed as its eight bytes | -0 and 0; float32: what single precision does not tell apart |
 * | boolean | `1`, `0` | |
 * | text | Unicode text; other types of PostgreSQL as it prints them | |
 * | padded text | without the blanks at its end: CHAR(n) | `a` and `a ` |
 * | bytes | `\x00ff` | |
 * | date | `2026-01-02`, `0000-00-00` | |
 * | timestamp | `2026-01-02 03:04:05.06` in UTC, no zeros at the end of the fraction | |
 * | time | `-12:00:00.5`, the same; an interval's days are 24 hours | |
 * | uuid | `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11` | upper and lower case |
 * | bit | digits 0 and 1 | |
 * | set | labels joined by `,` | |
 * | json | see canonical-json.ts | member order, spaces, 1.0 and 1.00 |
 * | list | JSON array of strings, nested as the array is | 1 and "1" |
 *
 * What has no kind in common is not compared, and that is always said.
 */
import { canonicalJson, canonicalList } from './canonical-json.js';
import type { EngineName } from './database-schema.js';

export type CanonicalKind =
  | 'integer'
  | 'decimal'
  | 'float64'
  | 'float32'
  | 'boolean'
  | 'text'
  | 'padded text'
  | 'bytes'
  | 'date'
  | 'timestamp'
  | 'time'
  | 'uuid'
  | 'bit'
  | 'set'
  | 'json'
  | 'list';

export interface TypedValue {
  readonly engine: EngineName;
  /** The column's type as introspection gives it. */
  readonly type: string;
}

export type ComparedAs =
  | {
      readonly kind: CanonicalKind;
      /** Values may be long: they are hashed by their digest. */
      readonly isLong: boolean;
      readonly note?: string;
    }
  | { readonly kind: null; readonly reason: string };

const INTEGER: readonly CanonicalKind[] = ['integer', 'decimal', 'boolean'];
const TEXT: readonly CanonicalKind[] = ['text', 'padded text', 'uuid'];

/** Kinds that a type can be written as, best first; null: a type of the user's own, which is what its counterpart is. */
const POSTGRES: readonly (readonly [RegExp, readonly CanonicalKind[]])[] = [
  [/\[\]$/, ['list', 'set', 'text']],
  [/^(smallint|integer|bigint|oid)$/, ['integer', 'decimal']],
  [/^numeric\b/, ['decimal']],
  [/^money$/, ['decimal', 'text']],
  [/^real$/, ['float32']],
  [/^double precision$/, ['float64', 'float32']],
  [/^boolean$/, ['boolean']],
  [/^(text|character varying(\(\d+\))?|name|xml|"char")$/, ['text']],
  [/^character(\(\d+\))?$/, ['padded text']],
  [/^bytea$/, ['bytes']],
  [/^date$/, ['date', 'timestamp']],
  [/^timestamp\b/, ['timestamp']],
  [/^time(\(\d+\))? without time zone$/, ['time']],
  [/^interval\b/, ['time', 'text']],
  [/^uuid$/, ['uuid']],
  [/^jsonb?$/, ['json']],
  [/^bit( varying)?(\(\d+\))?$/, ['bit', 'text']],
  [
    /^(time(\(\d+\))? with time zone|inet|cidr|macaddr8?|point|line|lseg|box|path|polygon|circle|tsvector|tsquery|jsonpath|pg_lsn|\w+range|reg\w+)$/,
    ['text'],
  ],
];

const MYSQL: readonly (readonly [RegExp, readonly CanonicalKind[]])[] = [
  [/^tinyint\(1\)/, ['boolean', 'integer', 'decimal']],
  [/^(tinyint|smallint|mediumint|int|bigint)\b/, INTEGER],
  [/^year\b/, ['integer', 'decimal']],
  [/^decimal\b/, ['decimal']],
  [/^float\b/, ['float32']],
  [/^double\b/, ['float64', 'float32']],
  [/^bit\b/, ['bit', 'boolean', 'integer']],
  // MariaDB's JSON is a longtext.
  [/^longtext\b/, [...TEXT, 'json', 'list']],
  [/^((var)?char|tinytext|text|mediumtext)\b/, TEXT],
  [/^json\b/, ['json', 'list', 'text']],
  [/^(var)?binary\(16\)/, ['bytes', 'uuid']],
  [/^((var)?binary|tinyblob|blob|mediumblob|longblob|vector)\b/, ['bytes']],
  [/^(geometry|point|linestring|polygon|multi\w+|geom\w+collection|geometrycollection)\b/, ['bytes']],
  [/^date\b/, ['date', 'timestamp']],
  [/^(datetime|timestamp)\b/, ['timestamp']],
  [/^time\b/, ['time', 'text']],
  [/^enum\b/, ['text']],
  [/^set\b/, ['set', 'text']],
  [/^uuid\b/, ['uuid']],
  [/^inet[46]\b/, ['text']],
];

const TABLES = { postgres: POSTGRES, mysql: MYSQL } as const;

function kindsOf({ engine, type }: TypedValue): readonly CanonicalKind[] | null {
  return TABLES[engine].find(([pattern]) => pattern.test(type))?.[1] ?? null;
}

const NOTES: Partial<Record<CanonicalKind, string>> = {
  decimal: '1.0 counts as 1.00',
  float64: '-0 counts as 0',
  float32: 'compared in single precision',
  'padded text': 'blanks at the end do not count',
  json: 'compared by content; numbers in double precision',
  list: 'compared element by element, as text',
};
const STRICT = new Set<CanonicalKind>(['decimal', 'json']);

/** A longer value is hashed by its digest, so that no row is longer than a server will join together. */
const INLINE = 1_000;

function isLong({ engine, type }: TypedValue): boolean {
  if (engine !== 'mysql') return false;
  const length = Number(/^(?:var)?(?:char|binary)\((\d+)\)/.exec(type)?.[1] ?? 0);
  return length > INLINE || /^(?:text|medium|long|blob|json|geom|point|line|poly|multi|vector)/.test(type);
}

/** Of a column and its counterpart, whichever comes first. */
export function comparedAs(a: TypedValue, b: TypedValue, isStrict: boolean): ComparedAs {
  const [ours, theirs] = [kindsOf(a), kindsOf(b)];
  // PostgreSQL's order decides: an array would rather be JSON, a boolean is never a number.
  const [first, second] = a.engine === 'postgres' ? [ours, theirs] : [theirs, ours];
  const kind = (first ?? second)?.find((candidate) => second?.includes(candidate) ?? false);
  if (kind === undefined)
    return { kind: null, reason: `${a.type} and ${b.type} have no form in common that could be compared` };
  const note = isStrict && STRICT.has(kind) ? undefined : NOTES[kind];
  return { kind, isLong: isLong(a) || isLong(b), ...(note !== undefined && { note }) };
}

const trimFraction = (text: string): string => text.replace(/(\.\d*?)0+(?=$)/, '$1').replace(/\.$/, '');

/** Canonical text of a value that is in either engine's own (what dbps's sessions print). Idempotent. */
export function canonicalText(kind: CanonicalKind, text: string, isStrict = false): string {
  switch (kind) {
    case 'integer':
      return /^-?\d+$/.test(text) ? BigInt(text).toString() : text;
    case 'decimal':
      return isStrict ? text : trimFraction(text);
    case 'float64':
      return String(Number(text) + 0);
    case 'float32':
      return String(Math.fround(Number(text)) + 0);
    case 'boolean':
      return /^(t|true)$/.test(text) ? '1' : /^(f|false)$/.test(text) ? '0' : text;
    case 'text':
    case 'set':
    case 'bit':
    case 'date':
      return text;
    case 'padded text':
      return text.replace(/ +$/, '');
    case 'bytes':
      return text.toLowerCase();
    case 'timestamp': {
      const utc = trimFraction(text.replace(/\+00$/, ''));
      return /^\d+-\d\d-\d\d$/.test(utc) ? `${utc} 00:00:00` : utc;
    }
    case 'time':
      return trimFraction(text);
    case 'uuid':
      return text
        .replace(/^\\x/, '')
        .replaceAll('-', '')
        .toLowerCase()
        .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    case 'json':
      return canonicalJson(text, { isStrict });
    case 'list':
      return canonicalList(text);
  }
}
