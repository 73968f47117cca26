/** CREATE TABLE, ALTER TABLE and CREATE INDEX of MySQL and MariaDB, from tokens. Clauses it does not know are stepped over. */
import type {
  Check,
  Column,
  ForeignKey,
  Index,
  ReferentialAction,
  UniqueKey,
} from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import { normaliseType } from './mysql-flavor.js';
import { readTokens, type Token } from './mysql-lexer.js';
import { quoteIdentifier } from './mysql-sql.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
export type MysqlColumnDraft = Writable<Column>;

/** What a table definition holds; a draft, because ALTER TABLE changes it. */
export interface TableDraft {
  id: RelationId;
  schema: string;
  name: string;
  columns: MysqlColumnDraft[];
  indexes: Index[];
  foreignKeys: ForeignKey[];
  checks: Check[];
  comment?: string;
  partitionBy?: string;
  options: string[];
  isTemporary: boolean;
  /** Indexes for foreign keys, made once the whole table is known: a key written later may serve. */
  pendingIndexes: { readonly name: string; readonly columns: readonly string[] }[];
}

/** Walks tokens of one statement; `sql` gives the text between them. */
export class Cursor {
  readonly tokens: readonly Token[];
  at = 0;

  constructor(readonly sql: string) {
    this.tokens = readTokens(sql);
  }

  get done(): boolean {
    return this.at >= this.tokens.length;
  }

  is(...words: readonly string[]): boolean {
    return words.every((word, offset) => this.tokens[this.at + offset]?.word === word);
  }

  /** Steps over the words when they come next. */
  take(...words: readonly string[]): boolean {
    if (!this.is(...words)) return false;
    this.at += words.length;
    return true;
  }

  takeAny(...words: readonly string[]): string | undefined {
    const word = this.tokens[this.at]?.word;
    if (word === undefined || !words.includes(word)) return undefined;
    this.at += 1;
    return word;
  }

  /** A name, in backticks or bare. */
  name(): string | undefined {
    const token = this.tokens[this.at];
    if (token?.kind !== 'name' && token?.kind !== 'quoted') return undefined;
    this.at += 1;
    return token.value;
  }

  relation(defaultSchema: string): { schema: string; name: string } | undefined {
    const first = this.name();
    if (first === undefined) return undefined;
    if (!this.take('.')) return { schema: defaultSchema, name: first };
    const second = this.name();
    return second === undefined ? undefined : { schema: first, name: second };
  }

  /** Stands on `(`: returns where its `)` is. */
  closing(): number {
    let depth = 0;
    for (let at = this.at; at < this.tokens.length; at += 1) {
      if (this.tokens[at]?.word === '(') depth += 1;
      else if (this.tokens[at]?.word === ')' && (depth -= 1) === 0) return at;
    }
    return this.tokens.length;
  }

  /** Stands on `(`: returns the text inside and steps over it. */
  parenthesised(): string {
    const open = this.tokens[this.at];
    const close = this.closing();
    this.at = close + 1;
    return this.sql.slice(open?.end ?? 0, this.tokens[close]?.start ?? this.sql.length).trim();
  }

  textFrom(start: number): string {
    return this.sql.slice(this.tokens[start]?.start ?? this.sql.length, this.tokens[this.at - 1]?.end).trim();
  }

  rest(): string {
    return this.sql.slice(this.tokens[this.at]?.start ?? this.sql.length).trim();
  }
}

export function createTableDraft(schema: string, name: string): TableDraft {
  return {
    id: relationId(schema, name),
    schema,
    name,
    columns: [],
    indexes: [],
    foreignKeys: [],
    checks: [],
    options: [],
    isTemporary: false,
    pendingIndexes: [],
  };
}

