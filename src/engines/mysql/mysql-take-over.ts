/**
 * A take-over waits for the open transactions of the former owner: they end in moments while he is alive. One who is frozen (stopped, swapped out,
 * cut off from the network) ends none, and the server keeps his session for hours, with his locks. His lease is over: after a while the sessions that
 * keep the epoch's row are ended, and their transactions roll back. Nothing but dbps locks rows of `dbps.epoch`, so that the lock is the mark; an
 * account may end its own sessions without a further privilege.
 */
import type { MysqlFlavor } from './mysql-flavor.js';
import type { MysqlPool } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';

const AGAIN_MS = 1_000;
const NO_SUCH_THREAD = 1094;

/** From `graceMs` on, ends whoever of this account keeps the session `id` waiting and does not wait himself. @returns what stops it. */
export function endMysqlHoldersAfter(
  pool: MysqlPool,
  flavor: MysqlFlavor,
  id: number,
  graceMs: number,
): () => void {
  const tryAgain = async (): Promise<void> => {
    const holders = await pool.query(flavor.lockHoldersSql, [id]);
    for (const { id: holder } of holders)
      await pool.query(`KILL ${Number(holder)}`).catch((error: unknown) => {
        // It ended by itself.
        if (errorNumber(error) !== NO_SUCH_THREAD) throw error;
      });
  };
  // Not to be had now: the next look tries again, and until then the take-over waits as before.
  const quietly = () => void tryAgain().catch(() => undefined);
  let interval: NodeJS.Timeout | undefined;
  const timer = setTimeout(() => {
    quietly();
    interval = setInterval(quietly, AGAIN_MS);
  }, graceMs);
  return () => {
    clearTimeout(timer);
    clearInterval(interval);
  };
}
