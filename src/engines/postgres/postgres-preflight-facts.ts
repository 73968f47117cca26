/** What preflight reads, as plain rows; postgres-preflight-judgement.ts decides what they mean. */
import type pg from 'pg';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';

type Queryable = Pick<pg.ClientBase, 'query'>;

export interface ServerFacts {
  readonly version: number;
  readonly product: string;
  readonly isInRecovery: boolean;
  readonly walLevel: string;
  readonly maxSlots: number;
  readonly maxSenders: number;
  /** MB; -1: unbounded; null: a version without the setting. */
  readonly slotKeepMegabytes: number | null;
  readonly senders: number;
  readonly role: string;
  readonly isSuperuser: boolean;
  readonly mayReplicate: boolean;
  readonly mayBypassRowSecurity: boolean;
  readonly mayCreate: boolean;
  readonly database: string;
}

export async function readServer(client: Queryable): Promise<ServerFacts> {
  const { rows } = await client.query<Record<keyof ServerFacts, string | null>>(`
    SELECT current_setting('server_version_num') AS version,
           split_part(version(), ' on ', 1) AS product,
           pg_is_in_recovery() AS "isInRecovery",
           current_setting('wal_level') AS "walLevel",
           current_setting('max_replication_slots') AS "maxSlots",
           current_setting('max_wal_senders') AS "maxSenders",
           (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS "slotKeepMegabytes",
           (SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE backend_type = 'walsender') AS senders,
           current_user AS role,
           r.rolsuper AS "isSuperuser",
           r.rolreplication OR r.rolsuper OR EXISTS (
             SELECT FROM pg_roles m WHERE m.rolname IN ('rds_replication', 'rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin')
                AND pg_has_role(current_user, m.oid, 'MEMBER')) AS "mayReplicate",
           r.rolbypassrls OR r.rolsuper AS "mayBypassRowSecurity",
           has_database_privilege(current_database(), 'CREATE') AS "mayCreate",
           current_database() AS database
      FROM pg_roles r WHERE r.rolname = current_user`);
  const row = rows[0];
  if (row === undefined) throw new Error('the session has no role');
  const isTrue = (key: keyof ServerFacts) => row[key] === 't';
  return {
    version: Number(row.version),
    product: row.product ?? '',
    isInRecovery: isTrue('isInRecovery'),
    walLevel: row.walLevel ?? '',
    maxSlots: Number(row.maxSlots),
    maxSenders: Number(row.maxSenders),
    slotKeepMegabytes: row.slotKeepMegabytes === null ? null : Number(row.slotKeepMegabytes),
    senders: Number(row.senders),
    role: row.role ?? '',
    isSuperuser: isTrue('isSuperuser'),
    mayReplicate: isTrue('mayReplicate'),
    mayBypassRowSecurity: isTrue('mayBypassRowSecurity'),
    mayCreate: isTrue('mayCreate'),
    database: row.database ?? '',
  };
}

export interface SlotFacts {
  readonly name: string;
  readonly database: string | null;
  readonly isActive: boolean;
  readonly retainedBytes: number | null;
}

export async function readSlots(client: Queryable): Promise<readonly SlotFacts[]> {
  const { rows } = await client.query<{
    name: string;
    database: string | null;
    active: string;
    retained: string | null;
  }>(`
    SELECT slot_name AS name, database, active,
           CASE WHEN pg_is_in_recovery() THEN NULL
                ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END AS retained
      FROM pg_replication_slots ORDER BY slot_name`);
  return rows.map((row) => ({
    name: row.name,
    database: row.database,
    isActive: row.active === 't',
    retainedBytes: row.retained === null ? null : Number(row.retained),
  }));
}

