/** The control row of a fence: whether it refuses, and who owns the writes as this database knows it. */
import type mysql from 'mysql2/promise';
import type { OwnershipRow } from '../engine.js';
import { queryable, type MysqlQueryable } from './mysql-connection.js';
import type { FenceKey } from './mysql-fence-body.js';

export interface FenceRow {
  /** What writers are told; null: it is open. */
  readonly refusal: string | null;
  readonly ownership: OwnershipRow | null;
}

/** The database that this session works in: the other half of a fence's key. */
export async function currentDatabase(session: MysqlQueryable): Promise<string> {
  const [row] = await session.query({ sql: 'SELECT DATABASE() AS name' });
  return row?.['name'] ?? '';
}

/** @returns null without a row, and without dbps's tables. */
export async function readFenceRow(
  session: MysqlQueryable,
  key: FenceKey,
  lock: '' | 'LOCK IN SHARE MODE' | 'FOR UPDATE' = '',
): Promise<FenceRow | null> {
  if (lock === '') {
    const installed = await session.query({
      sql: "SELECT 1 FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = 'fence'",
    });
    if (installed.length === 0) return null;
  }
  const [row] = await session.query({
    sql: `SELECT refusal, owner, epoch, revision FROM dbps.fence WHERE service = ? AND database_name = ? ${lock}`,
    values: [key.service, key.database],
  });
  if (row === undefined) return null;
  const owner = row['owner'];
  return {
    refusal: row['refusal'] ?? null,
    ownership:
      owner === 'legacy' || owner === 'service'
        ? { owner, epoch: Number(row['epoch']), revision: Number(row['revision']) }
        : null,
  };
}

/** Open, and silent about who owns: what legacy starts with. */
export async function ensureFenceRow(connection: mysql.Connection, key: FenceKey): Promise<void> {
  await connection.query('INSERT IGNORE INTO dbps.fence (service, database_name) VALUES (?, ?)', [
    key.service,
    key.database,
  ]);
}

export async function writeFenceRow(
  connection: mysql.Connection,
  key: FenceKey,
  row: { readonly refusal: string | null; readonly ownership: OwnershipRow },
): Promise<void> {
  const { owner, epoch, revision } = row.ownership;
  await connection.query(
    `INSERT INTO dbps.fence (service, database_name, refusal, owner, epoch, revision) VALUES (?, ?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE refusal = VALUES(refusal), owner = VALUES(owner), epoch = VALUES(epoch), revision = VALUES(revision)`,
    [key.service, key.database, row.refusal, owner, epoch, revision],
  );
  // What applications read (dbps/router). Where both databases are on one server they share it.
  await connection.query(
    `INSERT INTO dbps.route (service, owner, read_relations, epoch, revision) VALUES (?, ?, '[]', ?, ?)
     ON DUPLICATE KEY UPDATE owner = VALUES(owner), epoch = VALUES(epoch), revision = GREATEST(revision + 1, VALUES(revision)),
                             updated_at = CURRENT_TIMESTAMP(6)`,
    [key.service, owner, epoch, revision],
  );
}

/** Behind the row's lock: what the next revision must exceed on this database. */
export async function highestRevision(
  connection: mysql.Connection,
  key: FenceKey,
  row: FenceRow | null,
): Promise<number> {
  const [route] = await queryable(connection).query({
    sql: 'SELECT revision FROM dbps.route WHERE service = ? FOR UPDATE',
    values: [key.service],
  });
  return Math.max(row?.ownership?.revision ?? 0, Number(route?.['revision'] ?? 0));
}
