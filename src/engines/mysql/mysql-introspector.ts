/** MySQL and MariaDB → the schema model, from information_schema. A schema of the model is a database of the server. */
import type {
  Check,
  Column,
  DatabaseSchema,
  ForeignKey,
  Index,
  ReferentialAction,
  Relation,
  Routine,
  Trigger,
  UniqueKey,
  UnsupportedObject,
} from '../../model/database-schema.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { IntrospectOptions, Introspector } from '../engine.js';
import { autoIncrementSequences } from './mysql-auto-increment.js';
import { withJsonColumns } from './mysql-json-alias.js';
import * as catalogue from './mysql-catalogue.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { isFenceTrigger, withoutGuard } from './mysql-fence-body.js';
import { flavorOf, normaliseType, versionNumber, type MysqlFlavor } from './mysql-flavor.js';
import { readGranted, type Granted } from './mysql-granted.js';
import {
  readCalledRoutines,
  readQualifiedNames,
  readTouchedRelations,
  routineNames,
  type RoutineNames,
} from './mysql-names.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';
import { isCaptureTrigger } from './mysql-trigger-log.js';

const SYSTEM = new Set(['mysql', 'information_schema', 'performance_schema', 'sys', 'dbps']);

type Row = Readonly<Record<string, string | null>>;

const text = (row: Row, name: string): string => row[name] ?? '';
const optional = (row: Row, name: string): string | undefined => row[name] ?? undefined;

/** Drops undefined members, so that a model compares equal however it was read. */
function present<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}

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
    const schema = await this.read({ schemas });
    return { ...schema, relations: schema.relations.filter((relation) => relations.includes(relation.id)) };
  }

  async read(options: IntrospectOptions): Promise<DatabaseSchema> {
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
      administrators: [quoteAccount(text(versionRow ?? {}, 'account'))],
    } as const;
    if (schemas.length === 0) return { ...base, relations: [], sequences: [], routines: [], unsupported: [] };

    const ask = async (sql: string): Promise<readonly Row[]> => {
      options.signal?.throwIfAborted();
      return this.#session.query({ sql, values: [schemas] });
    };
    const tables = await ask(catalogue.tablesSql);
    const rowsOf = {
      columns: groupByRelation(await ask(catalogue.columnsSql)),
      indexes: groupByRelation(await ask(catalogue.indexesSql(flavor))),
      foreignKeys: groupByRelation(await ask(catalogue.foreignKeysSql)),
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
    const routines = readRoutines(
      await this.#withDefinitions(stored, 'routine', options.signal),
      await this.#withDefinitions(await ask(catalogue.eventsSql), 'event', options.signal),
      await ask(catalogue.parametersSql),
      known,
      callable,
      granted,
    );
    const partitionClauses = await this.#partitionClauses([...rowsOf.partitions.keys()], options.signal);
    const unsupported: UnsupportedObject[] = [];
    const relations = tables
      .filter((row) => text(row, 'table_type') !== 'SEQUENCE')
      .map((row): Relation => {
        const schema = text(row, 'table_schema');
        const name = text(row, 'table_name');
        const id = relationId(schema, name);
        const isView = text(row, 'table_type').includes('VIEW');
        const indexes = readIndexes(rowsOf.indexes.get(id) ?? [], flavor);
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
            options: isView ? [] : tableOptions(row),
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

function readColumn(row: Row, table: Row, flavor: MysqlFlavor): Column {
  const extra = text(row, 'extra');
  const type = normaliseType(text(row, 'column_type'));
  const isGenerated = /\b(VIRTUAL|STORED|PERSISTENT) GENERATED\b/i.test(extra);
  const onUpdate = /\bon update (\S+)/i.exec(extra)?.[1];
  const collation = optional(row, 'collation_name');
  return present<Column>({
    name: text(row, 'column_name'),
    position: Number(text(row, 'ordinal_position')),
    type,
    baseType: text(row, 'data_type').toLowerCase(),
    userType: undefined,
    isArray: false,
    isNullable: text(row, 'is_nullable') === 'YES',
    default: isGenerated
      ? undefined
      : flavor.defaultExpression({
          column_default: row['column_default'] ?? null,
          extra,
          data_type: text(row, 'data_type').toLowerCase(),
        }),
    identity: undefined,
    sequence: undefined,
    generated: isGenerated
      ? {
          expression: flavor.expression(text(row, 'generation_expression')),
          stored: /STORED|PERSISTENT/i.test(extra),
        }
      : undefined,
    autoIncrement: /auto_increment/i.test(extra) ? true : undefined,
    collation: collation === text(table, 'table_collation') ? undefined : collation,
    characterSet:
      collation === text(table, 'table_collation') ? undefined : optional(row, 'character_set_name'),
    comment: text(row, 'column_comment') || undefined,
    isInherited: false,
    storage: undefined,
    invisible: /\bINVISIBLE\b/i.test(extra) ? true : undefined,
    onUpdate,
  });
}

function readIndexes(rows: readonly Row[], flavor: MysqlFlavor): readonly Index[] {
  const byName = new Map<string, Row[]>();
  for (const row of rows)
    byName.set(text(row, 'index_name'), [...(byName.get(text(row, 'index_name')) ?? []), row]);
  return [...byName].map(([name, parts]): Index => {
    const first = parts[0] as Row;
    const method = text(first, 'index_type');
    const isUnique = text(first, 'non_unique') === '0';
    const isPrimary = name === 'PRIMARY';
    const hasExpression = parts.some((part) => part['expression'] != null);
    const keys = parts.map((part) => {
      const expression = part['expression'];
      const key =
        expression == null
          ? quoteIdentifier(text(part, 'column_name'))
          : `(${flavor.expression(expression)})`;
      const prefix = part['sub_part'] == null ? '' : `(${part['sub_part']})`;
      return `${key}${prefix}${text(part, 'collation') === 'D' ? ' DESC' : ''}`;
    });
    const kind = isPrimary
      ? 'PRIMARY KEY'
      : method === 'FULLTEXT' || method === 'SPATIAL'
        ? `${method} KEY ${quoteIdentifier(name)}`
        : `${isUnique ? 'UNIQUE ' : ''}KEY ${quoteIdentifier(name)}`;
    const invisible = text(first, 'is_visible') === 'NO' ? ' /* not visible to the optimiser */' : '';
    return present<Index>({
      name,
      isUnique,
      isPrimary,
      constraint: isUnique ? name : undefined,
      isValid: true,
      isImmediate: true,
      method: method.toLowerCase(),
      columns: hasExpression ? [] : parts.map((part) => text(part, 'column_name')),
      hasExpression,
      // A prefix does not identify a row: such a key must not serve as one.
      predicate: parts.some((part) => part['sub_part'] != null) && isUnique ? 'prefix' : undefined,
      include: [],
      definition: `${kind} (${keys.join(', ')})${invisible}`,
      isInherited: false,
      comment: text(first, 'index_comment') || undefined,
    });
  });
}

function uniqueKeys(indexes: readonly Index[]): readonly UniqueKey[] {
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
    }))
    .sort((a, b) => (a.kind === b.kind ? a.name.localeCompare(b.name) : a.kind === 'primary' ? -1 : 1));
}

