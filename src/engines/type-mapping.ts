/**
 * Which type of one engine holds the values of another's: one table for each way, in order, the first row that fits counts. What a row loses it
 * says: that becomes a finding, and docs/types.md prints the table. A value that the other side cannot hold is refused when it is met
 * (value-translation.ts), never changed.
 */
import type { Column, DatabaseSchema, EngineName, UserType } from '../model/database-schema.js';
import { relationId } from '../model/relation-id.js';

/** A type as written, in parts: `character varying(40)[]` is word `character varying`, arguments [40], an array. */
export interface WrittenType {
  readonly word: string;
  readonly args: readonly number[];
  readonly isArray: boolean;
  readonly isUnsigned: boolean;
  /** Labels of enum('a','b') and set('a','b'). */
  readonly labels: readonly string[];
}

export function parseType(text: string): WrittenType {
  const isArray = /\[\]$/.test(text);
  const list = /^(?:enum|set)\s*\((.*)\)/is.exec(text);
  const labels =
    list === null
      ? []
      : [...(list[1] as string).matchAll(/'((?:[^']|'')*)'/g)].map(([, label]) =>
          (label as string).replaceAll("''", "'"),
        );
  const args =
    list !== null
      ? []
      : (/\(([\d\s,-]+)\)/.exec(text)?.[1] ?? '')
          .split(',')
          .filter((part) => part.trim() !== '')
          .map(Number);
  const word = text
    .replace(/\(.*\)/s, '')
    .replaceAll('[]', '')
    .replace(/\b(unsigned|zerofill)\b/gi, '')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
  return { word, args, isArray, isUnsigned: /\b(unsigned|zerofill)\b/i.test(text), labels };
}

export interface TypeQuestion {
  readonly type: WrittenType;
  readonly userType: UserType | undefined;
  /** Longest text, in characters, that fits beside the other columns of an index this column is in; null: in no index. */
  readonly indexable: number | null;
  /** Longest VARCHAR outside indexes that leaves room for the row's other columns. */
  readonly longest: number;
  /** It counts, or refers to what counts. */
  readonly isReference: boolean;
}

export interface TypeRule {
  /** The types it is for, as the documentation names them. */
  readonly from: string;
  readonly to: string;
  readonly fits: (question: TypeQuestion) => boolean;
  readonly write: (question: TypeQuestion) => string;
  /** Only ASCII is ever in it. */
  readonly isAscii?: true;
  /** What the other type cannot hold or do, if anything. */
  readonly loss?: string | ((question: TypeQuestion) => string | undefined);
}

const words =
  (...names: readonly string[]) =>
  ({ type }: TypeQuestion): boolean =>
    !type.isArray && names.includes(type.word);
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const precision = ({ type }: TypeQuestion): number => type.args[0] ?? 6;

const shortText = (limit: number): string => `varchar(${limit})`;
const INDEXED_TEXT = (limit: number): string =>
  `it is in an index: at most ${limit} characters fit, longer values are refused; trailing spaces do not tell values apart`;

/** Of four-byte characters, in a row of 65,535 bytes. */
const LONGEST_VARCHAR = 4000;