export interface RelationFacts {
  readonly id: RelationId;
  /** null: there is no such relation, or this role may not know. */
  readonly found: {
    readonly owner: string;
    /** Nobody should be made a member of such a role. */
    readonly ownerIsSuperuser: boolean;
    readonly mayRead: boolean;
    readonly isOwner: boolean;
    readonly identity: 'default' | 'full' | 'nothing' | 'index';
    readonly hasImmediatePrimaryKey: boolean;
    /** The index of REPLICA IDENTITY USING INDEX is valid, immediate, whole and over NOT NULL columns. */
    readonly hasIdentityIndex: boolean;
    /** A unique index that would do as replica identity. */
    readonly candidate: string | null;
    /** Columns of a primary key that is deferrable; null where there is none. */
    readonly deferrableKey: readonly string[] | null;
    /** Of a partition: its root, and the columns that every key of the tree must hold; null columns: it is parted by an expression. */
    readonly partitionOf: { readonly root: RelationId; readonly columns: readonly string[] | null } | null;
    readonly rowSecurity: boolean;
    readonly forcesRowSecurity: boolean;
    readonly isPersistent: boolean;
  } | null;
}

const RELATIONS = `
WITH RECURSIVE asked AS (
  SELECT n.nspname, c.oid, c.relname
    FROM unnest($1::text[], $2::text[]) AS wanted(schema, name)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
), tree AS (
  SELECT oid FROM asked
  UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent
), usable AS (
  SELECT i.indrelid, i.indexrelid, i.indisprimary, i.indisreplident
    FROM pg_index i
   WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
     AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, nth)
                       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                      WHERE k.nth <= i.indnkeyatts AND NOT a.attnotnull)
)
SELECT n.nspname AS schema, c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
       (SELECT rolsuper FROM pg_roles WHERE oid = c.relowner) AS "ownerIsSuperuser",
       has_table_privilege(c.oid, 'SELECT') AS "mayRead",
       pg_has_role(current_user, c.relowner, 'USAGE') AS "isOwner",
       CASE c.relreplident WHEN 'd' THEN 'default' WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing' ELSE 'index' END AS identity,
       EXISTS (SELECT FROM usable u WHERE u.indrelid = c.oid AND u.indisprimary) AS "hasImmediatePrimaryKey",
       EXISTS (SELECT FROM usable u WHERE u.indrelid = c.oid AND u.indisreplident) AS "hasIdentityIndex",
       (SELECT x.relname FROM usable u JOIN pg_class x ON x.oid = u.indexrelid
         WHERE u.indrelid = c.oid ORDER BY x.relname LIMIT 1) AS candidate,
       (SELECT json_agg(a.attname ORDER BY k.nth)::text FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, nth), pg_attribute a
         WHERE i.indrelid = c.oid AND i.indisprimary AND NOT i.indimmediate AND k.nth <= i.indnkeyatts
           AND a.attrelid = c.oid AND a.attnum = k.attnum) AS "deferrableKey",
       (SELECT json_build_object('schema', rn.nspname, 'name', r.relname, 'columns',
                 (SELECT CASE WHEN bool_or(k.attnum = 0) THEN NULL ELSE json_agg(DISTINCT a.attname) END
                    FROM pg_partition_ancestors(c.oid) AS up(relid) JOIN pg_partitioned_table p ON p.partrelid = up.relid
                   CROSS JOIN unnest(p.partattrs::int2[]) AS k(attnum)
                    LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum))::text
          FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
         WHERE c.relispartition AND r.oid = pg_partition_root(c.oid)) AS "partitionOf",
       c.relrowsecurity AS "rowSecurity", c.relforcerowsecurity AS "forcesRowSecurity",
       c.relpersistence = 'p' AS "isPersistent"
  FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' OR (c.relkind = 'p' AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid))
 ORDER BY 1, 2`;

