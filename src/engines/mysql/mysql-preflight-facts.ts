/** What preflight reads, as plain data; mysql-preflight-judgement.ts decides what it means. */
import type mysql from 'mysql2/promise';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import { queryable, type MysqlQueryable } from './mysql-connection.js';
import { flavorOf, versionNumber } from './mysql-flavor.js';
import { readTouchedRelations } from './mysql-names.js';
import { readPrepared } from './mysql-prepared.js';

export interface ServerFacts {
  readonly product: 'MySQL' | 'MariaDB';
  readonly version: number;
  /** As the server says it. */
  readonly versionText: string;
  /** The account's, as it is written in GRANT. */
  readonly account: string;
  readonly database: string;
  /** Settings by their names in lower case; what the server does not know is not there. */
  readonly settings: ReadonlyMap<string, string>;
  /** Nodes that take writes and share these tables; 1 for a server by itself. */
  readonly writers: number;
}

const SETTINGS = [
  'version',
  'version_comment',
  'log_bin',
  'binlog_format',
  'binlog_row_image',
  'binlog_row_value_options',
  'binlog_transaction_compression',
  'gtid_mode',
  'server_id',
  'expire_logs_days',
  'binlog_expire_logs_seconds',
  'log_bin_trust_function_creators',
  'max_allowed_packet',
  'innodb_lock_wait_timeout',
  'local_infile',
  'lower_case_table_names',
  'read_only',
  'super_read_only',
  'wsrep_on',
  'group_replication_single_primary_mode',
  'performance_schema',
] as const;

export async function readServer(session: MysqlQueryable): Promise<ServerFacts> {
  const [me] = await session.query({
    sql: 'SELECT CURRENT_USER() AS account, DATABASE() AS name, VERSION() AS version',
  });
  const rows = await session.query({
    sql: 'SHOW GLOBAL VARIABLES WHERE variable_name IN (?)',
    values: [SETTINGS],
  });
  const settings = new Map(
    rows.map((row) => [(row['variable_name'] ?? '').toLowerCase(), row['value'] ?? '']),
  );
  const versionText = me?.['version'] ?? '';
  return {
    product: flavorOf(versionText).product,
    version: versionNumber(versionText),
    versionText,
    account: me?.['account'] ?? '',
    database: me?.['name'] ?? '',
    settings,
    writers: await countWriters(session, settings),
  };
}

/** Verification hashes rows with these: MySQL from 9.6 on has them in a component of its own. null: both are there; else the server's words. */
export async function readMissingDigests(session: MysqlQueryable): Promise<string | null> {
  try {
    await session.query({ sql: "SELECT MD5(''), SHA1('')" });
    return null;
  } catch (error) {
    if ((error as { readonly errno?: unknown }).errno !== NO_SUCH_FUNCTION) throw error;
    return (error as Error).message;
  }
}

const NO_SUCH_FUNCTION = 1305;

async function countWriters(session: MysqlQueryable, settings: ReadonlyMap<string, string>): Promise<number> {
  if (settings.get('wsrep_on') === 'ON') {
    const [row] = await session.query({ sql: "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'" });
    return Math.max(1, Number(row?.['value'] ?? 1));
  }
  if (settings.get('group_replication_single_primary_mode') !== 'OFF') return 1;
  const [row] = await session
    .query({
      sql: "SELECT COUNT(*) AS n FROM performance_schema.replication_group_members WHERE member_state = 'ONLINE'",
    })
    .catch(() => []);
  return Math.max(1, Number(row?.['n'] ?? 1));
}

export interface ConnectionFacts {
  /** The number that the greeting named, and those that statements of the one session ran in. */
  readonly greeted: number | null;
  readonly ran: readonly number[];
}

/** Through a proxy that shares sessions, or answers for the server, these are not one number. */
export async function readConnection(connection: mysql.Connection): Promise<ConnectionFacts> {
  const ran = new Set<number>();
  for (let i = 0; i < 3; i++) {
    const [row] = await queryable(connection).query({ sql: 'SELECT CONNECTION_ID() AS id' });
    ran.add(Number(row?.['id']));
  }
  return { greeted: connection.threadId, ran: [...ran] };
}

export interface RelationFacts {
  readonly id: RelationId;
  /** null: there is no such relation, or this account may not know. */
  readonly found: {
    readonly isTable: boolean;
    readonly engine: string;
    /** A primary key, or a unique one on NOT NULL columns. */
    readonly hasKey: boolean;
  } | null;
}

