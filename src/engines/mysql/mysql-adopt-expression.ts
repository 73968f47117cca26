/**
 * The few expressions that mean the same in PostgreSQL's SQL and here: comparisons of columns and constants, and a handful of functions. Read token by
 * token against a list of what is known; one unknown token and the expression is not taken over (null), so nothing changes its meaning.
 */
import type { Column } from '../../model/database-schema.js';
import { parseType } from '../type-mapping.js';
import { quoteIdentifier } from './mysql-sql.js';

const CAST =
  /::(?:"[^"]+"(?:\."[^"]+")?|[a-z_][\w.]*(?: varying| precision| without time zone| with time zone)?)(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])?/giy;
const TOKEN = /\s+|'(?:[^']|'')*'|"(?:[^"]|"")+"|\d+(?:\.\d+)?|<>|!=|<=|>=|[<>=+\-*/(),]|[a-z_][\w$]*/giy;
const KEYWORDS = new Set(['and', 'or', 'not', 'is', 'null', 'in', 'between', 'true', 'false', 'like']);
const FUNCTIONS: Readonly<Record<string, string>> = {
  lower: 'lower',
  upper: 'upper',
  length: 'char_length',
  char_length: 'char_length',
  coalesce: 'coalesce',
  abs: 'abs',
  round: 'round',
  btrim: 'trim',
};

/** null: something in it is not known to mean the same. */
export function adoptExpression(sql: string, columns: readonly Column[]): string | null {
  const text = sql.replaceAll(/= ANY \(+ARRAY\[([^\]]*)\]\)*(?:::[\w ]+\[\])?\)+/g, (whole, list: string) => {
    const opened = whole.match(/\(/g)?.length ?? 0;
    const closed = whole.match(/\)/g)?.length ?? 0;
    return `IN (${list})${')'.repeat(Math.max(0, closed - opened))}`;
  });
  const byName = new Map(columns.map((column) => [column.name, column]));
  let out = '';
  let at = 0;
  while (at < text.length) {
    CAST.lastIndex = at;
    const cast = CAST.exec(text);
    if (cast !== null) {
      at = CAST.lastIndex;
      continue;
    }
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) return null;
    at = TOKEN.lastIndex;
    const adopted = adoptToken(token, text.slice(at), byName);
    if (adopted === null) return null;
    out += adopted;
  }
  const depth = [...out.replaceAll(/'(?:[^']|'')*'/g, '')].reduce(
    (level, char) => (level < 0 ? level : level + (char === '(' ? 1 : char === ')' ? -1 : 0)),
    0,
  );
  return depth === 0 ? out : null;
}

function adoptToken(token: string, rest: string, columns: ReadonlyMap<string, Column>): string | null {
  if (/^'/.test(token)) return token.includes('\\') ? null : token;
  if (!/^["a-z_]/i.test(token)) return token;
  const name = token.startsWith('"') ? token.slice(1, -1).replaceAll('""', '"') : token.toLowerCase();
  const column = columns.get(name);
  if (column !== undefined && !(KEYWORDS.has(name) && !token.startsWith('"'))) {
    // Text compares by its bytes on both sides; arrays and documents are something else here.
    return column.isArray || /^jsonb?$/.test(column.type) ? null : quoteIdentifier(name);
  }
  if (token.startsWith('"')) return null;
  if (KEYWORDS.has(name)) return token.toUpperCase();
  return /^\s*\(/.test(rest) ? (FUNCTIONS[name] ?? null) : null;
}

/** null: not known to mean the same; undefined: no default. */
export function adoptDefault(sql: string, column: Column, type: string): string | null | undefined {
  const { word, args } = parseType(type);
  const plain = sql.replace(/^\((.*)\)(?=::)/s, '$1');
  const literal = /^'((?:[^']|'')*)'(?:::.*)?$/s.exec(plain)?.[1];
  const isLong = /text$|blob$/.test(word) || word === 'json';
  if (/^NULL(?:::.*)?$/i.test(plain)) return undefined;
  if (literal !== undefined) {
    if (literal.includes('\\')) return null;
    if (column.isArray) return literal === '{}' ? "('[]')" : null;
    if (
      /^(?:now|today|tomorrow|yesterday|infinity|-infinity|epoch|allballs)$/i.test(literal) &&
      /date|time/.test(word)
    )
      return null;
    if (word === 'tinyint')
      return literal === 't' || literal === 'true'
        ? '1'
        : literal === 'f' || literal === 'false'
          ? '0'
          : null;
    if (/blob$|binary$/.test(word)) return null;
    if (/^(?:smallint|int|bigint|decimal|float|double)/.test(word))
      return /^-?\d+(?:\.\d+)?$/.test(literal) ? atScale(literal, word, args[1] ?? 0) : null;
    if (word === 'datetime' && /\+|-\d\d$|Z$/.test(literal.slice(10))) return null;
    if (word === 'bit') return null;
    return isLong ? `('${literal}')` : `'${literal}'`;
  }
  const number = /^\(?(-?\d+(?:\.\d+)?)\)?(?:::.*)?$/.exec(plain)?.[1];
  if (number !== undefined) return atScale(number, word, args[1] ?? 0);
  if (/^(?:true|false)$/i.test(plain)) return plain.toLowerCase() === 'true' ? '1' : '0';
  if (
    /^(?:now\(\)|CURRENT_TIMESTAMP(?:\(\d\))?|transaction_timestamp\(\)|statement_timestamp\(\)|clock_timestamp\(\)|LOCALTIMESTAMP(?:\(\d\))?)$/i.test(
      plain,
    )
  ) {
    if (word !== 'datetime') return null;
    // The column says nothing of a zone: what had one keeps UTC.
    return parseType(column.type).word === 'timestamp with time zone'
      ? `(utc_timestamp(${args[0] ?? 0}))`
      : `current_timestamp(${args[0] ?? 0})`;
  }
  if (/^CURRENT_DATE$/i.test(plain)) return word === 'date' ? '(curdate())' : null;
  if (/^(?:gen_random_uuid|(?:\w+\.)?uuid_generate_v4)\(\)$/.test(plain)) return '(uuid())';
  return null;
}

/** As the server shows it again. */
function atScale(number: string, word: string, scale: number): string {
  if (word !== 'decimal' || scale === 0) return number;
  const [whole = '0', fraction = ''] = number.split('.');
  return fraction.length > scale ? number : `${whole}.${fraction.padEnd(scale, '0')}`;
}
