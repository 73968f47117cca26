/** A fence over a test database of the MySQL family, with the control tables it needs. Options as for PostgreSQL: fence.ts. */
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../src/model/connection-target.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { MysqlFence } from '../../src/engines/mysql/mysql-fence.js';
import { OWNER } from './fence.js';
import type { MysqlTestDatabase, MysqlTestServer } from './mariadb.js';

export interface MysqlFenceUnderTest {
  readonly fence: MysqlFence;
  readonly control: MysqlControl;
  readonly pool: MysqlPool;
  close(): Promise<void>;
}

/** @param target another way to the same database (a proxy). */
export async function mysqlFenceOver(
  database: MysqlTestDatabase,
  target: ConnectionTarget = database.target,
): Promise<MysqlFenceUnderTest> {
  const pool = await MysqlPool.open(database.target, { applicationName: 'dbps test' });
  const control = new MysqlControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
  const fence = new MysqlFence(pool, { target, applicationName: 'dbps fence' });
  return { fence, control, pool, close: () => pool.close() };
}

/** `accepted`, or the SQLSTATE that refused it. */
export const stateOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (error: { sqlState?: string; message?: string }) => error.sqlState ?? error.message ?? '',
  );

/** Until the session waits for a row lock. */
export async function waitsForRow(server: MysqlTestServer, connection: mysql.Connection): Promise<void> {
  const { threadId } = connection;
  await until(
    server,
    "SELECT 1 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = ? AND trx_state = 'LOCK WAIT'",
    [threadId],
  );
}

/** Not oftener: innodb_trx shows what it showed before as long as it is asked within a tenth of a second. */
const LOOK_EVERY_MS = 120;

export async function until(server: MysqlTestServer, sql: string, values: unknown[] = []): Promise<void> {
  while ((await server.query(sql, values)).length === 0)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}
