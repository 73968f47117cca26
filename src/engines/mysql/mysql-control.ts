/**
 * dbps's own tables, in a database `dbps` on each server. Legacy and a service may be databases of one server: the rows of the two sides differ by
 * direction, and a route that both would hold is one row. Two sides of the protocol meet here as on PostgreSQL: `checkpoint` and `chunk`
 * mark a transaction as dbps's own, `barrier` travels with the data.
 */
import type mysql from 'mysql2/promise';
import { RefusedError } from '../../model/errors.js';
import type {
  Checkpoint,
  Control,
  CopyProgress,
  Direction,
  Key,
  Ownership,
  RelationMap,
  StreamIdentity,
} from '../engine.js';
import { readChangedKeys } from './mysql-key-set.js';
import { grantRoute, revokeRoute } from './mysql-route-grant.js';
import { flavorOf } from './mysql-flavor.js';
import { endMysqlHoldersAfter } from './mysql-take-over.js';
import { lockMysqlEpoch, queryable, type MysqlPool, type MysqlQueryable } from './mysql-connection.js';

const TABLES = [
  'CREATE DATABASE IF NOT EXISTS dbps DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
  `CREATE TABLE IF NOT EXISTS dbps.epoch (
     service varchar(63) PRIMARY KEY, epoch bigint NOT NULL) ENGINE=InnoDB`,
  // mark rises with every transaction, so that each begins with a change of this row even when no position moves.
  `CREATE TABLE IF NOT EXISTS dbps.checkpoint (
     service varchar(63) NOT NULL, direction varchar(7) NOT NULL, epoch bigint NOT NULL, applied text NOT NULL, received text NOT NULL,
     source json NOT NULL, mark bigint NOT NULL DEFAULT 0, heal_position text, updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
     PRIMARY KEY (service, direction)) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS dbps.barrier (
     service varchar(63) NOT NULL, nonce varchar(64) NOT NULL, at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
     PRIMARY KEY (service, nonce)) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS dbps.chunk (
     service varchar(63) NOT NULL, relation varchar(255) NOT NULL, \`index\` int NOT NULL, key_from json, key_to json,
     estimated_rows bigint NOT NULL, is_done boolean NOT NULL DEFAULT false, \`rows\` bigint NOT NULL DEFAULT 0,
     bytes bigint NOT NULL DEFAULT 0, position text, PRIMARY KEY (service, relation, \`index\`)) ENGINE=InnoDB`,
  // A key may be longer than an index entry: its digest is the row's identity.
  `CREATE TABLE IF NOT EXISTS dbps.heal_key (
     service varchar(63) NOT NULL, relation varchar(255) NOT NULL, digest binary(32) NOT NULL, \`key\` longtext NOT NULL,
     PRIMARY KEY (service, relation, digest)) ENGINE=InnoDB`,
  // One row a batch and relation, appended: remembering what changed costs next to nothing beside applying it.
  `CREATE TABLE IF NOT EXISTS dbps.changed_key (
     generation bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, service varchar(63) NOT NULL, direction varchar(7) NOT NULL,
     relation varchar(255) NOT NULL, size int NOT NULL, \`keys\` longtext NOT NULL,
     KEY taken (service, direction, relation, generation)) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS dbps.spool (
     service varchar(63) NOT NULL, direction varchar(7) NOT NULL, seq bigint NOT NULL, end_position text,
     payload longblob NOT NULL, PRIMARY KEY (service, direction, seq)) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS dbps.route (
     service varchar(63) PRIMARY KEY, owner varchar(7) NOT NULL, read_share int NOT NULL DEFAULT 0, read_relations json NOT NULL,
     epoch bigint NOT NULL, revision bigint NOT NULL DEFAULT 1, updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)) ENGINE=InnoDB`,
  // What a replication slot would be: where capture began, and which shapes its tables had.
  `CREATE TABLE IF NOT EXISTS dbps.capture (
     service varchar(63) NOT NULL, direction varchar(7) NOT NULL, nonce varchar(64) NOT NULL, method varchar(7) NOT NULL,
     start text NOT NULL, confirmed text NOT NULL, shapes longtext NOT NULL, triggers longtext NOT NULL,
     PRIMARY KEY (service, direction)) ENGINE=InnoDB`,
  // One row a service and database, since both may be on one server: who owns the writes as this database knows it, and what the fence
  // answers (NULL: it is open). Its row lock is what writers hold and a cutover waits for (mysql-fence-body.ts).
  `CREATE TABLE IF NOT EXISTS dbps.fence (
     service varchar(63) NOT NULL, database_name varchar(64) NOT NULL, refusal varchar(128), owner varchar(7), epoch bigint,
     revision bigint NOT NULL DEFAULT 0, PRIMARY KEY (service, database_name)) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS dbps.fence_memory (
     service varchar(63) NOT NULL, database_name varchar(64) NOT NULL, kind varchar(40) NOT NULL, subject varchar(255) NOT NULL,
     \`restore\` longtext NOT NULL, PRIMARY KEY (service, database_name, kind, subject)) ENGINE=InnoDB`,
] as const;