export async function readRelations(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<readonly RelationFacts[]> {
  if (relations.length === 0) return [];
  const names = relations.map((id) => parseRelationId(id));
  const list = names.map(() => '(?, ?)').join(', ');
  const values = names.flatMap(({ schema, name }) => [schema, name]);
  const tables = await session.query({
    sql: `SELECT table_schema, table_name, table_type, engine FROM information_schema.tables WHERE (table_schema, table_name) IN (${list})`,
    values,
  });
  // A prefix or an expression does not identify a row.
  const keys = await session.query({
    sql: `SELECT table_schema, table_name, index_name, SUM(nullable = 'YES') AS nullable, SUM(sub_part IS NOT NULL OR column_name IS NULL) AS partial
            FROM information_schema.statistics
           WHERE non_unique = 0 AND (table_schema, table_name) IN (${list}) GROUP BY table_schema, table_name, index_name`,
    values,
  });
  const idOf = (row: Readonly<Record<string, string | null>>) =>
    relationId(row['table_schema'] ?? '', row['table_name'] ?? '');
  const keyed = new Set(
    keys.filter((row) => row['nullable'] === '0' && row['partial'] === '0').map((row) => idOf(row)),
  );
  const found = new Map(tables.map((row) => [idOf(row), row]));
  return relations.map((id) => {
    const row = found.get(id);
    if (row === undefined) return { id, found: null };
    return {
      id,
      found: {
        isTable: row['table_type'] === 'BASE TABLE',
        engine: row['engine'] ?? '',
        hasKey: keyed.has(id),
      },
    };
  });
}

export interface TransactionFacts {
  readonly long: readonly { readonly id: number; readonly user: string; readonly ageMs: number }[];
  /** null: this account may not ask. */
  readonly prepared: readonly string[] | null;
}

const LONG_SECONDS = 60;

export async function readTransactions(session: MysqlQueryable): Promise<TransactionFacts> {
  const long = await session.query({
    sql: `SELECT t.trx_mysql_thread_id AS id, COALESCE(p.user, '?') AS user, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS age
            FROM information_schema.innodb_trx t LEFT JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
           WHERE t.trx_mysql_thread_id <> CONNECTION_ID() AND t.trx_mysql_thread_id <> 0
             AND t.trx_started < NOW() - INTERVAL ${LONG_SECONDS} SECOND
           ORDER BY t.trx_started LIMIT 10`,
  });
  return {
    long: long.map((row) => ({
      id: Number(row['id']),
      user: row['user'] ?? '',
      ageMs: Number(row['age']) * 1000,
    })),
    prepared: await readPrepared(session),
  };
}

/** Something that stays, and writes to relations that move. */
export interface Writer {
  readonly kind: 'event' | 'trigger' | 'procedure' | 'function';
  readonly name: string;
  readonly writes: readonly RelationId[];
}

export interface CodeInside {
  readonly writers: readonly Writer[];
  /** Routines whose bodies this account does not see. */
  readonly unseen: readonly string[];
}

export async function readCodeInside(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<CodeInside> {
  if (relations.length === 0) return { writers: [], unseen: [] };
  const schemas = [...new Set(relations.map((id) => parseRelationId(id).schema))];
  const known = new Set(relations);
  const rows = await session.query({
    sql: `SELECT 'event' AS kind, event_schema AS in_schema, event_name AS name, NULL AS on_schema, NULL AS on_table, event_definition AS body
            FROM information_schema.events WHERE event_schema IN (?) AND status = 'ENABLED'
          UNION ALL
          SELECT 'trigger', trigger_schema, trigger_name, event_object_schema, event_object_table, action_statement
            FROM information_schema.triggers WHERE trigger_schema IN (?)
          UNION ALL
          SELECT LOWER(routine_type), routine_schema, routine_name, NULL, NULL, routine_definition
            FROM information_schema.routines WHERE routine_schema IN (?)`,
    values: [schemas, schemas, schemas],
  });
  const idOf = (row: (typeof rows)[number]) => relationId(row['in_schema'] ?? '', row['name'] ?? '');
  const writers = rows.flatMap((row): Writer[] => {
    // What fires on a relation that moves goes along with it.
    const on = row['on_table'] == null ? null : relationId(row['on_schema'] ?? '', row['on_table']);
    if (on !== null && known.has(on)) return [];
    const schema = row['in_schema'] ?? '';
    const { writes } = readTouchedRelations(row['body'] ?? '', schema, known);
    if (writes.length === 0) return [];
    return [{ kind: row['kind'] as Writer['kind'], name: idOf(row), writes }];
  });
  return { writers, unseen: rows.filter((row) => row['body'] == null).map(idOf) };
}
