/** The relations a fence covers, and their triggers as the server shows them. Partitions are no relations of their own here. */
import { RefusedError } from '../../model/errors.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { MysqlQueryable } from './mysql-connection.js';
import type { FenceKey } from './mysql-fence-body.js';
import { isCaptureTrigger } from './mysql-trigger-log.js';

export interface FencedTable {
  readonly id: RelationId;
  readonly engine: string;
  readonly isTable: boolean;
}

export interface TableTrigger {
  readonly relation: RelationId;
  readonly schema: string;
  readonly name: string;
  readonly timing: string;
  readonly event: string;
  readonly order: number;
  readonly body: string;
  readonly definer: string;
  readonly sqlMode: string;
  readonly characterSet: string;
  readonly collation: string;
}

/** `(?, ?), (?, ?)` and its values: pairs are what an index of the server's own tables is searched by, one at a time or all at once. */
function pairs(relations: readonly RelationId[]): { readonly list: string; readonly values: string[] } {
  const names = relations.map((id) => parseRelationId(id));
  return { list: names.map(() => '(?, ?)').join(', '), values: names.flatMap((n) => [n.schema, n.name]) };
}

/** Those that are there. */
export async function readExisting(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<RelationId[]> {
  const wanted = [...new Set(relations)];
  if (wanted.length === 0) return [];
  const { list, values } = pairs(wanted);
  const rows = await session.query({
    sql: `SELECT table_schema, table_name FROM information_schema.tables WHERE (table_schema, table_name) IN (${list})`,
    values,
  });
  const found = new Set(rows.map((row) => relationId(row['table_schema'] ?? '', row['table_name'] ?? '')));
  return wanted.filter((relation) => found.has(relation));
}

/** As named, in the order of their ids, so that every session of dbps goes through them in the same one. @throws RefusedError for one that is not there. */
export async function readTables(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<FencedTable[]> {
  if (relations.length === 0) return [];
  const { list, values } = pairs(relations);
  const rows = await session.query({
    sql: `SELECT table_schema, table_name, table_type, engine FROM information_schema.tables
           WHERE (table_schema, table_name) IN (${list})`,
    values,
  });
  const found = new Map(
    rows.map((row) => [
      relationId(row['table_schema'] ?? '', row['table_name'] ?? ''),
      { engine: row['engine'] ?? '', isTable: row['table_type'] === 'BASE TABLE' },
    ]),
  );
  const missing = relations.filter((id) => !found.has(id));
  if (missing.length > 0)
    throw new RefusedError({
      code: 'DBPS_E330',
      message: `no such relation: ${missing.join(', ')}`,
      hint: 'dbps plan diff shows what has changed since the plan was made.',
    });
  return [...relations]
    .sort()
    .map((id) => ({ id, ...(found.get(id) as { engine: string; isTable: boolean }) }));
}

/** Without transactions a refusal would come after the first rows were written, and no lock would wait for a writer. */
export function requireFenceable(tables: readonly FencedTable[]): void {
  const other = tables.find((table) => !table.isTable || table.engine.toLowerCase() !== 'innodb');
  if (other === undefined) return;
  throw new RefusedError({
    code: 'DBPS_E331',
    message: `${other.id} is ${other.isTable ? `stored by ${other.engine}` : 'no table'}: its writers cannot be made to wait`,
    hint: other.isTable
      ? `ALTER TABLE ${other.id} ENGINE=InnoDB;`
      : 'Leave that relation out of the service.',
  });
}

const TRIGGERS = `
SELECT event_object_schema AS table_schema, event_object_table AS table_name, trigger_schema, trigger_name, action_timing,
       event_manipulation, action_order, action_statement, definer, sql_mode, character_set_client, collation_connection
  FROM information_schema.triggers`;

const toTrigger = (row: Readonly<Record<string, string | null>>): TableTrigger => ({
  relation: relationId(row['table_schema'] ?? '', row['table_name'] ?? ''),
  schema: row['trigger_schema'] ?? '',
  name: row['trigger_name'] ?? '',
  timing: row['action_timing'] ?? '',
  event: row['event_manipulation'] ?? '',
  order: Number(row['action_order']),
  body: row['action_statement'] ?? '',
  definer: row['definer'] ?? '',
  sqlMode: row['sql_mode'] ?? '',
  characterSet: row['character_set_client'] ?? 'utf8mb4',
  collation: row['collation_connection'] ?? 'utf8mb4_general_ci',
});

/** All triggers of the relations but those of capture, in the order in which they fire. Made anew, those would have missed what was written meanwhile. */
export async function readTriggers(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<TableTrigger[]> {
  if (relations.length === 0) return [];
  const { list, values } = pairs(relations);
  const rows = await session.query({
    sql: `${TRIGGERS} WHERE (event_object_schema, event_object_table) IN (${list})
          ORDER BY event_object_schema, event_object_table, action_timing, event_manipulation, action_order`,
    values,
  });
  return rows.map(toTrigger).filter(({ name }) => !isCaptureTrigger(name));
}

/** Triggers that say in their first lines that dbps made or guarded them, wherever they are: relations may have been renamed since. */
export async function readMarkedTriggers(session: MysqlQueryable): Promise<TableTrigger[]> {
  const rows = await session.query({
    sql: `${TRIGGERS} WHERE action_statement LIKE 'BEGIN%/* dbps fence %' OR action_statement LIKE 'BEGIN%/* dbps guard %'
          ORDER BY event_object_schema, event_object_table, action_timing, event_manipulation, action_order`,
  });
  return rows.map(toTrigger).filter(({ body }) => MARK.test(body));
}

const MARK = /^BEGIN\s*\/\* dbps (?:fence|guard) (\S+) /;

export async function readOwnTriggers(session: MysqlQueryable, key: FenceKey): Promise<TableTrigger[]> {
  const mark = `${encodeURIComponent(key.service)}@${encodeURIComponent(key.database)}`;
  return (await readMarkedTriggers(session)).filter(({ body }) => MARK.exec(body)?.[1] === mark);
}