const CONTROL_TABLES = [
  'checkpoint',
  'barrier',
  'chunk',
  'heal_key',
  'changed_key',
  'spool',
  'route',
  'capture',
  'fence',
  'fence_memory',
  'epoch',
] as const;

/** The latest of the chunks' positions. The text of most is ordered like the log; PostgreSQL's is once it is padded. */
export const LATEST_POSITION = `
  IF(MIN(position REGEXP '^[0-9A-F]+/[0-9A-F]+$'),
     MAX(CONCAT(LPAD(SUBSTRING_INDEX(position, '/', 1), 8, '0'), '/', LPAD(SUBSTRING_INDEX(position, '/', -1), 8, '0'))), MAX(position))`;

/** A server that gives up waiting for locks sooner would do so before the former owner's sessions are ended. */
const AFTER_GRACE_S = 60;

const INSTALL_LOCK = 'dbps.install';

export class MysqlControl implements Control {
  /** @param graceMs how long a take-over waits for transactions of the former owner before it ends their sessions. */
  constructor(
    readonly pool: MysqlPool,
    readonly graceMs = 15_000,
  ) {}

  async install(service: string): Promise<void> {
    await this.#underInstallLock(async (connection) => {
      for (const sql of TABLES) await connection.query(sql);
      await connection.query('INSERT IGNORE INTO dbps.epoch VALUES (?, 0)', [service]);
      await grantRoute(connection);
    });
  }

  async isInstalled(): Promise<boolean> {
    const rows = await this.pool.query(
      "SELECT 1 FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = 'epoch'",
    );
    return rows.length > 0;
  }

  async remove(owner: Ownership): Promise<void> {
    await this.#underInstallLock(async (connection) => {
      await refuseWhileFenced(connection, owner.service);
      await connection.query('START TRANSACTION');
      try {
        await lockMysqlEpoch(connection, owner);
        for (const table of CONTROL_TABLES) {
          await connection.query(`DELETE FROM dbps.${table} WHERE service = ?`, [owner.service]);
        }
        await connection.query('COMMIT');
      } catch (error) {
        await connection.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
      const ask = queryable(connection);
      const [left] = await ask.query({ sql: 'SELECT count(*) AS n FROM dbps.epoch' });
      if (left?.['n'] !== '0') return;
      await revokeRoute(connection);
      for (const table of CONTROL_TABLES) await connection.query(`DROP TABLE IF EXISTS dbps.${table}`);
      // In legacy the state store lives in the same database and stays.
      const others = await ask.query({
        sql: "SELECT 1 FROM information_schema.tables WHERE table_schema = 'dbps' LIMIT 1",
      });
      if (others.length === 0) await connection.query('DROP DATABASE dbps');
    });
  }

  async readEpoch(service: string): Promise<number | null> {
    if (!(await this.isInstalled())) return null;
    const [row] = await this.pool.query('SELECT epoch FROM dbps.epoch WHERE service = ?', [service]);
    return row === undefined ? null : Number(row['epoch']);
  }

  async raiseEpoch(owner: Ownership): Promise<void> {
    // A session of its own: the pool's stay free for the look at what keeps it waiting.
    await this.pool.session(async (session) => {
      const [row] = await queryable(session).query({
        sql: 'SELECT CONNECTION_ID() AS id, VERSION() AS version',
      });
      await session.query(
        // MySQL takes what GREATEST returns for no whole number.
        'SET SESSION innodb_lock_wait_timeout = CAST(GREATEST(@@SESSION.innodb_lock_wait_timeout, ?) AS UNSIGNED)',
        [Math.ceil(this.graceMs / 1000) + AFTER_GRACE_S],
      );
      const stopEnding = endMysqlHoldersAfter(
        this.pool,
        flavorOf(row?.['version'] ?? ''),
        Number(row?.['id']),
        this.graceMs,
      );
      try {
        await session.query(
          `INSERT INTO dbps.epoch (service, epoch) VALUES (?, ?)
           ON DUPLICATE KEY UPDATE epoch = GREATEST(epoch, VALUES(epoch))`,
          [owner.service, owner.epoch],
        );
      } finally {
        stopEnding();
      }
    });
    // Raised by us, or higher already: the second is somebody else's lease.
    await this.pool.ownedTransaction(owner, async () => undefined);
  }

  async forgetStream(owner: Ownership, direction: Direction): Promise<void> {
    const { service } = owner;
    await this.pool.ownedTransaction(owner, async (connection) => {
      for (const table of ['checkpoint', 'spool', 'changed_key']) {
        await connection.execute(`DELETE FROM dbps.${table} WHERE service = ? AND direction = ?`, [
          service,
          direction,
        ]);
      }
      // Only the forward direction copies.
      for (const table of direction === 'forward' ? ['chunk', 'heal_key'] : []) {
        await connection.execute(`DELETE FROM dbps.${table} WHERE service = ?`, [service]);
      }
    });
  }

  async writeBarrier(owner: Ownership, nonce: string): Promise<void> {
    await this.pool.ownedTransaction(owner, async (connection) => {
      await connection.query('INSERT INTO dbps.barrier (service, nonce) VALUES (?, ?)', [
        owner.service,
        nonce,
      ]);
    });
  }

  async readCheckpoint(service: string, direction: Direction): Promise<Checkpoint | null> {
    if (!(await this.isInstalled())) return null;
    return this.pool.use((session) => readCheckpoint(queryable(session), service, direction));
  }

  async readCopyProgress(service: string): Promise<readonly CopyProgress[]> {
    if (!(await this.isInstalled())) return [];
    const rows = await this.pool.query(
      `SELECT relation, count(*) AS chunks, sum(is_done) AS done, sum(IF(is_done, \`rows\`, 0)) AS row_count,
              sum(IF(is_done, bytes, 0)) AS bytes, ${LATEST_POSITION} AS position
         FROM dbps.chunk WHERE service = ? GROUP BY relation ORDER BY relation`,
      [service],
    );
    return rows.map((row) => ({
      relation: row['relation'] ?? '',
      chunks: Number(row['chunks']),
      done: Number(row['done']),
      rows: Number(row['row_count']),
      bytes: Number(row['bytes']),
      position: row['position'] ?? null,
    }));
  }

  async readKeySets(service: string, direction: Direction): Promise<{ heal: number; changed: number }> {
    if (!(await this.isInstalled())) return { heal: 0, changed: 0 };
    const [row] = await this.pool.query(
      `SELECT (SELECT count(*) FROM dbps.heal_key WHERE service = ?) AS heal,
              (SELECT coalesce(sum(size), 0) FROM dbps.changed_key WHERE service = ? AND direction = ?) AS changed`,
      [service, service, direction],
    );
    return { heal: Number(row?.['heal'] ?? 0), changed: Number(row?.['changed'] ?? 0) };
  }

  async readChangedKeys(stream: StreamIdentity, map: RelationMap, limit: number): Promise<readonly Key[]> {
    if (!(await this.isInstalled())) return [];
    return (await readChangedKeys(this.pool, stream, map, limit)).keys;
  }

  /** DDL of this dialect commits by itself, so two first commands are kept apart by a named lock of one session. */
  async #underInstallLock(work: (connection: mysql.Connection) => Promise<void>): Promise<void> {
    await this.pool.use(async (connection) => {
      const [row] = await queryable(connection).query({
        sql: 'SELECT GET_LOCK(?, 60) AS got',
        values: [INSTALL_LOCK],
      });
      if (row?.['got'] !== '1') {
        throw new RefusedError({
          code: 'DBPS_E301',
          message: 'another dbps has been installing its control tables for a minute',
          hint: "SELECT IS_USED_LOCK('dbps.install') names its connection; end it, then run this again",
        });
      }
      try {
        await work(connection);
      } finally {
        await connection.query('DO RELEASE_LOCK(?)', [INSTALL_LOCK]);
      }
    });
  }
}

