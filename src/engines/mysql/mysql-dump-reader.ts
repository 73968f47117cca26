/**
 * Reads a MySQL or MariaDB script (mysqldump, mariadb-dump, phpMyAdmin, hand-written) into the model that the
 * introspector gives. No package reads this dialect reliably, so it is a tolerant extractor: what it cannot read is
 * listed with its line.
 */
import path from 'node:path';
import type {
  DatabaseSchema,
  Relation,
  Routine,
  Trigger,
  UnsupportedObject,
} from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import type { DumpReader, DumpSource, WrittenName } from '../engine.js';
import {
  alterTable,
  completeIndexes,
  createIndex,
  createTableDraft,
  Cursor,
  readTableBody,
  uniqueKeysOf,
  type TableDraft,
} from './mysql-dump-tables.js';
import { autoIncrementSequences } from './mysql-auto-increment.js';
import { withJsonColumns } from './mysql-json-alias.js';
import { MysqlSplitter, type MysqlStatement } from './mysql-dump-splitter.js';
import { versionNumber } from './mysql-flavor.js';
import { readCalledRoutines, readTouchedRelations, routineNames, type RoutineNames } from './mysql-names.js';
import { readTokens } from './mysql-lexer.js';
import { readMysqlStatement } from './mysql-statement-reader.js';

export const mysqlDumpReader: DumpReader = {
  read: (source) => new MysqlDump(source).read(),
};

const HEADER = /^(?:\/\*M!.*\n)?-- (MySQL|MariaDB) dump\b.*$/m;
const COMPLETED = /^-- Dump completed/m;
/** Statements that say nothing about shape. */
const SILENT =
  /^(?:set|lock|unlock|insert|replace|update|delete|commit|start|begin|rollback|truncate|flush|analyze|optimize|source|delimiter|call|do|select|show|grant|revoke|purge|reset|stop|change|load|kill|handler|xa|savepoint|release)$/;

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

interface ViewDraft {
  readonly id: RelationId;
  readonly schema: string;
  readonly name: string;
  readonly definition: string;
  /** Names alone: types are known where the server resolved them. */
  readonly columns: readonly string[];
}

class MysqlDump {
  private readonly tables = new Map<RelationId, TableDraft>();
  private readonly views = new Map<RelationId, ViewDraft>();
  /** Columns of what mysqldump writes for a view before the relations it reads are there. */
  private readonly standIns = new Map<RelationId, readonly string[]>();
  private readonly triggers: { relation: RelationId; schema: string; trigger: Trigger; body: string }[] = [];
  private readonly routines = new Map<string, Routine & { readonly body: string }>();
  private readonly unsupported: UnsupportedObject[] = [];
  private readonly schemas = new Set<string>();
  private schema: string;
  private readonly fileName: string;

  constructor(private readonly source: DumpSource) {
    this.fileName = path.basename(source.name).replace(/\.[^.]*$/, '');
    this.schema = '';
  }

  async read(): Promise<DatabaseSchema> {
    const splitter = new MysqlSplitter();
    let head = '';
    let tail = '';
    let lastLine = 1;
    const take = (statements: readonly MysqlStatement[]): void => {
      for (const statement of statements) {
        lastLine = statement.line;
        this.statement(statement);
      }
    };
    for await (const piece of this.source.text) {
      this.source.signal?.throwIfAborted();
      if (head === '') {
        head = piece.slice(0, 4000);
        const host = /^-- Host: .*?\sDatabase: (\S+)/m.exec(head)?.[1];
        if (this.schema === '') this.schema = host ?? this.source.defaultSchema ?? this.fileName;
      }
      tail = (tail + piece).slice(-400);
      take(splitter.push(piece));
    }
    take(splitter.end());
    if (
      HEADER.test(head) &&
      /^-- Host:/m.test(head) &&
      !COMPLETED.test(tail) &&
      !/--skip-comments/.test(head)
    )
      this.unsupported.push({
        kind: 'truncated dump',
        name: path.basename(this.source.name),
        line: lastLine,
        reason:
          'mysqldump writes "Dump completed" last; this file ends before it, so relations may be missing',
      });
    return this.finish(head);
  }