/** Stands after the table's name. @throws Error saying what is missing where the definition breaks off. */
export function readTableBody(cursor: Cursor, draft: TableDraft): void {
  if (!cursor.is('(')) throw new Error('no column list: CREATE TABLE … SELECT cannot be read');
  const end = cursor.closing();
  if (end >= cursor.tokens.length) throw new Error('cut off: the column list is not closed');
  cursor.at += 1;
  while (cursor.at < end) {
    readElement(cursor, draft);
    skipToComma(cursor, end);
  }
  cursor.at = end + 1;
  readOptions(cursor, draft);
}

function skipToComma(cursor: Cursor, end: number): void {
  while (cursor.at < end) {
    if (cursor.take(',')) return;
    if (cursor.is('(')) cursor.at = cursor.closing() + 1;
    else cursor.at += 1;
  }
}

/** A column or a key. */
function readElement(cursor: Cursor, draft: TableDraft): void {
  const begin = cursor.at;
  let constraint: string | undefined;
  if (
    cursor.take('constraint') &&
    !cursor.is('primary') &&
    !cursor.is('unique') &&
    !cursor.is('foreign') &&
    !cursor.is('check')
  )
    constraint = cursor.name();
  if (cursor.take('primary', 'key')) addIndex(cursor, draft, 'PRIMARY', 'primary');
  else if (cursor.take('unique')) {
    cursor.takeAny('key', 'index');
    addIndex(cursor, draft, constraint, 'unique');
  } else if (cursor.is('foreign', 'key')) {
    cursor.at += 2;
    addForeignKey(cursor, draft, constraint);
  } else if (cursor.take('check')) addCheck(cursor, draft, constraint);
  else if (constraint === undefined && isIndexWord(cursor)) {
    const kind = cursor.takeAny('fulltext', 'spatial', 'vector');
    cursor.takeAny('key', 'index');
    addIndex(cursor, draft, undefined, kind ?? 'plain');
  } else if (constraint === undefined && !cursor.is('period', 'for')) {
    cursor.at = begin;
    readColumn(cursor, draft);
  }
}

/** KEY and INDEX are also legal column names in backticks only, so a bare word decides. */
function isIndexWord(cursor: Cursor): boolean {
  if (cursor.is('key') || cursor.is('index')) return true;
  return cursor.is('fulltext') || cursor.is('spatial') || (cursor.is('vector') && !cursor.is('vector', '('));
}

interface KeyPart {
  readonly column?: string;
  readonly text: string;
  readonly hasPrefix: boolean;
}

function readKeyParts(cursor: Cursor): KeyPart[] {
  if (!cursor.is('(')) return [];
  const end = cursor.closing();
  cursor.at += 1;
  const parts: KeyPart[] = [];
  while (cursor.at < end) {
    if (cursor.is('(')) parts.push({ text: `(${cursor.parenthesised()})`, hasPrefix: false });
    else {
      const column = cursor.name();
      if (column === undefined) break;
      const length = cursor.is('(') ? `(${cursor.parenthesised()})` : '';
      const order = cursor.takeAny('asc', 'desc') === 'desc' ? ' DESC' : '';
      parts.push({ column, text: `${quoteIdentifier(column)}${length}${order}`, hasPrefix: length !== '' });
    }
    skipToComma(cursor, end);
  }
  cursor.at = end + 1;
  return parts;
}

