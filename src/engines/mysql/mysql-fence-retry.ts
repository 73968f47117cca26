/**
 * DDL waits for every transaction that has touched its table, and everybody after it waits behind it: so it waits a second at most, steps
 * aside, and tries again. It commits by itself, so the epoch is held by a transaction of another session meanwhile: a take-over waits for it.
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

/** What a session for DDL is given once: `foreign_key_checks` off, so that a key is added without reading (and copying) the rows. */
export const DDL_SETTINGS =
  'SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, foreign_key_checks = 0';

/** Gives up after about a minute. @throws RefusedError naming `what`. */
export async function inSmallRetries(
  pool: MysqlPool,
  owner: Ownership,
  what: string,
  work: (epoch: mysql.Connection) => Promise<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      await pool.ownedTransaction(owner, work);
      return;
    } catch (error) {
      if (!GIVE_WAY.has(errorNumber(error) ?? 0)) throw error;
      if (attempt >= ATTEMPTS)
        throw new RefusedError({
          code: 'DBPS_E334',
          message: `${what} waits for readers that do not end`,
          hint: 'End the long transactions on these relations (SHOW PROCESSLIST shows them) and run it again.',
          cause: error,
        });
      await sleep(Math.min(25 * 2 ** Math.min(attempt, 10), LONGEST_PAUSE_MS), undefined, { signal });
    }
  }
}