export async function readCheckpoint(
  ask: MysqlQueryable,
  service: string,
  direction: Direction,
): Promise<Checkpoint | null> {
  const [row] = await ask.query({
    sql: `SELECT epoch, applied, received, source, DATE_FORMAT(updated_at, '%Y-%m-%dT%H:%i:%s.%fZ') AS updated_at
            FROM dbps.checkpoint WHERE service = ? AND direction = ?`,
    values: [service, direction],
  });
  if (row === undefined) return null;
  return {
    service,
    direction,
    epoch: Number(row['epoch']),
    applied: row['applied'] ?? '',
    received: row['received'] ?? '',
    source: JSON.parse(row['source'] ?? '{}') as Record<string, string>,
    updatedAt: row['updated_at'] ?? '',
  };
}

/** Triggers that read a row which is gone refuse every write: they have to go first. */
async function refuseWhileFenced(connection: mysql.Connection, service: string): Promise<void> {
  const [left] = await queryable(connection).query({
    sql: `SELECT event_object_schema AS \`schema\`, event_object_table AS relation FROM information_schema.triggers
           WHERE action_statement LIKE ? LIMIT 1`,
    values: [`BEGIN%/* dbps fence ${encodeURIComponent(service).replaceAll(/[\\%_]/g, '\\$&')}@%`],
  });
  if (left === undefined) return;
  throw new RefusedError({
    code: 'DBPS_E390',
    message: `the fence of ${service} is still on ${left['schema'] ?? ''}.${left['relation'] ?? ''}: without its control row it would refuse every write there`,
    hint: `dbps status ${service}`,
  });
}
