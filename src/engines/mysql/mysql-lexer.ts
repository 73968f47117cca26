/**
 * Tokens of MySQL and MariaDB text. Tolerant on purpose: dumps, digests ("IN (...)", "?"), cut-off statements and
 * dialect extras all give tokens; no grammar refuses them. The bodies of conditional comments are text like any other.
 */
export interface Token {
  /** `name`: a bare word; `quoted`: in backticks; `text`: a string; `number`; `mark`: one character of punctuation. */
  readonly kind: 'name' | 'quoted' | 'text' | 'number' | 'mark';
  readonly value: string;
  /** Lower case for names, the character for marks, empty for the rest: what keywords are compared with. */
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

const SPACE = /\s+/y;
const LINE_COMMENT = /(?:--(?=\s|$)|#)[^\n]*/y;
const CONDITIONAL = /\/\*M?!\d*/y;
const NAME = /[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /\d[\w.]*|@{1,2}[\w.$]+|:=|\.\.\./y;

export function readTokens(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(sql)?.[0];
  };
  while (at < sql.length) {
    const skipped = match(SPACE) ?? match(LINE_COMMENT) ?? match(CONDITIONAL);
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    const character = sql[at] as string;
    if (character === '/' && sql[at + 1] === '*') {
      const end = sql.indexOf('*/', at + 2);
      at = end === -1 ? sql.length : end + 2;
      continue;
    }
    if (character === '*' && sql[at + 1] === '/') {
      at += 2;
      continue;
    }
    if (character === '`' || character === "'" || character === '"') {
      const end = quoteEnd(sql, at);
      tokens.push({
        kind: character === '`' ? 'quoted' : 'text',
        value: unquote(sql.slice(at + 1, end - 1), character),
        word: '',
        start: at,
        end,
      });
      at = end;
      continue;
    }
    const name = match(NAME);
    const number = name === undefined ? match(NUMBER) : undefined;
    const value = name ?? number ?? character;
    const end = at + value.length;
    if (name !== undefined) tokens.push({ kind: 'name', value, word: value.toLowerCase(), start: at, end });
    else if (number !== undefined) tokens.push({ kind: 'number', value, word: '', start: at, end });
    else tokens.push({ kind: 'mark', value, word: value, start: at, end });
    at = end;
  }
  return tokens;
}

/** Position after the closing quote; the end of the text when there is none. */
function quoteEnd(sql: string, start: number): number {
  const quote = sql[start] as string;
  for (let at = start + 1; at < sql.length; at += 1) {
    if (sql[at] === '\\' && quote !== '`') at += 1;
    else if (sql[at] === quote) {
      if (sql[at + 1] !== quote) return at + 1;
      at += 1;
    }
  }
  return sql.length;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', 0: '\0', b: '\b', Z: '\x1a' };

function unquote(body: string, quote: string): string {
  const halved = body.replaceAll(quote + quote, quote);
  return quote === '`' || !halved.includes('\\')
    ? halved
    : halved.replaceAll(/\\([\s\S])/g, (_match, character: string) => ESCAPES[character] ?? character);
}