const POSTGRES_TO_MYSQL: readonly TypeRule[] = [
  { from: 'smallint', to: 'smallint', fits: words('smallint'), write: () => 'smallint' },
  { from: 'integer', to: 'int', fits: words('integer'), write: () => 'int' },
  { from: 'bigint', to: 'bigint', fits: words('bigint'), write: () => 'bigint' },
  { from: 'oid', to: 'int unsigned', fits: words('oid'), write: () => 'int unsigned' },
  {
    from: 'numeric(p,s) with p ≤ 65 and 0 ≤ s ≤ 30',
    to: 'decimal(p,s)',
    fits: ({ type }) =>
      !type.isArray &&
      type.word === 'numeric' &&
      type.args.length > 0 &&
      (type.args[0] as number) <= 65 &&
      (type.args[1] ?? 0) >= 0 &&
      (type.args[1] ?? 0) <= Math.min(30, type.args[0] as number),
    write: ({ type }) => `decimal(${type.args[0]},${type.args[1] ?? 0})`,
    loss: 'NaN is refused',
  },
  {
    from: 'numeric',
    to: 'decimal(65,30)',
    fits: words('numeric'),
    write: () => 'decimal(65,30)',
    loss: 'at most 35 digits before and 30 after the point; NaN and infinity are refused',
  },
  {
    from: 'real',
    to: 'float',
    fits: words('real'),
    write: () => 'float',
    loss: 'NaN and infinity are refused',
  },
  {
    from: 'double precision',
    to: 'double',
    fits: words('double precision'),
    write: () => 'double',
    loss: 'NaN and infinity are refused',
  },
  { from: 'boolean', to: 'tinyint(1)', fits: words('boolean'), write: () => 'tinyint(1)' },
  {
    from: 'uuid',
    to: 'char(36)',
    fits: words('uuid'),
    write: () => 'char(36)',
    isAscii: true,
  },
  {
    from: 'date',
    to: 'date',
    fits: words('date'),
    write: () => 'date',
    loss: 'infinity and years before 1 or after 9999 are refused',
  },
  {
    from: 'timestamp(p)',
    to: 'datetime(p)',
    fits: words('timestamp without time zone'),
    write: (question) => `datetime(${precision(question)})`,
    loss: 'infinity and years before 1 or after 9999 are refused',
  },
  {
    from: 'timestamp(p) with time zone',
    to: 'datetime(p), in UTC',
    fits: words('timestamp with time zone'),
    write: (question) => `datetime(${precision(question)})`,
    loss: 'the column holds UTC and says nothing of a zone: the application has to read and write it so; infinity is refused',
  },
  {
    from: 'time(p)',
    to: 'time(p)',
    fits: words('time without time zone'),
    write: (question) => `time(${precision(question)})`,
  },
  { from: 'json, jsonb', to: 'json', fits: words('json', 'jsonb'), write: () => 'json' },
  {
    from: 'bytea',
    to: 'longblob',
    fits: words('bytea'),
    write: ({ indexable }) =>
      indexable === null ? 'longblob' : `varbinary(${Math.min(indexable * 4, 3072)})`,
    loss: ({ indexable }) =>
      indexable === null
        ? undefined
        : `it is in an index: at most ${Math.min(indexable * 4, 3072)} bytes fit`,
  },
  {
    from: 'bit(n) with n ≤ 64',
    to: 'bit(n)',
    fits: ({ type }) => !type.isArray && type.word === 'bit' && (type.args[0] ?? 1) <= 64,
    write: ({ type }) => `bit(${type.args[0] ?? 1})`,
  },
  {
    from: 'character(n) with n ≤ 255',
    to: 'char(n)',
    fits: ({ type }) => !type.isArray && type.word === 'character' && (type.args[0] ?? 1) <= 255,
    write: ({ type }) => `char(${type.args[0] ?? 1})`,
  },
  {
    from: 'character varying(n) with n ≤ 4000',
    to: 'varchar(n)',
    fits: ({ type, indexable, longest }) =>
      !type.isArray &&
      type.word === 'character varying' &&
      type.args.length > 0 &&
      (type.args[0] as number) <= (indexable ?? longest),
    write: ({ type }) => shortText(type.args[0] as number),
    loss: ({ indexable }) =>
      indexable === null ? undefined : 'it is in an index: trailing spaces do not tell values apart there',
  },
  {
    from: 'text, character varying, "char", name',
    to: 'longtext; varchar in an index',
    fits: words('text', 'character varying', 'character', 'name', '"char"', 'citext'),
    write: ({ indexable }) => (indexable === null ? `longtext` : shortText(indexable)),
    loss: ({ indexable, type }) =>
      type.word === 'citext'
        ? 'compared bytewise: upper and lower case differ'
        : indexable === null
          ? undefined
          : INDEXED_TEXT(indexable),
  },
  {
    from: 'an enum',
    to: 'enum(…)',
    fits: ({ type, userType }) => !type.isArray && userType?.kind === 'enum' && userType.labels.length > 0,
    write: ({ userType }) =>
      `enum(${(userType as Extract<UserType, { kind: 'enum' }>).labels.map(quoted).join(',')})`,
  },
  {
    from: 'an array',
    to: 'json',
    fits: ({ type }) => type.isArray,
    write: () => 'json',
    loss: 'its elements become strings of a JSON array; operators and indexes on arrays have no counterpart',
  },
  {
    from: 'inet, cidr, macaddr, macaddr8',
    to: 'varchar(49)',
    fits: words('inet', 'cidr', 'macaddr', 'macaddr8'),
    write: () => 'varchar(49)',
    isAscii: true,
    loss: 'kept as text: network operators have no counterpart',
  },
  {
    from: 'every other type',
    to: 'longtext; varchar in an index',
    fits: () => true,
    write: ({ indexable }) => (indexable === null ? `longtext` : shortText(indexable)),
    loss: 'kept as the text that PostgreSQL prints; nothing checks it or computes with it',
  },
];