function addIndex(cursor: Cursor, draft: TableDraft, constraint: string | undefined, kind: string): void {
  const written = cursor.is('(') || cursor.is('using') ? undefined : cursor.name();
  let method = 'btree';
  if (cursor.take('using')) method = cursor.name()?.toLowerCase() ?? method;
  const parts = readKeyParts(cursor);
  let comment: string | undefined;
  while (!cursor.done && !cursor.is(',') && !cursor.is(')')) {
    if (cursor.take('using')) method = cursor.name()?.toLowerCase() ?? method;
    else if (cursor.take('comment')) {
      comment = cursor.tokens[cursor.at]?.value;
      cursor.at += 1;
    } else cursor.at += 1;
  }
  const name =
    kind === 'primary'
      ? 'PRIMARY'
      : (written ?? constraint ?? freeName(draft, parts[0]?.column ?? 'functional_index'));
  if (kind === 'fulltext' || kind === 'spatial' || kind === 'vector') method = kind;
  const isUnique = kind === 'primary' || kind === 'unique';
  const hasExpression = parts.some((part) => part.column === undefined);
  const word =
    kind === 'primary'
      ? 'PRIMARY KEY'
      : method === 'fulltext' || method === 'spatial'
        ? `${method.toUpperCase()} KEY ${quoteIdentifier(name)}`
        : `${isUnique ? 'UNIQUE ' : ''}KEY ${quoteIdentifier(name)}`;
  draft.indexes.push({
    name,
    isUnique,
    isPrimary: kind === 'primary',
    ...(isUnique ? { constraint: name } : {}),
    isValid: true,
    isImmediate: true,
    method,
    columns: hasExpression ? [] : parts.map((part) => part.column as string),
    hasExpression,
    ...(isUnique && parts.some((part) => part.hasPrefix) ? { predicate: 'prefix' } : {}),
    include: [],
    definition: `${word} (${parts.map((part) => part.text).join(', ')})`,
    isInherited: false,
    ...(comment === undefined || comment === '' ? {} : { comment }),
  });
  if (kind === 'primary')
    for (const part of parts) {
      const column = draft.columns.find((candidate) => candidate.name === part.column);
      if (column !== undefined) column.isNullable = false;
    }
}

/** The server names an index after its first column, with a number when that is taken. */
function freeName(draft: TableDraft, column: string): string {
  let name = column;
  for (let number = 2; draft.indexes.some((index) => index.name === name); number += 1)
    name = `${column}_${number}`;
  return name;
}

function addForeignKey(cursor: Cursor, draft: TableDraft, constraint: string | undefined): void {
  const indexName = cursor.is('(') ? undefined : cursor.name();
  const columns = readKeyParts(cursor).flatMap((part) => (part.column === undefined ? [] : [part.column]));
  if (!cursor.take('references')) throw new Error('FOREIGN KEY without REFERENCES');
  addReference(cursor, draft, constraint ?? indexName, columns);
  // InnoDB makes an index for the key unless one begins with its columns.
  const isCovered = draft.indexes.some((index) =>
    columns.every((column, at) => index.columns[at] === column),
  );
  if (!isCovered && columns[0] !== undefined) {
    const name = constraint ?? indexName ?? freeName(draft, columns[0]);
    draft.pendingIndexes.push({ name, columns });
  }
}

export function completeIndexes(draft: TableDraft): void {
  for (const { name, columns } of draft.pendingIndexes) {
    if (draft.indexes.some((index) => columns.every((column, at) => index.columns[at] === column))) continue;
    draft.indexes.push({
      name,
      isUnique: false,
      isPrimary: false,
      isValid: true,
      isImmediate: true,
      method: 'btree',
      columns,
      hasExpression: false,
      include: [],
      definition: `KEY ${quoteIdentifier(name)} (${columns.map(quoteIdentifier).join(', ')})`,
      isInherited: false,
    });
  }
  draft.pendingIndexes = [];
}