/** Leaves stand for partitioned relations: they are what is published. */
export async function readRelations(
  client: Queryable,
  relations: readonly RelationId[],
): Promise<readonly RelationFacts[]> {
  const names = relations.map((id) => parseRelationId(id));
  const { rows } = await client.query<Record<string, string | null>>(RELATIONS, [
    names.map(({ schema }) => schema),
    names.map(({ name }) => name),
  ]);
  const { rows: known } = await client.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM unnest($1::text[], $2::text[]) AS wanted(schema, name)
       JOIN pg_namespace n ON n.nspname = wanted.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name`,
    [names.map(({ schema }) => schema), names.map(({ name }) => name)],
  );
  const there = new Set(known.map(({ schema, name }) => relationId(schema, name)));
  const missing = names.map(({ schema, name }) => relationId(schema, name)).filter((id) => !there.has(id));
  const found = rows.map((row): RelationFacts => ({
    id: relationId(row['schema'] ?? '', row['name'] ?? ''),
    found: {
      owner: row['owner'] ?? '',
      ownerIsSuperuser: row['ownerIsSuperuser'] === 't',
      mayRead: row['mayRead'] === 't',
      isOwner: row['isOwner'] === 't',
      identity: (row['identity'] ?? 'default') as 'default' | 'full' | 'nothing' | 'index',
      hasImmediatePrimaryKey: row['hasImmediatePrimaryKey'] === 't',
      hasIdentityIndex: row['hasIdentityIndex'] === 't',
      candidate: row['candidate'] ?? null,
      deferrableKey: row['deferrableKey'] == null ? null : (JSON.parse(row['deferrableKey']) as string[]),
      partitionOf: row['partitionOf'] == null ? null : partitionOf(row['partitionOf']),
      rowSecurity: row['rowSecurity'] === 't',
      forcesRowSecurity: row['forcesRowSecurity'] === 't',
      isPersistent: row['isPersistent'] === 't',
    },
  }));
  return [...found, ...missing.map((id): RelationFacts => ({ id, found: null }))];
}

function partitionOf(text: string): { root: RelationId; columns: readonly string[] | null } {
  const { schema, name, columns } = JSON.parse(text) as {
    schema: string;
    name: string;
    columns: string[] | null;
  };
  return { root: relationId(schema, name), columns };
}

export interface TransactionFacts {
  readonly long: readonly { readonly pid: number; readonly user: string; readonly ageMs: number }[];
  readonly prepared: readonly { readonly gid: string; readonly since: string }[];
}

const LONG_SECONDS = 60;

export async function readTransactions(client: Queryable): Promise<TransactionFacts> {
  const long = await client.query<{ pid: string; user: string; age: string }>(
    `SELECT pid, usename AS user, extract(epoch FROM clock_timestamp() - xact_start) * 1000 AS age
       FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND xact_start < clock_timestamp() - make_interval(secs => $1)
      ORDER BY xact_start LIMIT 10`,
    [LONG_SECONDS],
  );
  const prepared = await client.query<{ gid: string; since: string }>(
    'SELECT gid, prepared AS since FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT 10',
  );
  return {
    long: long.rows.map((row) => ({ pid: Number(row.pid), user: row.user, ageMs: Number(row.age) })),
    prepared: prepared.rows,
  };
}

/** Subscriptions of this database: what they bring in is written as a replica, which fires no ordinary trigger. */
export async function readSubscriptions(client: Queryable): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT s.subname AS name FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database() ORDER BY 1',
  );
  return rows.map(({ name }) => name);
}

/** Statements of one session outside a transaction: through a transaction pooler they are answered by whoever is free. */
export async function readBackends(client: Queryable): Promise<readonly number[]> {
  const pids = new Set<number>();
  for (let i = 0; i < 3; i++) {
    const { rows } = await client.query<{ pid: string }>('SELECT pg_backend_pid() AS pid');
    pids.add(Number(rows[0]?.pid));
  }
  return [...pids];
}

const RULED = `
WITH RECURSIVE tree AS (
  SELECT c.oid FROM unnest($1::text[], $2::text[]) AS wanted(schema, name)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
  UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent
)
SELECT n.nspname AS schema, c.relname AS name FROM tree
  JOIN pg_class c ON c.oid = tree.oid AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_enabled <> 'D')
 ORDER BY 1, 2`;

/** Relations with rules that act, and everything below the named ones. */
export async function readRuled(
  client: Queryable,
  relations: readonly RelationId[],
): Promise<readonly RelationId[]> {
  const names = relations.map((id) => parseRelationId(id));
  const { rows } = await client.query<{ schema: string; name: string }>(RULED, [
    names.map(({ schema }) => schema),
    names.map(({ name }) => name),
  ]);
  return rows.map(({ schema, name }) => relationId(schema, name));
}

/** null: it may; else the server's words. Changes nothing: the transaction is rolled back. */
export async function tryReplicaRole(client: Queryable): Promise<string | null> {
  await client.query('BEGIN READ ONLY');
  try {
    await client.query('SET LOCAL session_replication_role = replica');
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await client.query('ROLLBACK');
  }
}