  private finish(head: string): DatabaseSchema {
    const server = /^-- Server version\s+(\S+)/m.exec(head)?.[1];
    const isMaria = /mariadb/i.test(head.slice(0, 400)) || /mariadb/i.test(server ?? '');
    const known = new Set([...this.tables.keys(), ...this.views.keys()]);
    const callable = routineNames(
      [...this.routines.values()].filter(({ kind }) => kind !== 'event').map(({ id }) => id),
    );
    const product = isMaria ? 'MariaDB' : 'MySQL';
    const number = /\d+\.\d+\.\d+/.exec(server ?? '')?.[0];
    const relations = [...this.tables.values()]
      .map((draft) => this.table(draft, known, callable))
      .concat([...this.views.values()].map((view) => viewRelation(view, known, callable)))
      .sort((a, b) => byText(a.id, b.id));
    return {
      engine: 'mysql',
      product: number === undefined ? product : `${product} ${number}`,
      version: versionNumber(server ?? ''),
      database: this.schema,
      origin: 'dump',
      schemas: [...this.schemas].sort(byText),
      relations,
      types: [],
      sequences: autoIncrementSequences(relations),
      routines: [...this.routines.values()]
        .map(({ body, ...routine }) => ({
          ...routine,
          ...readTouchedRelations(body, routine.schema, known),
          // Its own name comes before its parameters.
          calls: readCalledRoutines(body, routine.schema, callable).filter((call) => call !== routine.id),
        }))
        .sort((a, b) => byText(a.id, b.id)),
      extensions: [],
      unsupported: this.unsupported,
    };
  }

  private table(draft: TableDraft, known: ReadonlySet<RelationId>, callable: RoutineNames): Relation {
    completeIndexes(draft);
    const { isTemporary, pendingIndexes: _pending, ...rest } = draft;
    const indexes = [...draft.indexes].sort((a, b) => byText(a.name, b.name));
    return withJsonColumns({
      ...emptyRelation(draft.id, draft.schema, draft.name),
      ...rest,
      // Partitions are storage of one table here, no relations of their own.
      kind: 'table',
      persistence: isTemporary ? 'temporary' : 'permanent',
      indexes,
      keys: uniqueKeysOf(indexes),
      foreignKeys: [...draft.foreignKeys].sort((a, b) => byText(a.name, b.name)),
      triggers: this.triggers
        .filter((entry) => entry.relation === draft.id)
        .map(({ trigger, body, schema }) => {
          const calls = readCalledRoutines(body, schema, callable);
          return {
            ...trigger,
            ...readTouchedRelations(body, schema, known),
            ...(calls.length > 0 && { calls }),
          };
        }),
    });
  }

  private statement(statement: MysqlStatement): void {
    const cursor = new Cursor(statement.text);
    if (cursor.done) return;
    const first = cursor.tokens[0]?.word ?? '';
    const label = statement.text.trim().split('\n', 1)[0]?.slice(0, 80) ?? '';
    const refuse = (kind: string, reason: string): void => {
      this.unsupported.push({ kind, name: label, line: statement.line, reason });
    };
    try {
      if (
        first === 'create' ||
        first === 'alter' ||
        first === 'drop' ||
        first === 'rename' ||
        first === 'use'
      ) {
        if (!this.define(cursor, first))
          refuse(`${first} statement`, 'analysis has no use for this kind of statement');
      } else if (statement.isTruncated && !SILENT.test(first)) refuse('truncated dump', 'cut off');
      // `/*!999999\- enable the sandbox mode */` heads newer MariaDB dumps.
      else if (!SILENT.test(first) && first !== '\\')
        refuse('statement', `no statement begins with "${cursor.tokens[0]?.value ?? ''}"`);
    } catch (error) {
      refuse(
        statement.isTruncated ? 'truncated dump' : 'statement',
        error instanceof Error ? error.message : String(error),
      );
    }
  }

