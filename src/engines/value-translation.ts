/**
 * One engine's canonical text of a value → the other's, by the types on both sides. Most text is the same; what is not is listed here. A value that the
 * other side cannot hold is refused by name: nothing is rounded, cut or replaced.
 */
import { parse as parseArray } from 'postgres-array';
import type { EngineName } from '../model/database-schema.js';
import { parseType } from './type-mapping.js';

/** Throws a ValueRefusal. */
export type Translate = (text: string) => string;

/** Why a value has no counterpart; whoever knows relation and column names them. */
export class ValueRefusal extends Error {
  constructor(readonly what: string) {
    super(what);
  }
}

export interface TypedSide {
  readonly engine: EngineName;
  readonly type: string;
}

/** null: the text is the same on both sides. */
export function valueTranslation(from: TypedSide, to: TypedSide): Translate | null {
  if (from.engine === to.engine) return null;
  return from.engine === 'postgres' ? toMysql(from.type, to.type) : toPostgres(from.type, to.type);
}

const WHOLE = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint']);
const refuse = (what: string): never => {
  throw new ValueRefusal(what);
};

/** Digits of the fraction exactly as many as the column keeps. */
function padFraction(text: string, digits: number): string {
  const [head = '', fraction = ''] = text.split('.');
  if (fraction.length > digits && /[1-9]/.test(fraction.slice(digits)))
    return refuse('has more digits of a second than the column keeps');
  return digits === 0 ? head : `${head}.${fraction.slice(0, digits).padEnd(digits, '0')}`;
}

const trimFraction = (text: string): string => text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');

function toMysql(fromType: string, toType: string): Translate | null {
  const from = parseType(fromType);
  const to = parseType(toType);
  const digits = to.args[0] ?? 0;
  if (from.isArray)
    return to.word === 'set'
      ? (text) => parseArray<string>(text, (item) => item).join(',')
      : (text) => JSON.stringify(parseArray(text));
  switch (from.word) {
    case 'boolean':
      return WHOLE.has(to.word) ? (text) => (text === 't' ? '1' : '0') : null;
    case 'numeric':
    case 'real':
    case 'double precision':
      return (text) => (/^-?(?:NaN|Infinity)$/.test(text) ? refuse(`is ${text}`) : text);
    case 'date':
      return (text) => (/^\d{4}-\d\d-\d\d$/.test(text) ? text : refuse(`is ${text}`));
    case 'timestamp without time zone':
    case 'timestamp with time zone':
      if (to.word !== 'datetime' && to.word !== 'timestamp') return null;
      return (text) =>
        /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?:\+00)?$/.test(text)
          ? padFraction(text.replace(/\+00$/, ''), digits)
          : refuse(`is ${text}`);
    case 'time without time zone':
      return to.word === 'time' ? (text) => padFraction(text, digits) : null;
    case 'interval':
      return to.word === 'time' ? (text) => padFraction(intervalToTime(text), digits) : null;
    case 'smallint':
      return to.word === 'year' ? (text) => text.padStart(4, '0') : null;
    default:
      return null;
  }
}

/** `1 day -02:03:04.5` → hours alone. Months have no length. */
function intervalToTime(text: string): string {
  const parts = /^(?:(-?\d+) days?)?\s*(?:([-+]?)(\d+):(\d\d):(\d\d(?:\.\d+)?))?$/.exec(text);
  if (parts === null || text === '') return refuse(`is ${text}: months and years have no length in hours`);
  const [, days = '0', sign = '', hours = '0', minutes = '00', seconds = '00'] = parts;
  const [whole = '0', fraction] = seconds.split('.');
  const clock = BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(whole);
  const [micros, isNegative] = ((): [bigint, boolean] => {
    const scaled = clock * 1_000_000n + BigInt((fraction ?? '').padEnd(6, '0').slice(0, 6) || '0');
    const total = BigInt(days) * 86_400_000_000n + (sign === '-' ? -scaled : scaled);
    return total < 0n ? [-total, true] : [total, false];
  })();
  const two = (value: bigint): string => value.toString().padStart(2, '0');
  const rest = micros % 1_000_000n;
  const second = micros / 1_000_000n;
  const time = `${isNegative ? '-' : ''}${two(second / 3600n)}:${two((second / 60n) % 60n)}:${two(second % 60n)}`;
  if (second >= 3_020_400n) return refuse(`is ${text}: a time ends at 838:59:59`);
  return rest === 0n ? time : `${time}.${rest.toString().padStart(6, '0')}`;
}

function toPostgres(fromType: string, toType: string): Translate | null {
  const from = parseType(fromType);
  const to = parseType(toType);
  if (to.isArray) {
    if (from.word === 'set') return (text) => (text === '' ? '{}' : arrayText(text.split(',')));
    return (text) => arrayText(JSON.parse(text) as unknown[]);
  }
  switch (from.word) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
      return to.word === 'boolean'
        ? (text) => (text === '0' ? 'f' : text === '1' ? 't' : refuse(`is ${text}, neither 0 nor 1`))
        : null;
    case 'date':
      return (text) => noZeroDate(text);
    case 'datetime':
    case 'timestamp':
      return (text) => trimFraction(noZeroDate(text)) + (to.word === 'timestamp with time zone' ? '+00' : '');
    case 'time':
      return trimFraction;
    case 'year':
      return (text) => String(Number(text));
    case 'char':
    case 'varchar':
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
    case 'enum':
      return (text) => (text.includes('\0') ? refuse('holds U+0000') : text);
    default:
      return null;
  }
}

function noZeroDate(text: string): string {
  return /^0000|-00/.test(text.slice(0, 10)) ? refuse(`is ${text}`) : text;
}

/** JSON's array as PostgreSQL's: numbers and booleans by their text, what is nested stays nested. */
function arrayText(items: readonly unknown[]): string {
  return `{${items
    .map((item) =>
      item === null
        ? 'NULL'
        : Array.isArray(item)
          ? arrayText(item)
          : `"${elementText(item).replaceAll(/["\\]/g, '\\$&')}"`,
    )
    .join(',')}}`;
}

function elementText(item: unknown): string {
  if (typeof item === 'number' && Number.isInteger(item) && !Number.isSafeInteger(item))
    return refuse('holds a number that JSON readers round: write it as a string');
  return typeof item === 'string' ? item : JSON.stringify(item);
}