const MYSQL_TO_POSTGRES: readonly TypeRule[] = [
  { from: 'tinyint, tinyint unsigned', to: 'smallint', fits: words('tinyint'), write: () => 'smallint' },
  {
    from: 'smallint, mediumint',
    to: 'smallint, integer',
    fits: words('smallint', 'mediumint'),
    write: ({ type }) => (type.word === 'smallint' && !type.isUnsigned ? 'smallint' : 'integer'),
  },
  {
    from: 'int, int unsigned',
    to: 'integer, bigint',
    fits: words('int', 'integer'),
    write: ({ type }) => (type.isUnsigned ? 'bigint' : 'integer'),
  },
  {
    from: 'bigint unsigned that counts, or refers to such a column',
    to: 'bigint',
    fits: ({ type, isReference }) => type.word === 'bigint' && type.isUnsigned && isReference,
    write: () => 'bigint',
    loss: 'numbers above 9,223,372,036,854,775,807 are refused',
  },
  {
    from: 'bigint unsigned',
    to: 'numeric(20,0)',
    fits: ({ type }) => type.word === 'bigint' && type.isUnsigned,
    write: () => 'numeric(20,0)',
    loss: 'numbers above 9,223,372,036,854,775,807 need it: arithmetic is slower than on bigint',
  },
  { from: 'bigint', to: 'bigint', fits: words('bigint'), write: () => 'bigint' },
  {
    from: 'decimal(p,s)',
    to: 'numeric(p,s)',
    fits: words('decimal', 'numeric'),
    write: ({ type }) => `numeric(${type.args[0] ?? 10},${type.args[1] ?? 0})`,
  },
  { from: 'float', to: 'real', fits: words('float'), write: () => 'real' },
  {
    from: 'double',
    to: 'double precision',
    fits: words('double', 'double precision', 'real'),
    write: () => 'double precision',
  },
  { from: 'bit(n)', to: 'bit(n)', fits: words('bit'), write: ({ type }) => `bit(${type.args[0] ?? 1})` },
  {
    from: 'char(n), varchar(n)',
    to: 'character varying(n)',
    fits: words('char', 'varchar'),
    write: ({ type }) => `character varying(${Math.max(1, type.args[0] ?? 1)})`,
    loss: 'compared bytewise: where the collation ignores case, accents or trailing spaces, values that were equal differ; U+0000 is refused',
  },
  {
    from: 'tinytext, text, mediumtext, longtext',
    to: 'text',
    fits: words('tinytext', 'text', 'mediumtext', 'longtext'),
    write: () => 'text',
    loss: 'compared bytewise; U+0000 is refused',
  },
  {
    from: 'binary, varbinary, blobs',
    to: 'bytea',
    fits: words('binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'),
    write: () => 'bytea',
  },
  { from: 'date', to: 'date', fits: words('date'), write: () => 'date', loss: 'zero dates are refused' },
  {
    from: 'datetime(p)',
    to: 'timestamp(p)',
    fits: words('datetime'),
    write: ({ type }) => `timestamp(${type.args[0] ?? 0}) without time zone`,
    loss: 'zero dates are refused',
  },
  {
    from: 'timestamp(p)',
    to: 'timestamp(p) with time zone',
    fits: words('timestamp'),
    write: ({ type }) => `timestamp(${type.args[0] ?? 0}) with time zone`,
    loss: 'zero dates are refused',
  },
  {
    from: 'time(p)',
    to: 'interval(p)',
    fits: words('time'),
    write: ({ type }) => `interval(${type.args[0] ?? 0})`,
    loss: 'it may be negative or longer than a day, which PostgreSQL calls an interval',
  },
  { from: 'year', to: 'smallint', fits: words('year'), write: () => 'smallint' },
  {
    from: 'enum(…)',
    to: 'text',
    fits: words('enum'),
    write: () => 'text',
    loss: 'a check constraint holds the labels; they sort by text, not by their place in the list',
  },
  {
    from: 'set(…)',
    to: 'text[]',
    fits: words('set'),
    write: () => 'text[]',
    loss: 'nothing checks the members',
  },
  {
    from: 'json',
    to: 'jsonb',
    fits: words('json'),
    write: () => 'jsonb',
    loss: '\\u0000 inside a string is refused',
  },
  { from: 'uuid', to: 'uuid', fits: words('uuid'), write: () => 'uuid' },
  { from: 'inet4, inet6', to: 'inet', fits: words('inet4', 'inet6'), write: () => 'inet' },
  {
    from: 'every other type (spatial)',
    to: 'bytea',
    fits: () => true,
    write: () => 'bytea',
    loss: "kept as MySQL's bytes (SRID and WKB); nothing computes with them",
  },
];