  /** @returns false for what is not understood. @throws Error saying why something cannot be read. */
  private define(cursor: Cursor, verb: string): boolean {
    cursor.at = 1;
    switch (verb) {
      case 'use': {
        this.schema = cursor.name() ?? this.schema;
        return true;
      }
      case 'create':
        return this.create(cursor);
      case 'alter': {
        cursor.takeAny('online', 'ignore');
        if (cursor.is('database') || cursor.is('view') || cursor.is('user') || cursor.is('schema'))
          return true;
        if (!cursor.take('table')) return false;
        cursor.take('if', 'exists');
        const name = cursor.relation(this.schema);
        const draft = name === undefined ? undefined : this.tables.get(relationId(name.schema, name.name));
        if (draft === undefined) throw new Error('it changes a relation that the dump does not define');
        alterTable(cursor, draft);
        return true;
      }
      case 'drop': {
        const kind = cursor.takeAny('table', 'view', 'temporary');
        cursor.take('table');
        cursor.take('if', 'exists');
        for (let name = cursor.relation(this.schema); kind !== undefined && name !== undefined;) {
          this.tables.delete(relationId(name.schema, name.name));
          this.views.delete(relationId(name.schema, name.name));
          name = cursor.take(',') ? cursor.relation(this.schema) : undefined;
        }
        return true;
      }
      default:
        return this.renameTable(cursor);
    }
  }

  private renameTable(cursor: Cursor): boolean {
    if (!cursor.take('table')) return false;
    const from = cursor.relation(this.schema);
    if (!cursor.take('to') || from === undefined) return false;
    const to = cursor.relation(this.schema);
    const draft = this.tables.get(relationId(from.schema, from.name));
    if (to === undefined || draft === undefined) return false;
    this.tables.delete(draft.id);
    Object.assign(draft, { id: relationId(to.schema, to.name), ...to });
    this.tables.set(draft.id, draft);
    return true;
  }

  private create(cursor: Cursor): boolean {
    let isTemporary = false;
    // OR REPLACE, DEFINER=…, ALGORITHM=…, SQL SECURITY …, AGGREGATE come before what is created.
    const kinds = [
      'table',
      'view',
      'trigger',
      'procedure',
      'function',
      'event',
      'database',
      'schema',
      'index',
      'unique',
      'fulltext',
      'spatial',
      'user',
      'role',
      'sequence',
      'server',
      'tablespace',
    ];
    while (!cursor.done && !kinds.includes(cursor.tokens[cursor.at]?.word ?? '')) {
      if (cursor.is('temporary')) isTemporary = true;
      cursor.at += 1;
    }
    const kind = cursor.tokens[cursor.at]?.word;
    if (kind === 'index' || kind === 'unique' || kind === 'fulltext' || kind === 'spatial')
      return createIndex(cursor, this.schema, (id) => this.tables.get(id));
    cursor.at += 1;
    cursor.take('if', 'not', 'exists');
    switch (kind) {
      case 'table':
        this.createTable(cursor, isTemporary);
        return true;
      case 'view':
        this.createView(cursor);
        return true;
      case 'trigger':
        return this.createTrigger(cursor);
      case 'procedure':
      case 'function':
      case 'event':
        this.createRoutine(cursor, kind);
        return true;
      case 'database':
      case 'schema':
      case 'user':
      case 'role':
      case 'server':
      case 'tablespace':
        return true;
      default:
        return false;
    }
  }

  private createTable(cursor: Cursor, isTemporary: boolean): void {
    const name = cursor.relation(this.schema);
    if (name === undefined) throw new Error('a table without a name');
    const id = relationId(name.schema, name.name);
    const draft = createTableDraft(name.schema, name.name);
    draft.isTemporary = isTemporary;
    if (cursor.take('like') || cursor.is('(', 'like')) {
      if (cursor.is('(')) cursor.at += 2;
      const like = cursor.relation(this.schema);
      const original = like === undefined ? undefined : this.tables.get(relationId(like.schema, like.name));
      if (original === undefined) throw new Error('LIKE names a relation that the dump does not define');
      draft.columns = original.columns.map((column) => ({ ...column }));
      draft.indexes = [...original.indexes];
    } else readTableBody(cursor, draft);
    this.tables.set(id, draft);
    this.schemas.add(name.schema);
  }

