/** Transactions that a coordinator has prepared and not ended yet. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MysqlQueryable } from './mysql-connection.js';

/** InnoDB has transactions of its own (statistics of tables) that no session shows either; they are over within milliseconds. */
const LOOKS = 10;
const BETWEEN_MS = 100;

/**
 * MySQL has a privilege of its own for XA RECOVER (XA_RECOVER_ADMIN). Without it the engine's list shows those whose session has gone, which
 * include all that have lived through a restart: those that stay for a second. @returns null: this account may see neither.
 */
export async function readPrepared(session: MysqlQueryable): Promise<readonly string[] | null> {
  const recover = await session.query({ sql: 'XA RECOVER' }).catch(() => null);
  if (recover !== null) return recover.map((row) => row['data'] ?? '');
  let found = await readWithoutSession(session);
  for (let look = 1; look < LOOKS && found !== null && found.length > 0; look++) {
    await sleep(BETWEEN_MS);
    const again = await readWithoutSession(session);
    found = found.filter((id) => again?.includes(id) !== false);
  }
  return found?.map((id) => `InnoDB transaction ${id}`) ?? null;
}

async function readWithoutSession(session: MysqlQueryable): Promise<readonly string[] | null> {
  const rows = await session
    .query({
      sql: `SELECT trx_id FROM information_schema.innodb_trx
             WHERE trx_mysql_thread_id = 0 AND trx_state <> 'ROLLING BACK'`,
    })
    .catch(() => null);
  return rows?.map((row) => row['trx_id'] ?? '') ?? null;
}
