/**
 * A take-over waits for the open transactions of the former owner: they end in moments while he is alive. One who is frozen (stopped, swapped out,
 * cut off from the network) ends none, and the server keeps his session for hours, with his locks and with everything that waits for old
 * transactions (slots, vacuum). His lease is over: after a while his sessions are ended, and his transactions roll back.
 */
import type { SessionPool } from './postgres-connection.js';

const AGAIN_MS = 1_000;

/** From `graceMs` on, ends whoever of dbps keeps the session `pid` waiting and does not wait himself. @returns what stops it. */
export function endHoldersAfter(pool: SessionPool, pid: number, graceMs: number): () => void {
  const tryAgain = () => {
    void pool
      .query(
        `SELECT pg_terminate_backend(a.pid) FROM unnest(pg_blocking_pids($1)) AS holder JOIN pg_stat_activity AS a ON a.pid = holder
          WHERE a.usename = session_user AND a.application_name LIKE 'dbps%' AND a.wait_event_type IS DISTINCT FROM 'Lock'`,
        [pid],
      )
      // Not to be had now: the next look tries again, and until then the take-over waits as before.
      .catch(() => undefined);
  };
  let interval: NodeJS.Timeout | undefined;
  const timer = setTimeout(() => {
    tryAgain();
    interval = setInterval(tryAgain, AGAIN_MS);
  }, graceMs);
  return () => {
    clearTimeout(timer);
    clearInterval(interval);
  };
}