  private createView(cursor: Cursor): void {
    const name = cursor.relation(this.schema);
    if (name === undefined) throw new Error('a view without a name');
    const id = relationId(name.schema, name.name);
    while (!cursor.done && !cursor.is('as')) cursor.at += 1;
    cursor.at += 1;
    this.tables.delete(id);
    const definition = cursor
      .rest()
      .replaceAll(/\/\*M?!\d*\s*|\s*\*\//g, ' ')
      .trim();
    const named = standInColumns(definition);
    // It is dropped before the view itself is made.
    if (named.length > 0) this.standIns.set(id, named);
    this.views.set(id, { id, ...name, definition, columns: this.standIns.get(id) ?? [] });
    this.schemas.add(name.schema);
  }

  private createTrigger(cursor: Cursor): boolean {
    const name = cursor.relation(this.schema);
    const timing = cursor.takeAny('before', 'after');
    const event = cursor.takeAny('insert', 'update', 'delete');
    if (!cursor.take('on')) return false;
    const table = cursor.relation(this.schema);
    if (name === undefined || timing === undefined || event === undefined || table === undefined)
      return false;
    cursor.take('for', 'each', 'row');
    if (cursor.takeAny('follows', 'precedes') !== undefined) cursor.at += 1;
    const body = plainText(cursor.rest());
    this.triggers.push({
      relation: relationId(table.schema, table.name),
      schema: table.schema,
      body,
      trigger: {
        name: name.name,
        timing,
        events: [event],
        level: 'row',
        enabled: 'origin',
        definition: plainText(cursor.sql),
        isInherited: false,
        reads: [],
        writes: [],
      },
    });
    return true;
  }

  private createRoutine(cursor: Cursor, kind: 'procedure' | 'function' | 'event'): void {
    const name = cursor.relation(this.schema);
    if (name === undefined) throw new Error(`a ${kind} without a name`);
    const id = relationId(name.schema, name.name);
    const signature = cursor.is('(') ? `(${cursor.parenthesised()})` : '()';
    const body = plainText(cursor.rest());
    this.routines.set(id, {
      id,
      ...name,
      kind,
      language: 'sql',
      signature,
      isTrigger: false,
      isSecurityDefiner: !/\bsql\s+security\s+invoker\b/i.test(cursor.sql),
      definition: body,
      body,
      reads: [],
      writes: [],
      calls: [],
      isOpaque: /\bPREPARE\b/i.test(body),
      grants: [],
    });
  }
}

/** Conditional comments opened up. */
const plainText = (sql: string): string =>
  sql
    .replaceAll(/\/\*M?!\d*\s?/g, '')
    .replaceAll(/\s?\*\//g, '')
    .trim();

function emptyRelation(id: RelationId, schema: string, name: string): Relation {
  return {
    id,
    schema,
    name,
    kind: 'table',
    columns: [],
    keys: [],
    checks: [],
    exclusions: [],
    foreignKeys: [],
    indexes: [],
    triggers: [],
    rules: [],
    policies: [],
    rowSecurity: 'off',
    grants: [],
    inherits: [],
    replicaIdentity: { kind: 'full' },
    persistence: 'permanent',
    options: [],
    estimatedRows: null,
    bytes: null,
    reads: [],
    calls: [],
  };
}

function viewRelation(view: ViewDraft, known: ReadonlySet<RelationId>, callable: RoutineNames): Relation {
  const use = readMysqlStatement(view.definition);
  const resolve = (name: WrittenName): RelationId => relationId(name.schema ?? view.schema, name.name);
  return {
    ...emptyRelation(view.id, view.schema, view.name),
    kind: 'view',
    columns: view.columns.map((name, at) => ({
      name,
      position: at + 1,
      type: '',
      baseType: '',
      isArray: false,
      isNullable: true,
      isInherited: false,
    })),
    definition: view.definition,
    reads: [...new Set(use.reads.map(resolve))].filter((id) => known.has(id)).sort(byText),
    calls: readCalledRoutines(view.definition, view.schema, callable),
  };
}

/** `SELECT 1 AS `a`, 1 AS `b`` (MariaDB: NULL): what mysqldump writes for a view before the relations it reads are there. Empty for anything else. */
function standInColumns(definition: string): readonly string[] {
  const tokens = readTokens(definition);
  const names: string[] = [];
  if (tokens[0]?.word !== 'select') return [];
  for (let at = 1; at < tokens.length; at += 4) {
    const [one, as, name, next] = tokens.slice(at, at + 4);
    if ((one?.value !== '1' && one?.word !== 'null') || as?.word !== 'as' || name === undefined) return [];
    names.push(name.value);
    if (next !== undefined && next.word !== ',') return [];
  }
  return names;
}
