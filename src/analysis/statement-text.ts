/**
 * A statement without its values: the same statement sent with other values is the same statement, and values (which may be personal, or secrets)
 * have no place in a report. Not a grammar: it must do on every dialect and on text that was cut off.
 */
import type { EngineName } from '../model/database-schema.js';

const COMMENT = String.raw`--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)`;
const NUMBER = String.raw`(?<![\w$.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?\b`;
const DOLLAR = String.raw`\$(\w*)\$[\s\S]*?(?:\$\2\$|$)`;
/** A doubled quote stands for itself; to the end of the text where it was cut off. */
const plain = (quote: string): string => `${quote}(?:${quote}${quote}|[^${quote}])*(?:${quote}|$)`;
const escaped = (quote: string): string =>
  `${quote}(?:\\\\[\\s\\S]|${quote}${quote}|[^\\\\${quote}])*(?:${quote}|$)`;

/** The first group is kept as it is: names in quotes. All else that is found is a value or a comment. */
const PATTERNS: Readonly<Record<EngineName, RegExp>> = {
  postgres: new RegExp(
    `(${plain('"')})|${COMMENT}|\\b[eE]${escaped("'")}|\\b[bxnBXN]?${plain("'")}|${plain("'")}|${DOLLAR}|${NUMBER}`,
    'g',
  ),
  mysql: new RegExp(
    `(${plain('`')})|${COMMENT}|\\b[bxnBXN]${escaped("'")}|${escaped("'")}|${escaped('"')}|${NUMBER}`,
    'g',
  ),
};

const LIST = /(\(\s*)\?(?:\s*,\s*\?)+(?=\s*\))/g;
const ROWS = /(\((?:\?|\?, …)\))(?:\s*,\s*\((?:\?|\?, …)\))+/g;

export function withoutValues(sql: string, engine: EngineName): string {
  return sql
    .replaceAll(PATTERNS[engine], (found: string, kept: string | undefined) =>
      kept !== undefined ? found : found.startsWith('--') || found.startsWith('/*') ? ' ' : '?',
    )
    .replaceAll(/\s+/g, ' ')
    .replaceAll(LIST, '$1?, …')
    .replaceAll(ROWS, '$1, …')
    .trim()
    .replace(/;$/, '');
}
