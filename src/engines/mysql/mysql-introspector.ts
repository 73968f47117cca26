/** MySQL and MariaDB → the schema model, from information_schema. A schema of the model is a database of the server. */
import type { DatabaseSchema, Relation, UnsupportedObject } from '../../model/database-schema.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { IntrospectOptions, Introspector } from '../engine.js';
import { accountOf } from './mysql-accounts.js';
import { autoIncrementSequences } from './mysql-auto-increment.js';
import * as catalogue from './mysql-catalogue.js';
import { optional, present, text, type Row } from './mysql-catalogue-row.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { flavorOf, versionNumber } from './mysql-flavor.js';
import { readGranted } from './mysql-granted.js';
import { hiddenBodies, readHidden } from './mysql-hidden.js';
import { withJsonColumns } from './mysql-json-alias.js';
import { readCalledRoutines, readQualifiedNames, routineNames } from './mysql-names.js';
import {
  readChecks,
  readColumn,
  readForeignKeys,
  readIndexes,
  readTriggers,
  tableOptions,
  viewOptions,
  uniqueKeys,
  writtenRules,
} from './mysql-relation-rows.js';
import { qualifyRoutine, readRoutines } from './mysql-routine-rows.js';
import { quoteRelation } from './mysql-sql.js';

const SYSTEM = new Set(['mysql', 'information_schema', 'performance_schema', 'sys', 'dbps']);

function groupByRelation(rows: readonly Row[]): Map<RelationId, Row[]> {
  const groups = new Map<RelationId, Row[]>();
  for (const row of rows) {
    const id = relationId(text(row, 'table_schema'), text(row, 'table_name'));
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [row]);
    else group.push(row);
  }
  return groups;
}

/** Those whose bodies this account sees, and the names of the others: information_schema shows NULL. */
function splitByBody(
  routines: readonly Row[],
): readonly [shown: readonly Row[], unseen: ReadonlySet<RelationId>] {
  const isShown = (row: Row) => row['routine_definition'] != null;
  const others = routines.filter((row) => !isShown(row));
  const ids = others.map((row) => relationId(text(row, 'routine_schema'), text(row, 'routine_name')));
  return [routines.filter(isShown), new Set(ids)];
}

export class MysqlIntrospector implements Introspector {
  readonly #session: MysqlQueryable;
  readonly #database: string;

  constructor(session: MysqlQueryable, database: string) {
    this.#session = session;
    this.#database = database;
  }

  /** The schemas of the named relations, cut down to them: partitions are no relations of their own here. */
  async readRelations(relations: readonly RelationId[]): Promise<DatabaseSchema> {
    const schemas = [...new Set(relations.map((id) => parseRelationId(id).schema))];
    const schema = await this.#read({ schemas });
    return { ...schema, relations: schema.relations.filter((relation) => relations.includes(relation.id)) };
  }

