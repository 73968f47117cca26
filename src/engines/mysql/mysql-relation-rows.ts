/** Rows of information_schema → the parts of a relation of the model. */
import type {
  Check,
  Column,
  ForeignKey,
  Index,
  ReferentialAction,
  Trigger,
  UniqueKey,
} from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import { optional, present, text, type Row } from './mysql-catalogue-row.js';
import { isFenceTrigger, withoutGuard } from './mysql-fence-body.js';
import { normaliseType, type MysqlFlavor } from './mysql-flavor.js';
import { readCalledRoutines, readTouchedRelations, type RoutineNames } from './mysql-names.js';
import { settingsOf } from './mysql-routine-rows.js';
import { quoteIdentifier } from './mysql-sql.js';
import { isCaptureTrigger } from './mysql-trigger-log.js';

export function readColumn(row: Row, table: Row, flavor: MysqlFlavor): Column {
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
    srid: row['srs_id'] == null ? undefined : Number(row['srs_id']),
    comment: text(row, 'column_comment') || undefined,
    isInherited: false,
    storage: undefined,
    invisible: /\bINVISIBLE\b/i.test(extra) ? true : undefined,
    onUpdate,
  });
}

/** @param parsers of full text, by the index's name, as SHOW CREATE TABLE writes them: information_schema does not know them */
export function readIndexes(
  rows: readonly Row[],
  flavor: MysqlFlavor,
  parsers?: ReadonlyMap<string, string>,
): readonly Index[] {
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
      // Of a spatial key it is the size of the box around the value: MariaDB takes that back, MySQL does not.
      const prefix = part['sub_part'] == null || method === 'SPATIAL' ? '' : `(${part['sub_part']})`;
      return `${key}${prefix}${text(part, 'collation') === 'D' ? ' DESC' : ''}`;
    });
    const kind = isPrimary
      ? 'PRIMARY KEY'
      : method === 'FULLTEXT' || method === 'SPATIAL'
        ? `${method} KEY ${quoteIdentifier(name)}`
        : `${isUnique ? 'UNIQUE ' : ''}KEY ${quoteIdentifier(name)}`;
    const parser = parsers?.get(name);
    const invisible = text(first, 'is_visible') === 'NO' ? ` ${flavor.invisibleIndex}` : '';
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
      definition: `${kind} (${keys.join(', ')})${parser === undefined ? '' : ` ${parser}`}${invisible}`,
      isInherited: false,
      comment: text(first, 'index_comment') || undefined,
    });
  });
}

export function uniqueKeys(indexes: readonly Index[]): readonly UniqueKey[] {
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

export function readForeignKeys(rows: readonly Row[]): readonly ForeignKey[] {
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

const KEY_RULES =
  /^\s*CONSTRAINT `((?:[^`]|``)+)` FOREIGN KEY .*?\)(?: ON DELETE ([A-Z ]+?))?(?: ON UPDATE ([A-Z ]+?))?,?$/gm;

/** The rules of foreign keys as SHOW CREATE TABLE writes them, one key a line; what is not written is RESTRICT. */
export function writtenRules(
  definition: string,
): readonly { readonly name: string; readonly delete_rule: string; readonly update_rule: string }[] {
  return [...definition.matchAll(KEY_RULES)].map(([, name = '', onDelete, onUpdate]) => ({
    name: name.replaceAll('``', '`'),
    delete_rule: onDelete ?? 'RESTRICT',
    update_rule: onUpdate ?? 'RESTRICT',
  }));
}

/** InnoDB: NO ACTION and RESTRICT are the same thing under two names, and versions differ in which one they show. */
function action(rule: string): ReferentialAction {
  const lower = rule.toLowerCase();
  return lower === 'cascade' || lower === 'set null' || lower === 'set default' ? lower : 'no action';
}

export function readChecks(rows: readonly Row[], flavor: MysqlFlavor): readonly Check[] {
  return rows.map((row) => ({
    name: text(row, 'constraint_name'),
    expression: flavor.expression(text(row, 'check_clause')),
    isValidated: text(row, 'enforced') !== 'NO',
    isNoInherit: false,
    isInherited: false,
  }));
}

export function readTriggers(
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
    // MySQL keeps the semicolon that a client of several statements sent along.
    const body = withoutGuard(text(row, 'action_statement')).replace(/;\s*$/, '');
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
      settings: settingsOf(row),
      ...touched,
      ...(calls.length > 0 && { calls }),
    };
  });
}

/** Options of both products, and those of one that the other passes over within a comment: encrypted rows are to stay encrypted. */
const OPTIONS: readonly (readonly [names: RegExp, write: (name: string, value: string) => string])[] = [
  [/^(?:key_block_size|stats_(?:persistent|auto_recalc|sample_pages))$/, (name, value) => `${name}=${value}`],
  [/^encryption$/, (name, value) => `/*!80016 ${name}=${value} */`],
  [/^(?:encrypted|encryption_key_id|page_compress\w+)$/, (name, value) => `/*M!100104 ${name}=${value} */`],
];

/** What stands around the query of a view. */
export function viewOptions(row: Row | undefined): readonly string[] {
  if (row === undefined) return [];
  const check = text(row, 'check_option');
  return [
    ...(text(row, 'security_type') === 'INVOKER' ? [INVOKER] : []),
    ...(check === 'LOCAL' || check === 'CASCADED' ? [`WITH ${check} CHECK OPTION`] : []),
  ];
}

export const INVOKER = 'SQL SECURITY INVOKER';

export function tableOptions(row: Row): readonly string[] {
  const options: string[] = [];
  if (row['engine'] != null) options.push(`ENGINE=${row['engine']}`);
  const collation = text(row, 'table_collation');
  if (collation !== '') options.push(`COLLATE=${collation}`);
  const given = text(row, 'create_options');
  if (/row_format=/i.test(given)) options.push(`ROW_FORMAT=${text(row, 'row_format').toUpperCase()}`);
  for (const [, name = '', value = ''] of given.matchAll(/`?(\w+)`?=('[^']*'|[^\s,]+)/g)) {
    const option = OPTIONS.find(([names]) => names.test(name.toLowerCase()));
    if (option !== undefined) options.push(option[1](name.toUpperCase(), value));
  }
  return options;
}