function readForeignKeys(rows: readonly Row[]): readonly ForeignKey[] {
  const byName = new Map<string, Row[]>();
  for (const row of rows) {
    const name = text(row, 'constraint_name');
    byName.set(name, [...(byName.get(name) ?? []), row]);
  }
  return [...byName].map(([name, parts]): ForeignKey => {
    const first = parts[0] as Row;
    const columns = parts.map((part) => text(part, 'column_name'));
    const parentColumns = parts.map((part) => text(part, 'referenced_column_name'));
    const onDelete = action(text(first, 'delete_rule'));
    const onUpdate = action(text(first, 'update_rule'));
    const parentSchema = text(first, 'referenced_table_schema');
    const parentName = text(first, 'referenced_table_name');
    const list = (names: readonly string[]) => names.map(quoteIdentifier).join(', ');
    const qualified =
      parentSchema === text(first, 'table_schema')
        ? quoteIdentifier(parentName)
        : `${quoteIdentifier(parentSchema)}.${quoteIdentifier(parentName)}`;
    return {
      name,
      columns,
      parent: relationId(parentSchema, parentName),
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
    };
  });
}

/** InnoDB: NO ACTION and RESTRICT are the same thing under two names, and versions differ in which one they show. */
function action(rule: string): ReferentialAction {
  const lower = rule.toLowerCase();
  return lower === 'cascade' || lower === 'set null' || lower === 'set default' ? lower : 'no action';
}

function readChecks(rows: readonly Row[], flavor: MysqlFlavor): readonly Check[] {
  return rows.map((row) => ({
    name: text(row, 'constraint_name'),
    expression: flavor.expression(text(row, 'check_clause')),
    isValidated: text(row, 'enforced') !== 'NO',
    isNoInherit: false,
    isInherited: false,
  }));
}