function addReference(
  cursor: Cursor,
  draft: TableDraft,
  constraint: string | undefined,
  columns: readonly string[],
): void {
  const parent = cursor.relation(draft.schema);
  if (parent === undefined) throw new Error('REFERENCES without a relation');
  const parentColumns = readKeyParts(cursor).flatMap((part) =>
    part.column === undefined ? [] : [part.column],
  );
  let onDelete: ReferentialAction = 'no action';
  let onUpdate: ReferentialAction = 'no action';
  if (cursor.take('match')) cursor.at += 1;
  while (cursor.is('on', 'delete') || cursor.is('on', 'update')) {
    const isDelete = cursor.is('on', 'delete');
    cursor.at += 2;
    const action: ReferentialAction = cursor.take('cascade')
      ? 'cascade'
      : cursor.take('set', 'null')
        ? 'set null'
        : cursor.take('set', 'default')
          ? 'set default'
          : 'no action';
    // InnoDB: RESTRICT is another name for it.
    if (action === 'no action' && !cursor.take('restrict')) cursor.take('no', 'action');
    if (isDelete) onDelete = action;
    else onUpdate = action;
  }
  const number = draft.foreignKeys.filter((key) => key.name.startsWith(`${draft.name}_ibfk_`)).length + 1;
  const qualified =
    parent.schema === draft.schema
      ? quoteIdentifier(parent.name)
      : `${quoteIdentifier(parent.schema)}.${quoteIdentifier(parent.name)}`;
  const list = (names: readonly string[]): string => names.map(quoteIdentifier).join(', ');
  draft.foreignKeys.push({
    name: constraint ?? `${draft.name}_ibfk_${number}`,
    columns,
    parent: relationId(parent.schema, parent.name),
    parentColumns,
    onDelete,
    onUpdate,
    match: 'simple',
    isDeferrable: false,
    isInitiallyDeferred: false,
    isValidated: true,
    isInherited: false,
    definition:
      `FOREIGN KEY (${list(columns)}) REFERENCES ${qualified} (${list(parentColumns)})` +
      ` ON DELETE ${onDelete.toUpperCase()} ON UPDATE ${onUpdate.toUpperCase()}`,
  });
}

function addCheck(cursor: Cursor, draft: TableDraft, constraint: string | undefined): void {
  const expression = cursor.is('(') ? cursor.parenthesised() : '';
  const isValidated = !cursor.take('not', 'enforced');
  draft.checks.push({
    name: constraint ?? `${draft.name}_chk_${draft.checks.length + 1}`,
    expression,
    isValidated,
    isNoInherit: false,
    isInherited: false,
  });
}

/** Names that other systems use for a type, as the server stores them. */
const SYNONYMS: Readonly<Record<string, string>> = {
  integer: 'int',
  int1: 'tinyint',
  int2: 'smallint',
  int3: 'mediumint',
  int4: 'int',
  int8: 'bigint',
  middleint: 'mediumint',
  dec: 'decimal',
  numeric: 'decimal',
  fixed: 'decimal',
  real: 'double',
  float4: 'float',
  float8: 'double',
  bool: 'tinyint(1)',
  boolean: 'tinyint(1)',
  nvarchar: 'varchar',
  nchar: 'char',
  character: 'char',
  long: 'mediumtext',
};

function readColumn(cursor: Cursor, draft: TableDraft): void {
  const name = cursor.name();
  if (name === undefined) throw new Error('a column without a name');
  const column: MysqlColumnDraft = {
    name,
    position: draft.columns.length + 1,
    ...readType(cursor),
    isArray: false,
    isNullable: true,
    isInherited: false,
  };
  const known = draft.columns.findIndex((candidate) => candidate.name === name);
  if (known === -1) draft.columns.push(column);
  else draft.columns[known] = { ...column, position: known + 1 };
  const target = draft.columns[known === -1 ? draft.columns.length - 1 : known] as MysqlColumnDraft;
  if (target.baseType === 'serial') {
    Object.assign(target, {
      type: 'bigint unsigned',
      baseType: 'bigint',
      isNullable: false,
      autoIncrement: true,
    });
    addColumnKey(draft, name, 'unique');
  }
  readAttributes(cursor, draft, target);
}