  async read(options: IntrospectOptions): Promise<DatabaseSchema> {
    const schema = await this.#read(options);
    const reader = { account: schema.administrators?.[0] ?? '', product: schema.product };
    const hidden = await readHidden(this.#session, reader, schema.schemas);
    return { ...schema, unsupported: [...hidden, ...schema.unsupported] };
  }

  async #read(options: IntrospectOptions): Promise<DatabaseSchema> {
    const [versionRow] = await this.#session.query({
      sql: 'SELECT version() AS version, current_user() AS account',
    });
    const version = text(versionRow ?? {}, 'version');
    const flavor = flavorOf(version);
    const schemas = await this.#schemas(options.schemas);
    const base = {
      engine: 'mysql',
      product: `${flavor.product} ${/\d+\.\d+\.\d+/.exec(version.replace(/^5\.5\.5-/, ''))?.[0] ?? version}`,
      version: versionNumber(version),
      database: this.#database,
      origin: 'live',
      schemas,
      types: [],
      extensions: [],
      // The account that reads is dbps's own, and another one on another server.
      administrators: [accountOf(text(versionRow ?? {}, 'account'))],
    } as const;
    if (schemas.length === 0) return { ...base, relations: [], sequences: [], routines: [], unsupported: [] };

    const ask = async (sql: string): Promise<readonly Row[]> => {
      options.signal?.throwIfAborted();
      return this.#session.query({ sql, values: [schemas] });
    };
    const tables = await ask(catalogue.tablesSql);
    const rowsOf = {
      columns: groupByRelation(await ask(catalogue.columnsSql(flavor))),
      indexes: groupByRelation(await ask(catalogue.indexesSql(flavor))),
      foreignKeys: groupByRelation(
        await this.#withRules(await ask(catalogue.foreignKeysSql), options.signal),
      ),
      checks: groupByRelation(await ask(flavor.checksSql)),
      views: groupByRelation(await ask(catalogue.viewsSql)),
      triggers: groupByRelation(await ask(catalogue.triggersSql)),
      partitions: groupByRelation(await ask(catalogue.partitionsSql)),
    };
    const known = new Set(
      tables.map((row) => relationId(text(row, 'table_schema'), text(row, 'table_name'))),
    );
    const granted = await readGranted(this.#session, schemas);
    const stored = await ask(catalogue.routinesSql);
    const callable = routineNames(
      stored.map((row) => relationId(text(row, 'routine_schema'), text(row, 'routine_name'))),
    );
    const [shown, unseen] = splitByBody(stored);
    const read = readRoutines(
      await this.#withDefinitions(shown, 'routine', options.signal),
      await this.#withDefinitions(await ask(catalogue.eventsSql), 'event', options.signal),
      await ask(catalogue.parametersSql),
      known,
      callable,
      granted,
    );
    // Nobody can make it where what it calls is not.
    const routines = read.filter(
      ({ kind, calls }) => kind !== 'event' || !calls.some((id) => unseen.has(id)),
    );
    const partitionClauses = await this.#partitionClauses([...rowsOf.partitions.keys()], options.signal);
    const parsers = await this.#fullTextParsers(rowsOf.indexes, options.signal);
    const unsupported: UnsupportedObject[] = hiddenBodies(
      [...unseen, ...read.filter((routine) => !routines.includes(routine)).map(({ id }) => id)],
      base.administrators[0],
      flavor,
    );
    const relations = tables
      .filter((row) => text(row, 'table_type') !== 'SEQUENCE')
      .map((row): Relation => {
        const schema = text(row, 'table_schema');
        const name = text(row, 'table_name');
        const id = relationId(schema, name);
        const isView = text(row, 'table_type').includes('VIEW');
        const indexes = readIndexes(rowsOf.indexes.get(id) ?? [], flavor, parsers.get(id));
        const definition = optional(rowsOf.views.get(id)?.[0] ?? {}, 'view_definition');
        return withJsonColumns(
          present<Relation>({
            id,
            schema,
            name,
            // Partitions are storage of one table here, no relations of their own.
            kind: isView ? 'view' : 'table',
            owner: undefined,
            comment: isView ? undefined : text(row, 'table_comment') || undefined,
            columns: (rowsOf.columns.get(id) ?? []).map((column) => readColumn(column, row, flavor)),
            keys: uniqueKeys(indexes),
            checks: readChecks(rowsOf.checks.get(id) ?? [], flavor),
            exclusions: [],
            foreignKeys: readForeignKeys(rowsOf.foreignKeys.get(id) ?? []),
            indexes,
            triggers: readTriggers(rowsOf.triggers.get(id) ?? [], schema, known, callable),
            rules: [],
            policies: [],
            rowSecurity: 'off',
            grants: granted.onRelation(id),
            partitionOf: undefined,
            partitionBy: partitionClauses.get(id),
            inherits: [],
            // Row images are full by setting, not by relation: capture checks binlog_row_image instead.
            replicaIdentity: { kind: 'full' },
            persistence: text(row, 'table_type') === 'TEMPORARY' ? 'temporary' : 'permanent',
            options: isView ? viewOptions(rowsOf.views.get(id)?.[0]) : tableOptions(row),
            estimatedRows: row['table_rows'] == null ? null : Number(row['table_rows']),
            bytes: row['bytes'] == null ? null : Number(row['bytes']),
            definition,
            reads:
              definition === undefined
                ? []
                : readQualifiedNames(definition).filter((other) => known.has(other)),
            calls: readCalledRoutines(definition ?? '', schema, callable),
          }),
        );
      });
    for (const row of tables) {
      if (text(row, 'table_type') !== 'SEQUENCE') continue;
      unsupported.push({
        kind: 'sequence',
        name: relationId(text(row, 'table_schema'), text(row, 'table_name')),
        reason: 'MariaDB sequences are not carried over',
      });
    }
    return { ...base, relations, sequences: autoIncrementSequences(relations), routines, unsupported };
  }

  async #withRules(keys: readonly Row[], signal?: AbortSignal): Promise<readonly Row[]> {
    const idOf = (row: Row) => relationId(text(row, 'table_schema'), text(row, 'table_name'));
    const rules = new Map<string, Pick<Row, 'delete_rule' | 'update_rule'>>();
    for (const id of new Set(keys.filter((row) => row['delete_rule'] == null).map(idOf))) {
      signal?.throwIfAborted();
      const [row] = await this.#session.query({ sql: `SHOW CREATE TABLE ${quoteRelation(id)}` });
      for (const { name, ...rule } of writtenRules(text(row ?? {}, 'create table')))
        rules.set(`${id} ${name}`, rule);
    }
    return keys.map((row) => ({ ...row, ...rules.get(`${idOf(row)} ${text(row, 'constraint_name')}`) }));
  }

  /** information_schema shows partitions one by one; only SHOW CREATE has the clause as it can be written again. */
  async #partitionClauses(
    ids: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<RelationId, string>> {
    const clauses = new Map<RelationId, string>();
    for (const id of ids) {
      signal?.throwIfAborted();
      const [row] = await this.#session.query({ sql: `SHOW CREATE TABLE ${quoteRelation(id)}` });
      const clause = /\bPARTITION BY\s+([\s\S]*?)\s*(?:\*\/)?\s*$/.exec(text(row ?? {}, 'create table'))?.[1];
      if (clause !== undefined) clauses.set(id, clause.replace(/\s+/g, ' '));
    }
    return clauses;
  }

  /** By relation and index, as comments that only who knows parsers reads. */
  async #fullTextParsers(
    indexes: ReadonlyMap<RelationId, readonly Row[]>,
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<RelationId, ReadonlyMap<string, string>>> {
    const found = new Map<RelationId, ReadonlyMap<string, string>>();
    for (const [id, rows] of indexes) {
      if (!rows.some((row) => row['index_type'] === 'FULLTEXT')) continue;
      signal?.throwIfAborted();
      const [row] = await this.#session.query({ sql: `SHOW CREATE TABLE ${quoteRelation(id)}` });
      const named = text(row ?? {}, 'create table').matchAll(
        /^\s*FULLTEXT KEY `((?:[^`]|``)+)` .*?(\/\*!50100 WITH PARSER `(?:[^`]|``)+` ?\*\/)/gm,
      );
      found.set(
        id,
        new Map([...named].map(([, name = '', clause = '']) => [name.replaceAll('``', '`'), clause])),
      );
    }
    return found;
  }

  async #withDefinitions(
    rows: readonly Row[],
    prefix: 'routine' | 'event',
    signal?: AbortSignal,
  ): Promise<readonly Row[]> {
    const complete: Row[] = [];
    for (const row of rows) {
      signal?.throwIfAborted();
      const kind =
        prefix === 'event' ? 'EVENT' : text(row, 'routine_type') === 'PROCEDURE' ? 'PROCEDURE' : 'FUNCTION';
      const statement = await this.#routineDefinition(
        kind,
        text(row, `${prefix}_schema`),
        text(row, `${prefix}_name`),
      );
      complete.push({ ...row, statement });
    }
    return complete;
  }

  /** Complete statements, without the definer: that account need not exist elsewhere. Null where this user may not see the body. */
  async #routineDefinition(
    kind: 'PROCEDURE' | 'FUNCTION' | 'EVENT',
    schema: string,
    name: string,
  ): Promise<string | null> {
    const [row] = await this.#session.query({
      sql: `SHOW CREATE ${kind} ${quoteRelation(relationId(schema, name))}`,
    });
    const sql = row?.[`create ${kind.toLowerCase()}`] ?? null;
    // MySQL keeps the semicolon that a client of several statements sent along.
    return sql === null ? null : qualifyRoutine(sql.replace(/;\s*$/, ''), kind, schema, name);
  }

  async #schemas(wanted: readonly string[] | undefined): Promise<readonly string[]> {
    const rows = await this.#session.query({
      sql: 'SELECT schema_name FROM information_schema.schemata ORDER BY 1',
    });
    const all = rows.map((row) => text(row, 'schema_name')).filter((name) => !SYSTEM.has(name.toLowerCase()));
    // One server holds many databases of no concern here: without a list, the connection's own.
    const names = wanted ?? (this.#database === '' ? all : [this.#database]);
    return all.filter((name) => names.includes(name));
  }
}