function readTriggers(
  rows: readonly Row[],
  schema: string,
  known: ReadonlySet<RelationId>,
  callable: RoutineNames,
): readonly Trigger[] {
  // Fences are dbps's, and what it put around a body is not the author's.
  const own = rows.filter((row) => {
    const name = text(row, 'trigger_name');
    return !isFenceTrigger(name) && !isCaptureTrigger(name);
  });
  return own.map((row) => {
    const body = withoutGuard(text(row, 'action_statement'));
    const touched = readTouchedRelations(body, schema, known);
    const calls = readCalledRoutines(body, schema, callable);
    return {
      name: text(row, 'trigger_name'),
      timing: text(row, 'action_timing').toLowerCase(),
      events: [text(row, 'event_manipulation').toLowerCase()],
      level: 'row',
      enabled: 'origin',
      definition:
        `CREATE TRIGGER ${quoteIdentifier(schema)}.${quoteIdentifier(text(row, 'trigger_name'))} ` +
        `${text(row, 'action_timing')} ${text(row, 'event_manipulation')} ON ` +
        `${quoteIdentifier(schema)}.${quoteIdentifier(text(row, 'table_name'))} FOR EACH ROW ${body}`,
      isInherited: false,
      ...touched,
      ...(calls.length > 0 && { calls }),
    };
  });
}

function readRoutines(
  routines: readonly Row[],
  events: readonly Row[],
  parameters: readonly Row[],
  known: ReadonlySet<RelationId>,
  callable: RoutineNames,
  granted: Granted,
): readonly Routine[] {
  const signatures = new Map<string, string[]>();
  for (const row of parameters) {
    const id = relationId(text(row, 'specific_schema'), text(row, 'specific_name'));
    signatures.set(id, [...(signatures.get(id) ?? []), text(row, 'dtd_identifier')]);
  }
  const common = { language: 'sql', isTrigger: false } as const;
  const stored = routines.map((row): Routine => {
    const schema = text(row, 'routine_schema');
    const id = relationId(schema, text(row, 'routine_name'));
    const body = row['routine_definition'] ?? null;
    return present<Routine>({
      ...common,
      grants: granted.onRoutine(text(row, 'routine_type'), id),
      id,
      schema,
      name: text(row, 'routine_name'),
      kind: text(row, 'routine_type') === 'PROCEDURE' ? 'procedure' : 'function',
      signature: `(${(signatures.get(id) ?? []).join(', ')})`,
      returns: optional(row, 'dtd_identifier'),
      isSecurityDefiner: text(row, 'security_type') === 'DEFINER',
      definition: text(row, 'statement'),
      ...readTouchedRelations(body ?? '', schema, known),
      calls: readCalledRoutines(body ?? '', schema, callable).filter((call) => call !== id),
      // NULL: this user may not see the body. PREPARE: what it runs is only known when it runs.
      isOpaque: body === null || /\bPREPARE\b/i.test(body),
    });
  });
  const scheduled = events.map((row): Routine => {
    const schema = text(row, 'event_schema');
    const body = text(row, 'event_definition');
    const calls = readCalledRoutines(body, schema, callable);
    return {
      ...common,
      // Nobody calls it.
      grants: [],
      id: relationId(schema, text(row, 'event_name')),
      schema,
      name: text(row, 'event_name'),
      kind: 'event',
      signature: '()',
      isSecurityDefiner: true,
      definition: text(row, 'statement'),
      ...readTouchedRelations(body, schema, known),
      calls,
      isOpaque: /\bPREPARE\b/i.test(body),
    };
  });
  return [...stored, ...scheduled];
}

/** `shop@%` → `'shop'@'%'`, as grants name accounts. */
function quoteAccount(account: string): string {
  const at = account.lastIndexOf('@');
  return `'${account.slice(0, at)}'@'${account.slice(at + 1)}'`;
}

export function qualifyRoutine(sql: string, kind: string, schema: string, name: string): string {
  const quoted = quoteIdentifier(name);
  return sql
    .replace(
      /^CREATE\s+(?:OR REPLACE\s+)?(?:DEFINER=(?:`(?:[^`]|``)*`|'[^']*'|\S+?)(?:@(?:`(?:[^`]|``)*`|'[^']*'|\S+))?\s+)?/i,
      'CREATE ',
    )
    .replace(`${kind} ${quoted}`, () => `${kind} ${quoteIdentifier(schema)}.${quoted}`);
}

function tableOptions(row: Row): readonly string[] {
  const options: string[] = [];
  if (row['engine'] != null) options.push(`ENGINE=${row['engine']}`);
  const collation = text(row, 'table_collation');
  if (collation !== '') options.push(`COLLATE=${collation}`);
  if (/row_format=/i.test(text(row, 'create_options')))
    options.push(`ROW_FORMAT=${text(row, 'row_format').toUpperCase()}`);
  return options;
}
