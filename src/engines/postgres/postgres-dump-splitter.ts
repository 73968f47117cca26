/**
 * Cuts a PostgreSQL script into statements without holding it in memory: pieces go in, whole statements come
 * out. COPY data is passed over as it streams by, and so are INSERTs: a schema-only reader wants neither. Knows what psql
 * knows: backslash commands, dollar quotes, nested comments, BEGIN ATOMIC bodies, rules with several commands.
 */
export interface ScriptStatement {
  readonly text: string;
  /** 1-based line of its first character that is neither blank nor comment. */
  readonly line: number;
  /** The script ended, or a new statement began, inside of it. */
  readonly isTruncated: boolean;
}

export interface BackslashCommand {
  readonly command: string;
  readonly line: number;
}

export type ScriptItem = ScriptStatement | BackslashCommand;

export const isCommand = (item: ScriptItem): item is BackslashCommand => 'command' in item;

type Mode =
  | { readonly kind: 'plain' }
  | { readonly kind: 'until'; readonly end: string }
  | { readonly kind: 'string'; readonly escapes: boolean }
  | { readonly kind: 'comment'; readonly depth: number }
  | { readonly kind: 'copy-data' };

const PLAIN: Mode = { kind: 'plain' };
/** What can change the meaning of the text after it. */
const INTERESTING = /['"$;\\()]|--|\/\*|\b(?:BEGIN|CASE|END)\b/gi;
/** Kept back at the end of a piece: the longest opener that could be cut in two. */
const LONGEST_OPENER = 80;
const HEAD_LENGTH = 60;
/** A line that can only begin a new statement: where a broken one is given up. */
const FRESH_LINE =
  /^(?:CREATE|ALTER|COMMENT ON|SET|COPY|GRANT|REVOKE|DROP|INSERT INTO|SELECT pg_catalog\.|--$|-- (?:Name|TOC|Data|Dumped|PostgreSQL))/m;

export class PostgresSplitter {
  private text = '';
  /** Where scanning goes on, where the statement under way begins. */
  private at = 0;
  private start = 0;
  private line = 1;
  private mode: Mode = PLAIN;
  private parens = 0;
  private atomicDepth = 0;
  private head = '';
  private readonly out: ScriptItem[] = [];

  push(piece: string): ScriptItem[] {
    this.text += piece;
    this.scan(false);
    this.compact();
    return this.out.splice(0);
  }

  end(): ScriptItem[] {
    this.scan(true);
    if (this.mode.kind === 'copy-data') {
      this.out.push({ text: 'COPY data', line: this.line, isTruncated: true });
      return this.out.splice(0);
    }
    // An unclosed quote swallows all that follows: give up the broken statement where another clearly begins.
    for (;;) {
      this.skipBlank(true);
      const rest = this.text.slice(this.start);
      if (rest.trim() === '') break;
      const newline = rest.indexOf('\n');
      const fresh = newline === -1 ? -1 : rest.slice(newline + 1).search(FRESH_LINE);
      const broken = fresh === -1 ? rest : rest.slice(0, newline + 1 + fresh);
      this.out.push({ text: broken.trim(), line: this.line, isTruncated: true });
      if (fresh === -1) break;
      this.advance(this.start + broken.length);
      this.at = this.start;
      this.reset();
      this.scan(true);
    }
    return this.out.splice(0);
  }

  private reset(): void {
    this.mode = PLAIN;
    this.parens = 0;
    this.atomicDepth = 0;
    this.head = '';
  }

  /** Moves `start`, counting lines. */
  private advance(to: number): void {
    for (let at = this.text.indexOf('\n', this.start); at !== -1 && at < to;) {
      this.line += 1;
      at = this.text.indexOf('\n', at + 1);
    }
    this.start = to;
  }

  /** Drops what has been consumed; inside discarded text (data, INSERT) all that has been scanned. */
  private compact(): void {
    if (this.isDiscarded()) this.advance(this.at);
    else if (this.start === this.at) this.skipBlank();
    this.text = this.text.slice(this.start);
    this.at -= this.start;
    this.start = 0;
  }

  private isDiscarded(): boolean {
    return (
      this.mode.kind === 'copy-data' || (this.at > this.start && /^INSERT\s/i.test(this.statementHead()))
    );
  }

  /** The first words of the statement under way; remembered once it is there in full, for text may be dropped behind it. */
  private statementHead(): string {
    if (this.head !== '') return this.head;
    const from = /^(?:\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/)*/.exec(this.text.slice(this.start, this.start + 4000));
    const begin = this.start + (from?.[0].length ?? 0);
    const head = this.text.slice(begin, begin + HEAD_LENGTH);
    if (head.length === HEAD_LENGTH) this.head = head;
    return head;
  }

  /** @param isWhole the text at hand ends where the script does, so that a comment without a newline is complete. */
  private skipBlank(isWhole = false): void {
    const blank = isWhole ? /(?:\s+|--[^\n]*(?:\n|$))*/y : /(?:\s+|--[^\n]*\n)*/y;
    blank.lastIndex = this.start;
    const length = blank.exec(this.text)?.[0].length ?? 0;
    if (length > 0) this.advance(this.start + length);
    if (this.at < this.start) this.at = this.start;
  }

  private scan(isLast: boolean): void {
    const limit = isLast ? this.text.length : this.text.length - LONGEST_OPENER;
    for (;;) {
      switch (this.mode.kind) {
        case 'plain':
          if (!this.scanPlain(limit, isLast)) return;
          break;
        case 'until': {
          const found = this.text.indexOf(this.mode.end, this.at);
          if (found === -1 || found + this.mode.end.length > this.text.length) {
            this.at = Math.max(this.at, this.text.length - this.mode.end.length + 1);
            return;
          }
          this.at = found + this.mode.end.length;
          this.mode = PLAIN;
          break;
        }
        case 'string':
          if (!this.scanString(this.mode.escapes)) return;
          break;
        case 'comment':
          if (!this.scanComment(this.mode.depth)) return;
          break;
        case 'copy-data': {
          const end = /^\\\.\r?(?:\n|$)/gm;
          end.lastIndex = this.at;
          const found = end.exec(this.text);
          if (found === null || (!isLast && found.index > this.text.length - 4)) {
            // A line may be cut in two: go on from its beginning.
            this.at = Math.max(this.at, this.text.lastIndexOf('\n') + 1);
            return;
          }
          this.at = found.index + found[0].length;
          this.advance(this.at);
          this.reset();
          break;
        }
      }
    }
  }

  private scanPlain(limit: number, isLast: boolean): boolean {
    INTERESTING.lastIndex = this.at;
    const match = INTERESTING.exec(this.text);
    if (match === null || match.index >= limit) {
      this.at = Math.max(this.at, Math.min(limit, this.text.length));
      return false;
    }
    const token = match[0];
    const begin = match.index;
    this.at = begin + token.length;
    switch (token) {
      case "'": {
        const prefix = /(?:^|[^\w$])[eE]$/.test(this.text.slice(Math.max(0, begin - 2), begin));
        this.mode = { kind: 'string', escapes: prefix };
        return true;
      }
      case '"':
        this.mode = { kind: 'until', end: '"' };
        return true;
      case '$': {
        if (/[\w$]/.test(this.text[begin - 1] ?? ' ')) return true;
        const tag = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
        tag.lastIndex = begin;
        const opener = tag.exec(this.text)?.[0];
        if (opener === undefined) return true;
        this.at = begin + opener.length;
        this.mode = { kind: 'until', end: opener };
        return true;
      }
      case '--':
        this.mode = { kind: 'until', end: '\n' };
        if (isLast && !this.text.includes('\n', this.at)) {
          this.at = this.text.length;
          this.mode = PLAIN;
          return false;
        }
        return true;
      case '/*':
        this.mode = { kind: 'comment', depth: 1 };
        return true;
      case '\\':
        return this.backslash(begin, isLast);
      case '(':
        this.parens += 1;
        return true;
      case ')':
        this.parens = Math.max(0, this.parens - 1);
        return true;
      case ';':
        this.semicolon(begin);
        return true;
      default:
        this.keyword(token.toUpperCase(), begin);
        return true;
    }
  }

  private keyword(word: string, begin: number): void {
    if (/[\w$.]/.test(this.text[begin - 1] ?? ' ')) return;
    if (!/^CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b/i.test(this.statementHead())) return;
    if (word === 'BEGIN') this.atomicDepth += 1;
    else if (word === 'CASE' && this.atomicDepth > 0) this.atomicDepth += 1;
    else if (word === 'END' && this.atomicDepth > 0) this.atomicDepth -= 1;
  }

  private semicolon(begin: number): void {
    if (this.atomicDepth > 0) return;
    const head = this.statementHead();
    if (this.parens > 0 && /^CREATE\s+(?:OR\s+REPLACE\s+)?RULE\b/i.test(head)) return;
    const isInsert = /^INSERT\s/i.test(head);
    const isCopyIn = /^COPY\b/i.test(head);
    this.skipBlank();
    const text = this.text.slice(this.start, begin);
    if (text.trim() !== '' && !isInsert) this.out.push({ text, line: this.line, isTruncated: false });
    this.advance(this.at);
    this.reset();
    if (isCopyIn && /\bFROM\s+STDIN\b/i.test(text)) {
      const newline = this.text.indexOf('\n', this.at);
      if (newline !== -1 && this.text.slice(this.at, newline).trim() === '') this.at = newline + 1;
      this.mode = { kind: 'copy-data' };
    }
  }

  private backslash(begin: number, isLast: boolean): boolean {
    const newline = this.text.indexOf('\n', begin);
    if (newline === -1 && !isLast) {
      this.at = begin;
      return false;
    }
    const end = newline === -1 ? this.text.length : newline;
    const before = this.text.slice(this.start, begin);
    const command = this.text.slice(begin, end).trim();
    this.skipBlank();
    if (before.replaceAll(/--[^\n]*(?:\n|$)/g, '').trim() === '') {
      this.advance(begin);
      this.out.push({ command, line: this.line });
      this.advance(end);
    } else {
      // \g, \gexec and the like end a statement as a semicolon does.
      this.out.push({ text: this.text.slice(this.start, begin), line: this.line, isTruncated: false });
      this.advance(end);
    }
    this.at = end;
    this.reset();
    return true;
  }

  private scanString(escapes: boolean): boolean {
    const stop = escapes ? /['\\]/g : /'/g;
    stop.lastIndex = this.at;
    const found = stop.exec(this.text);
    if (found === null || found.index + 1 >= this.text.length) {
      this.at = found?.index ?? this.text.length;
      return false;
    }
    this.at = found.index + 1;
    if (found[0] === '\\') this.at += 1;
    else if (this.text[this.at] === "'") this.at += 1;
    else this.mode = PLAIN;
    return true;
  }

  private scanComment(depth: number): boolean {
    const next = /\/\*|\*\//g;
    next.lastIndex = this.at;
    const found = next.exec(this.text);
    if (found === null) {
      this.at = Math.max(this.at, this.text.length - 1);
      return false;
    }
    this.at = found.index + 2;
    const left = depth + (found[0] === '/*' ? 1 : -1);
    this.mode = left === 0 ? PLAIN : { kind: 'comment', depth: left };
    return true;
  }
}
