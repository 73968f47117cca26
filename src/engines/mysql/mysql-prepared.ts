/** Transactions that a coordinator has prepared and not ended yet. */
import type { MysqlQueryable } from './mysql-connection.js';

/**
 * MySQL has a privilege of its own for XA RECOVER (XA_RECOVER_ADMIN). Without it the engine's list shows those whose session has gone, which
 * include all that have lived through a restart. @returns null: this account may see neither.
 */
export async function readPrepared(session: MysqlQueryable): Promise<readonly string[] | null> {
  const recover = await session.query({ sql: 'XA RECOVER' }).catch(() => null);
  if (recover !== null) return recover.map((row) => row['data'] ?? '');
  const engine = await session
    .query({
      sql: `SELECT trx_id FROM information_schema.innodb_trx
             WHERE trx_mysql_thread_id = 0 AND trx_state <> 'ROLLING BACK'`,
    })
    .catch(() => null);
  return engine?.map((row) => `InnoDB transaction ${row['trx_id'] ?? ''}`) ?? null;
}