function readType(cursor: Cursor): { type: string; baseType: string } {
  const begin = cursor.at;
  const written = cursor.name()?.toLowerCase() ?? '';
  if (written === 'double') cursor.take('precision');
  if (written === 'character' && cursor.take('varying')) return lengthOf(cursor, 'varchar');
  if (written === 'national') {
    cursor.takeAny('varchar', 'char', 'character');
    return lengthOf(cursor, 'varchar');
  }
  const base = SYNONYMS[written] ?? written;
  if (base === 'enum' || base === 'set') {
    if (cursor.is('(')) cursor.at = cursor.closing() + 1;
    return { type: cursor.textFrom(begin).replace(/^[a-z]+/i, base), baseType: base };
  }
  return lengthOf(cursor, base);
}

function lengthOf(cursor: Cursor, base: string): { type: string; baseType: string } {
  const length = cursor.is('(') ? `(${cursor.parenthesised().replaceAll(/\s+/g, '')})` : '';
  let type = `${base}${length}`;
  if (base === 'decimal' && length === '') type = 'decimal(10,0)';
  else if (base === 'decimal' && !length.includes(',')) type = `decimal${length.replace(')', ',0)')}`;
  if ((base === 'char' || base === 'binary' || base === 'bit') && length === '') type = `${base}(1)`;
  if (base === 'year' && length === '') type = 'year(4)';
  for (;;) {
    const word = cursor.takeAny('unsigned', 'signed', 'zerofill');
    if (word === undefined) break;
    if (word !== 'signed') type += ` ${word}`;
  }
  return { type: normaliseType(type), baseType: base.replace(/\(.*/, '') };
}

function addColumnKey(draft: TableDraft, column: string, kind: 'primary' | 'unique'): void {
  const cursor = new Cursor(`(${quoteIdentifier(column)})`);
  addIndex(cursor, draft, undefined, kind);
}

function readAttributes(cursor: Cursor, draft: TableDraft, column: MysqlColumnDraft): void {
  while (!cursor.done && !cursor.is(',') && !cursor.is(')')) {
    if (cursor.take('not', 'null')) column.isNullable = false;
    else if (cursor.take('null')) column.isNullable = true;
    else if (cursor.take('default')) {
      const value = defaultValue(cursor);
      if (value.toUpperCase() !== 'NULL') column.default = value;
    } else if (cursor.take('auto_increment')) {
      column.autoIncrement = true;
      column.isNullable = false;
    } else if (cursor.take('on', 'update')) column.onUpdate = defaultValue(cursor);
    else if (cursor.take('comment')) {
      const comment = cursor.tokens[cursor.at]?.value ?? '';
      cursor.at += 1;
      if (comment !== '') column.comment = comment;
    } else if (cursor.take('collate')) column.collation = cursor.name() ?? '';
    else if (cursor.take('character', 'set') || cursor.take('charset'))
      column.characterSet = cursor.name() ?? '';
    else if (cursor.take('primary', 'key')) addColumnKey(draft, column.name, 'primary');
    else if (cursor.take('unique')) {
      cursor.takeAny('key', 'index');
      addColumnKey(draft, column.name, 'unique');
    } else if (cursor.is('as', '(') || cursor.is('generated', 'always')) {
      cursor.take('generated', 'always');
      cursor.take('as');
      const expression = cursor.parenthesised();
      column.generated = {
        expression,
        stored:
          cursor.takeAny('stored', 'persistent', 'virtual') !== undefined &&
          cursor.tokens[cursor.at - 1]?.word !== 'virtual',
      };
    } else if (cursor.take('invisible')) column.invisible = true;
    else if (cursor.take('srid')) {
      column.srid = Number(cursor.tokens[cursor.at]?.value);
      cursor.at += 1;
    } else if (cursor.take('check')) addCheck(cursor, draft, undefined);
    // MySQL ignores an inline reference, MariaDB keeps it; for boundaries it says the same thing.
    else if (cursor.take('references')) addReference(cursor, draft, undefined, [column.name]);
    else if (cursor.is('(')) cursor.at = cursor.closing() + 1;
    else cursor.at += 1;
  }
}

function defaultValue(cursor: Cursor): string {
  const begin = cursor.at;
  if (cursor.is('(')) {
    cursor.at = cursor.closing() + 1;
    return cursor.textFrom(begin);
  }
  if (cursor.tokens[cursor.at]?.kind === 'mark') cursor.at += 1; // a sign
  cursor.at += 1;
  // b'0', x'ff', _utf8'…', current_timestamp(3)
  if (cursor.tokens[cursor.at]?.kind === 'text' && cursor.tokens[cursor.at - 1]?.kind === 'name')
    cursor.at += 1;
  if (cursor.is('(')) cursor.at = cursor.closing() + 1;
  return cursor.textFrom(begin);
}

function readOptions(cursor: Cursor, draft: TableDraft): void {
  while (!cursor.done) {
    if (cursor.take('partition', 'by')) {
      const kind = [cursor.take('linear') ? 'LINEAR ' : '', cursor.name()?.toUpperCase() ?? ''].join('');
      const columns = cursor.take('columns') ? ' COLUMNS' : '';
      const expression = cursor.is('(') ? cursor.parenthesised() : '';
      draft.partitionBy = `${kind}${columns} (${expression})`;
      return;
    }
    if (cursor.take('comment')) {
      cursor.take('=');
      const comment = cursor.tokens[cursor.at]?.value ?? '';
      if (comment !== '') draft.comment = comment;
    } else if (cursor.take('engine')) {
      cursor.take('=');
      draft.options.push(`ENGINE=${cursor.name() ?? ''}`);
      continue;
    }
    cursor.at += 1;
  }
}

/** Stands after the table's name: one ALTER TABLE of dump tools (keys and auto-increment added after the data). */
export function alterTable(cursor: Cursor, draft: TableDraft): void {
  const end = cursor.tokens.length;
  while (cursor.at < end) {
    if (cursor.take('add')) {
      cursor.take('column');
      if (cursor.is('(')) cursor.at += 1;
      readElement(cursor, draft);
    } else if (cursor.takeAny('modify', 'change') !== undefined) {
      const isChange = cursor.tokens[cursor.at - 1]?.word === 'change';
      cursor.take('column');
      if (isChange) {
        const from = cursor.name();
        const to = cursor.tokens[cursor.at]?.value;
        const column = draft.columns.find((candidate) => candidate.name === from);
        if (column !== undefined && to !== undefined) column.name = to;
      }
      readColumn(cursor, draft);
    } else if (cursor.is('partition', 'by') || cursor.is('comment') || cursor.is('engine')) {
      readOptions(cursor, draft);
    }
    skipToComma(cursor, end);
  }
}

/** Stands after CREATE: `[UNIQUE|FULLTEXT|SPATIAL] INDEX name ON t (…)`. */
export function createIndex(
  cursor: Cursor,
  schema: string,
  find: (id: RelationId) => TableDraft | undefined,
): boolean {
  const kind = cursor.takeAny('unique', 'fulltext', 'spatial') ?? 'plain';
  if (!cursor.take('index')) return false;
  cursor.take('if', 'not', 'exists');
  const name = cursor.name();
  if (cursor.take('using')) cursor.at += 1;
  if (!cursor.take('on')) return false;
  const relation = cursor.relation(schema);
  const draft = relation === undefined ? undefined : find(relationId(relation.schema, relation.name));
  if (draft === undefined) return false;
  addIndex(cursor, draft, name, kind);
  return true;
}

export function uniqueKeysOf(indexes: readonly Index[]): UniqueKey[] {
  return indexes
    .filter((index) => index.isUnique && !index.hasExpression && index.predicate === undefined)
    .map((index) => ({
      name: index.name,
      kind: index.isPrimary ? ('primary' as const) : ('unique' as const),
      columns: index.columns,
      isDeferrable: false,
      isInitiallyDeferred: false,
      nullsNotDistinct: false,
      include: [],
    }));
}