export const TYPE_RULES: Readonly<Record<`${EngineName}->${EngineName}`, readonly TypeRule[]>> = {
  'postgres->mysql': POSTGRES_TO_MYSQL,
  'mysql->postgres': MYSQL_TO_POSTGRES,
  'postgres->postgres': [],
  'mysql->mysql': [],
};

export interface MappedType {
  readonly type: string;
  readonly loss: string | undefined;
  readonly isAscii: boolean;
}

export type TypePlace = Pick<TypeQuestion, 'indexable' | 'isReference'> & { readonly longest?: number };

/** The column below a domain, and the type that decides. */
export function mapType(
  column: Column,
  schema: DatabaseSchema,
  to: EngineName,
  place: TypePlace,
): MappedType {
  const byName = new Map(schema.types.map((type) => [relationId(type.schema, type.name), type]));
  let userType = column.userType === undefined ? undefined : byName.get(column.userType);
  let text = column.type;
  let isChecked = false;
  while (userType?.kind === 'domain') {
    isChecked ||= userType.checks.length > 0;
    const below: string = userType.baseType;
    text = column.isArray ? `${below}[]` : below;
    userType = byName.get(below.replaceAll('"', ''));
  }
  const question: TypeQuestion = { longest: LONGEST_VARCHAR, ...place, type: parseType(text), userType };
  const rule = TYPE_RULES[`${schema.engine}->${to}`].find((candidate) => candidate.fits(question));
  if (rule === undefined) throw new RangeError(`no rule for ${text} from ${schema.engine} to ${to}`);
  return {
    type: rule.write(question),
    isAscii: rule.isAscii === true,
    loss:
      [lossOf(rule, question), isChecked ? 'the checks of its domain are gone' : undefined]
        .filter((part) => part !== undefined)
        .join('; ') || undefined,
  };
}

function lossOf({ loss }: TypeRule, question: TypeQuestion): string | undefined {
  return typeof loss === 'function' ? loss(question) : loss;
}
