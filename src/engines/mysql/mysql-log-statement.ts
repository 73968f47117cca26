/**
 * Statements in a binary log of rows: transaction control, definitions, and what should not be there (rows changed by a statement, in a
 * session that overrode binlog_format). Names are read as the server would: in backticks, in double quotes under ANSI_QUOTES, with or
 * without a database, behind comments.
 */
import { relationId, type RelationId } from '../../model/relation-id.js';
import { readTokens, type Token } from './mysql-lexer.js';
import type { LoggedStatement } from './mysql-log-event.js';

export type LogStatement =
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'rollback-to' | 'other' }
  | { readonly kind: 'xa'; readonly verb: string }
  | { readonly kind: 'truncate'; readonly relations: readonly RelationId[] }
  /** The shape may be another from here on. */
  | { readonly kind: 'reshape'; readonly relations: readonly RelationId[] }
  /** Rows came or went, or another relation has the name from here on, without a word about the rows. */
  | { readonly kind: 'replace'; readonly relations: readonly RelationId[]; readonly what: string }
  | { readonly kind: 'drop-database'; readonly schema: string }
  /** Rows changed by a statement: which ones cannot be told. */
  | { readonly kind: 'write'; readonly names: readonly string[] };

const CONTROL: Readonly<Record<string, 'begin' | 'commit' | 'rollback' | 'other'>> = {
  BEGIN: 'begin',
  COMMIT: 'commit',
  ROLLBACK: 'rollback',
};

const WRITES = new Set([
  'insert',
  'replace',
  'update',
  'delete',
  'load',
  'with',
  'call',
  'do',
  'select',
  'merge',
  'begin_load',
]);

/** What dbps renames a relation to when it retires it: its own doing, after its streams have ended or only watch. */
export const RETIRED_PREFIX = 'dbps_retired_';

/** @param foldsCase lower_case_table_names is not 0: names are compared in lower case. */
export function readLogStatement(statement: LoggedStatement, foldsCase: boolean): LogStatement {
  const control = CONTROL[statement.sql];
  if (control !== undefined) return { kind: control };
  const words = new Words(readTokens(statement.sql), statement, foldsCase);
  const read = readWords(words);
  // A name that could not be read may be any.
  return words.isUnsure ? { kind: 'write', names: words.names() } : read;
}

function readWords(words: Words): LogStatement {
  let first = words.next();
  // MariaDB: SET STATEMENT variable = value FOR the statement itself.
  if (first === 'set' && words.skip('statement')) {
    while (!words.isAtEnd && !words.is('for')) words.next();
    words.skip('for');
    first = words.next();
  }
  switch (first) {
    case 'begin':
      return { kind: 'begin' };
    case 'start':
      return { kind: words.next() === 'transaction' ? 'begin' : 'other' };
    case 'commit':
      return { kind: 'commit' };
    case 'rollback':
      return { kind: words.has('to') ? 'rollback-to' : 'rollback' };
    case 'xa':
      return { kind: 'xa', verb: words.next() };
    case 'truncate':
      words.skip('table');
      return { kind: 'truncate', relations: [words.relation()] };
    case 'alter':
      return readAlter(words);
    case 'drop':
      return readDrop(words);
    case 'rename':
      return readRename(words);
    case 'create':
      return readCreate(words);
    default:
      return WRITES.has(first) ? { kind: 'write', names: words.names() } : { kind: 'other' };
  }
}

/** Changes of partitions and files that take rows with them, or bring them. */
const ROWS_OF_PARTITIONS = new Set(['truncate', 'drop', 'exchange', 'discard', 'import', 'convert']);

function readAlter(words: Words): LogStatement {
  words.skip('online', 'ignore');
  if (!words.skip('table')) return { kind: 'other' };
  words.skip('if', 'exists');
  const relation = words.relation();
  const relations = [relation];
  while (!words.isAtEnd) {
    const word = words.next();
    if (ROWS_OF_PARTITIONS.has(word) && words.is('partition', 'tablespace', 'table')) {
      const what = `ALTER TABLE … ${word.toUpperCase()} ${words.next().toUpperCase()}`;
      while (!words.isAtEnd) if (words.next() === 'table' && words.isName) relations.push(words.relation());
      return { kind: 'replace', relations, what };
    }
    if (word === 'rename' && words.isName && !words.is('column', 'index', 'key')) {
      words.skip('to', 'as');
      const to = words.relation();
      if (isRetirement(to)) return { kind: 'other' };
      return { kind: 'replace', relations: [relation, to], what: 'ALTER TABLE … RENAME' };
    }
  }
  return { kind: 'reshape', relations };
}

