/**
 * DDL waits for every transaction that has touched its table, and everybody after it waits behind it: so it waits a second at most, steps
 * aside, and tries again. It commits by itself, so the epoch is held by a transaction of another session meanwhile: a take-over waits for it.
 *
 * Where the table refers to another, DDL has it to itself already while it waits for the other one. A transaction that has written the parent and comes
 * to the child makes a circle of that, which the server ends at the expense of the transaction (error 1213), never of the DDL. So at first DDL does not
 * wait at all, where the server knows that: MariaDB does, the least that MySQL waits is a second.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type mysql from 'mysql2/promise';
import { RefusedError } from '../../model/errors.js';
import type { Ownership } from '../engine.js';
import type { MysqlPool } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';

/** Lock wait timeout, deadlock, statement timeouts, NOWAIT. */
export const GIVE_WAY: ReadonlySet<number> = new Set([1205, 1213, 1317, 1969, 3024, 3572]);

const ATTEMPTS = 40;
const LONGEST_PAUSE_MS = 1000;
/** Tries that do not wait: three seconds of them, before writers are made to queue. */
const EAGER_ATTEMPTS = 150;
const EAGER_PAUSE_MS = 20;

/** What a session for DDL is given once: `foreign_key_checks` off, so that a key is added without reading (and copying) the rows. */
export const DDL_SETTINGS =
  'SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, foreign_key_checks = 0';

/** Called before each try, from 1. @returns how long to pause after it failed, in ms; null when it was the last one. */
export async function lockPatience(
  session: mysql.Connection,
  { attempts, waitS }: { readonly attempts: number; readonly waitS: number },
): Promise<(attempt: number) => Promise<number | null>> {
  const [[row] = []] = await session.query<mysql.RowDataPacket[]>('SELECT VERSION() AS version');
  const eager = /mariadb/i.test(String(row?.['version'])) ? EAGER_ATTEMPTS : 0;
  return async (attempt) => {
    const patient = attempt - eager;
    if (attempt === 1 || patient === 1)
      await session.query(`SET SESSION lock_wait_timeout = ${patient > 0 ? waitS : 0}`);
    if (patient <= 0) return EAGER_PAUSE_MS;
    return patient >= attempts ? null : Math.min(25 * 2 ** Math.min(patient, 10), LONGEST_PAUSE_MS);
  };
}

/**
 * Gives up after about a minute.
 *
 * @param session of the DDL in `work`; left out where there is none.
 * @throws RefusedError naming `what`.
 */
export async function inSmallRetries(
  pool: MysqlPool,
  owner: Ownership,
  what: string,
  work: (epoch: mysql.Connection) => Promise<unknown>,
  {
    signal,
    session,
  }: { readonly signal?: AbortSignal | undefined; readonly session?: mysql.Connection } = {},
): Promise<void> {
  const patience =
    session === undefined
      ? (attempt: number) =>
          attempt >= ATTEMPTS ? null : Math.min(25 * 2 ** Math.min(attempt, 10), LONGEST_PAUSE_MS)
      : await lockPatience(session, { attempts: ATTEMPTS, waitS: 1 });
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const pause = await patience(attempt);
    try {
      await pool.ownedTransaction(owner, work);
      return;
    } catch (error) {
      if (!GIVE_WAY.has(errorNumber(error) ?? 0)) throw error;
      if (pause === null)
        throw new RefusedError({
          code: 'DBPS_E334',
          message: `${what} waits for readers that do not end`,
          hint: 'End the long transactions on these relations (SHOW PROCESSLIST shows them) and run it again.',
          cause: error,
        });
      await sleep(pause, undefined, { signal });
    }
  }
}
