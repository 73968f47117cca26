/**
 * A text with SQL of an application into its statements, each with the line it begins on. Knows quotes and comments of a dialect and nothing else of it:
 * what cannot be read as a statement later is for whoever reads it.
 */
export interface StatementText {
  readonly text: string;
  /** 1-based line of its first character that is neither blank nor comment. */
  readonly line: number;
}

export interface StatementSyntax {
  /** `'it\'s'` */
  readonly hasBackslashEscapes: boolean;
  /** `# to the end of the line` */
  readonly hasHashComments: boolean;
  readonly hasNestedComments: boolean;
  /** `$body$ … $body$` */
  readonly hasDollarQuotes: boolean;
  /** `DELIMITER //` on a line of its own */
  readonly hasDelimiterCommand: boolean;
}

export function splitStatements(text: string, syntax: StatementSyntax): readonly StatementText[] {
  const found: StatementText[] = [];
  let delimiter = ';';
  let start = 0;
  let begins: number | null = null;
  let at = 0;
  let line = 1;
  let counted = 0;
  const lineAt = (offset: number): number => {
    for (; counted < offset; counted++) if (text.charCodeAt(counted) === 10) line++;
    return line;
  };
  const close = (end: number) => {
    if (begins !== null) found.push({ text: text.slice(begins, end).trim(), line: lineAt(begins) });
    begins = null;
  };
  while (at < text.length) {
    const comment = endOfComment(text, at, syntax);
    if (comment !== null) {
      at = comment;
      continue;
    }
    if (begins === null && syntax.hasDelimiterCommand) {
      const command = /^delimiter[ \t]+(\S+)[^\n]*/i.exec(text.slice(at, at + 80));
      const isAtLineStart = text.slice(text.lastIndexOf('\n', at - 1) + 1, at).trim() === '';
      if (command !== null && isAtLineStart) {
        delimiter = command[1] as string;
        at += command[0].length;
        start = at;
        continue;
      }
    }
    if (text.startsWith(delimiter, at)) {
      close(at);
      at += delimiter.length;
      start = at;
      continue;
    }
    if (begins === null && !/\s/.test(text[at] as string)) begins = Math.max(at, start);
    at = endOfQuote(text, at, syntax) ?? at + 1;
  }
  close(text.length);
  return found;
}

/** Where a comment that begins here ends; null: none does. */
function endOfComment(text: string, at: number, syntax: StatementSyntax): number | null {
  const isLine = text.startsWith('--', at) || (syntax.hasHashComments && text[at] === '#');
  if (isLine) {
    const end = text.indexOf('\n', at);
    return end < 0 ? text.length : end;
  }
  if (!text.startsWith('/*', at)) return null;
  let depth = 1;
  let next = at + 2;
  while (next < text.length && depth > 0) {
    if (text.startsWith('*/', next)) {
      depth--;
      next += 2;
    } else if (syntax.hasNestedComments && text.startsWith('/*', next)) {
      depth++;
      next += 2;
    } else next++;
  }
  return next;
}

/** Where a quoted string or name that begins here ends; null: none does. */
function endOfQuote(text: string, at: number, syntax: StatementSyntax): number | null {
  const quote = text[at];
  if (quote === '$' && syntax.hasDollarQuotes) {
    const tag = /^\$(?:[A-Za-z_]\w*)?\$/.exec(text.slice(at, at + 70))?.[0];
    if (tag === undefined) return null;
    const end = text.indexOf(tag, at + tag.length);
    return end < 0 ? text.length : end + tag.length;
  }
  if (quote !== "'" && quote !== '"' && quote !== '`') return null;
  // E'…' takes backslashes where the dialect otherwise does not.
  const takesBackslashes =
    quote !== '`' &&
    (syntax.hasBackslashEscapes ||
      (quote === "'" && /(?<![\w$])[eE]$/.test(text.slice(Math.max(0, at - 2), at))));
  for (let next = at + 1; next < text.length; next++) {
    if (takesBackslashes && text[next] === '\\') next++;
    else if (text[next] === quote) {
      if (text[next + 1] !== quote) return next + 1;
      next++;
    }
  }
  return text.length;
}
