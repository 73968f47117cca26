/** Whether a database is there, and making it. A session needs none of its own. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { OpenOptions } from '../engine.js';
import { openMysqlSession, queryable } from './mysql-connection.js';
import { quoteIdentifier } from './mysql-sql.js';

export async function databaseExists(target: ConnectionTarget, options: OpenOptions): Promise<boolean> {
  const session = await openMysqlSession(target.withDatabase(''), { ...options, readOnly: true });
  try {
    const rows = await queryable(session).query({
      sql: 'SELECT 1 AS there FROM information_schema.schemata WHERE schema_name = ?',
      values: [target.database],
    });
    return rows.length > 0;
  } finally {
    await session.end();
  }
}

export async function createDatabaseIfMissing(
  target: ConnectionTarget,
  options: OpenOptions,
): Promise<boolean> {
  if (await databaseExists(target, options)) return false;
  const session = await openMysqlSession(target.withDatabase(''), options);
  try {
    // Another process may be faster: then nothing is changed, and no row counted.
    const [made] = await session.query(
      `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(target.database)} DEFAULT CHARACTER SET utf8mb4`,
    );
    return (made as { affectedRows: number; warningStatus: number }).warningStatus === 0;
  } finally {
    await session.end();
  }
}