function readDrop(words: Words): LogStatement {
  // A temporary table hides the relation from its own session only.
  if (words.skip('temporary')) return { kind: 'other' };
  if (words.skip('database', 'schema')) {
    words.skip('if', 'exists');
    return { kind: 'drop-database', schema: words.name() };
  }
  if (!words.skip('table', 'tables')) return { kind: 'other' };
  words.skip('if', 'exists');
  const relations = [words.relation()];
  while (words.skip(',')) relations.push(words.relation());
  return { kind: 'replace', relations, what: 'DROP TABLE' };
}

function readRename(words: Words): LogStatement {
  if (!words.skip('table', 'tables')) return { kind: 'other' };
  words.skip('if', 'exists');
  const relations: RelationId[] = [];
  do {
    const from = words.relation();
    while (!words.isAtEnd && !words.is('to')) words.next();
    words.skip('to');
    const to = words.relation();
    if (!isRetirement(to)) relations.push(from, to);
  } while (words.skip(','));
  return relations.length === 0 ? { kind: 'other' } : { kind: 'replace', relations, what: 'RENAME TABLE' };
}

function readCreate(words: Words): LogStatement {
  const isReplacing = words.skip('or', 'replace');
  if (words.skip('temporary') || !words.skip('table')) return { kind: 'other' };
  words.skip('if', 'not', 'exists');
  const relations = [words.relation()];
  return isReplacing
    ? { kind: 'replace', relations, what: 'CREATE OR REPLACE TABLE' }
    : { kind: 'reshape', relations };
}

const isRetirement = (id: RelationId): boolean => id.includes(RETIRED_PREFIX);

class Words {
  readonly #tokens: readonly Token[];
  readonly #statement: LoggedStatement;
  readonly #foldsCase: boolean;
  #at = 0;
  isUnsure = false;

  constructor(tokens: readonly Token[], statement: LoggedStatement, foldsCase: boolean) {
    this.#tokens = tokens;
    this.#statement = statement;
    this.#foldsCase = foldsCase;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  get isName(): boolean {
    return this.#nameAt(this.#at) !== null;
  }

  next(): string {
    return this.#tokens[this.#at++]?.word ?? '';
  }

  is(...words: readonly string[]): boolean {
    return words.includes(this.#tokens[this.#at]?.word ?? '');
  }

  has(word: string): boolean {
    return this.#tokens.some((token) => token.word === word);
  }

  /** Goes past every one of these words that follows here. @returns whether there was any. */
  skip(...words: readonly string[]): boolean {
    const before = this.#at;
    while (this.is(...words)) this.#at++;
    return this.#at > before;
  }

  name(): string {
    const name = this.#nameAt(this.#at++) ?? '';
    return this.#foldsCase ? name.toLowerCase() : name;
  }

  relation(): RelationId {
    // Names may begin with a digit, and then look like a number with its point.
    const odd = this.#tokens[this.#at];
    if (odd?.kind === 'number' && /^\d\w*\.\w+$/.test(odd.value)) {
      this.#at++;
      const [schema = '', name = ''] = (this.#foldsCase ? odd.value.toLowerCase() : odd.value).split('.');
      return relationId(schema, name);
    }
    const first = this.name();
    if (first === '') this.isUnsure = true;
    if (!this.skip('.')) return relationId(this.#statement.schema, first);
    const second = this.name();
    if (second === '') this.isUnsure = true;
    return relationId(first, second);
  }

  names(): readonly string[] {
    return this.#tokens.flatMap((_, at) => this.#nameAt(at) ?? []);
  }

  #nameAt(at: number): string | null {
    const token = this.#tokens[at];
    if (token === undefined) return null;
    if (token.kind === 'name' || token.kind === 'quoted') return token.value;
    if (token.kind === 'number' && /^\d\w*$/.test(token.value)) return token.value;
    const isQuotedName = this.#statement.hasAnsiQuotes && this.#statement.sql[token.start] === '"';
    return token.kind === 'text' && isQuotedName ? token.value : null;
  }
}
