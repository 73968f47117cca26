/**
 * Cuts a MySQL or MariaDB script into statements as it streams by, knowing DELIMITER, quotes, comments and
 * conditional comments. INSERTs are passed over without being held: a reader of shapes has no use for rows.
 */
export interface MysqlStatement {
  readonly text: string;
  readonly line: number;
  /** The script ended inside of it. */
  readonly isTruncated: boolean;
}

type Mode = 'plain' | "'" | '"' | '`' | 'line-comment' | 'comment';

/** Kept back at the end of a piece: an opener or delimiter may be cut in two. */
const SLACK = 40;
const HEAD_LENGTH = 40;
const DATA = /^(?:INSERT|REPLACE)\b/i;
/** A line on which only a new statement can begin: where a broken one is given up. */
const FRESH_LINE = /^(?:CREATE|DROP|ALTER|INSERT INTO|LOCK TABLES|UNLOCK TABLES|\/\*!|-- )/m;

export class MysqlSplitter {
  private text = '';
  private at = 0;
  private start = 0;
  private line = 1;
  private mode: Mode = 'plain';
  private delimiter = ';';
  private head = '';
  private out: MysqlStatement[] = [];

  push(piece: string): MysqlStatement[] {
    this.text += piece;
    this.scan(this.text.length - SLACK, false);
    if (this.start < this.at && DATA.test(this.statementHead())) this.advance(this.at);
    this.text = this.text.slice(this.start);
    this.at -= this.start;
    this.start = 0;
    return this.out.splice(0);
  }

  end(): MysqlStatement[] {
    this.scan(this.text.length, true);
    for (;;) {
      this.skipBlank();
      const rest = this.text.slice(this.start);
      if (rest.trim() === '') break;
      // An unclosed quote swallows all that follows: give up where another statement clearly begins.
      const newline = rest.indexOf('\n');
      const fresh = newline === -1 || this.mode === 'plain' ? -1 : rest.slice(newline + 1).search(FRESH_LINE);
      const broken = fresh === -1 ? rest : rest.slice(0, newline + 1 + fresh);
      this.out.push({ text: broken.trim(), line: this.line, isTruncated: true });
      this.advance(this.start + broken.length);
      if (fresh === -1) break;
      this.at = this.start;
      this.mode = 'plain';
      this.head = '';
      this.scan(this.text.length, true);
    }
    return this.out.splice(0);
  }

  private advance(to: number): void {
    for (let at = this.text.indexOf('\n', this.start); at !== -1 && at < to;) {
      this.line += 1;
      at = this.text.indexOf('\n', at + 1);
    }
    this.start = to;
  }

  private statementHead(): string {
    if (this.head !== '') return this.head;
    const blank = /(?:\s+|(?:--(?=\s)|#)[^\n]*\n)*/y;
    blank.lastIndex = this.start;
    const begin = this.start + (blank.exec(this.text)?.[0].length ?? 0);
    const head = this.text.slice(begin, begin + HEAD_LENGTH);
    if (head.length === HEAD_LENGTH) this.head = head;
    return head;
  }

  private skipBlank(): void {
    const blank = /(?:\s+|(?:--(?=\s)|#)[^\n]*\n)*/y;
    blank.lastIndex = this.start;
    const length = blank.exec(this.text)?.[0].length ?? 0;
    if (length > 0) this.advance(this.start + length);
    if (this.at < this.start) this.at = this.start;
  }

  private scan(limit: number, isLast: boolean): void {
    const openers = new RegExp(
      `['"\`#]|--(?=\\s)|/\\*(?!M?!)|^[ \\t]*delimiter[ \\t]+(\\S+)[^\\n]*\\n|${escape(this.delimiter)}`,
      'gim',
    );
    for (;;) {
      if (this.mode === 'plain') {
        openers.lastIndex = this.at;
        const match = openers.exec(this.text);
        if (match === null || match.index >= limit) {
          this.at = Math.max(this.at, Math.min(limit, this.text.length));
          // A DELIMITER line must be seen whole: go back to the beginning of the line.
          const lineStart = this.text.lastIndexOf('\n', this.at - 1) + 1;
          if (
            !isLast &&
            /^[ \t]*d?e?l?i?m?i?t?e?r?[ \t]*\S{0,10}$/i.test(this.text.slice(lineStart, this.at))
          )
            this.at = Math.max(this.start, Math.min(this.at, lineStart));
          return;
        }
        const token = match[0];
        this.at = match.index + token.length;
        if (match[1] !== undefined) {
          this.skipBlank();
          if (this.text.slice(this.start, match.index).trim() === '') {
            this.delimiter = match[1];
            this.advance(this.at);
            this.head = '';
            this.scan(limit, isLast);
            return;
          }
          this.at = match.index + 1;
        } else if (token === this.delimiter) this.finish(match.index);
        else if (token === '#' || token === '--') this.mode = 'line-comment';
        else if (token.startsWith('/*')) this.mode = 'comment';
        else this.mode = token as Mode;
      } else if (this.mode === 'line-comment') {
        const end = this.text.indexOf('\n', this.at);
        if (end === -1) {
          this.at = this.text.length;
          if (isLast) this.mode = 'plain';
          return;
        }
        this.at = end + 1;
        this.mode = 'plain';
      } else if (this.mode === 'comment') {
        const end = this.text.indexOf('*/', this.at);
        if (end === -1) {
          this.at = Math.max(this.at, this.text.length - 1);
          return;
        }
        this.at = end + 2;
        this.mode = 'plain';
      } else if (!this.scanQuoted(this.mode)) return;
    }
  }

  private scanQuoted(quote: string): boolean {
    const stop = quote === '`' ? /`/g : quote === "'" ? /['\\]/g : /["\\]/g;
    stop.lastIndex = this.at;
    const found = stop.exec(this.text);
    if (found === null || found.index + 1 >= this.text.length) {
      this.at = found?.index ?? this.text.length;
      return false;
    }
    this.at = found.index + 1;
    if (found[0] === '\\' || this.text[this.at] === quote) this.at += 1;
    else this.mode = 'plain';
    return true;
  }

  private finish(end: number): void {
    const isData = DATA.test(this.statementHead());
    this.skipBlank();
    const text = this.text.slice(this.start, end);
    if (!isData && text.trim() !== '') this.out.push({ text, line: this.line, isTruncated: false });
    this.advance(this.at);
    this.head = '';
  }
}

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');
