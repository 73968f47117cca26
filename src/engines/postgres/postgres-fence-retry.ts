/**
 * DDL that locks readers out (dropping a trigger or a key, identity): a waiter for it makes every later reader queue behind the earliest, so it
 * waits only a moment, steps aside, and tries again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RefusedError } from '../../model/errors.js';
import type { Ownership } from '../engine.js';
import { lockEpoch, type SessionPool } from './postgres-connection.js';
import type { Queryable } from './postgres-fence-tree.js';

const PATIENCE_MS = 100;
const ATTEMPTS = 60;
const LONGEST_PAUSE_MS = 1000;

/** lock_timeout, deadlock */
export const GIVE_WAY: ReadonlySet<string> = new Set(['55P03', '40P01']);

/** Readers wait at most PATIENCE_MS an attempt; gives up after about a minute. @throws RefusedError naming `what`. */
export async function inSmallRetries<T>(
  pool: SessionPool,
  owner: Ownership,
  what: string,
  work: (client: Queryable) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await pool.transaction(async (client) => {
        await lockEpoch(client, owner);
        await client.query(`SET LOCAL lock_timeout = ${PATIENCE_MS}`);
        return work(client);
      });
    } catch (error) {
      if (!GIVE_WAY.has((error as { code?: string }).code ?? '')) throw error;
      if (attempt >= ATTEMPTS)
        throw new RefusedError({
          code: 'DBPS_E334',
          message: `${what} waits for readers that do not end`,
          hint: 'End the long transactions on these relations (pg_stat_activity shows them) and run it again.',
          cause: error,
        });
      await sleep(Math.min(25 * 2 ** Math.min(attempt, 10), LONGEST_PAUSE_MS), undefined, { signal });
    }
  }
}
