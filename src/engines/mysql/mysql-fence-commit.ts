/**
 * The commit point: ownership moves by compare-and-set in the transaction that closes the fence, and nothing else decides who owns. Should the
 * answer to COMMIT be lost, the row itself is asked, behind its lock: the old session may still be committing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { InterruptedError, RefusedError } from '../../model/errors.js';
import type { CommitPoint, Ownership } from '../engine.js';
import { openMysqlSession, queryable } from './mysql-connection.js';
import type { FenceKey } from './mysql-fence-body.js';
import { highestRevision, readFenceRow, writeFenceRow, type FenceRow } from './mysql-fence-row.js';

/** Behind the control row's lock. @returns the row's new revision. @throws RefusedError when somebody else has moved it. */
export async function closeAndMove(
  connection: mysql.Connection,
  key: FenceKey,
  owner: Ownership,
  point: CommitPoint,
  input: { readonly row: FenceRow | null; readonly refusal: string },
): Promise<number> {
  const { reverseStart: start } = point;
  // First change of the transaction in the log: it marks it as dbps's own.
  await connection.query(
    `INSERT INTO dbps.checkpoint (service, direction, epoch, applied, received, source, mark)
     VALUES (?, ?, ?, ?, ?, ?, 1)
     ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), applied = VALUES(applied), received = VALUES(received), source = VALUES(source),
                             mark = mark + 1, updated_at = CURRENT_TIMESTAMP(6)`,
    [
      owner.service,
      start.direction,
      owner.epoch,
      start.applied,
      start.received,
      JSON.stringify(start.source),
    ],
  );
  const now = input.row?.ownership ?? null;
  // Legacy owns what no row speaks of.
  const isExpected = now === null ? point.expectedOwner === 'legacy' : now.owner === point.expectedOwner;
  if (!isExpected || (now !== null && now.epoch > owner.epoch)) {
    throw new RefusedError({
      code: 'DBPS_E333',
      message: `the writes of ${owner.service} are not ${point.expectedOwner === 'legacy' ? "legacy's" : "the service database's"} to give away: its ownership row says otherwise`,
      hint: `dbps status ${owner.service}`,
    });
  }
  const highest = await highestRevision(connection, key, input.row);
  const revision = Math.max(highest, point.peerRevision) + 1;
  await writeFenceRow(connection, key, {
    refusal: input.refusal,
    ownership: { owner: point.newOwner, epoch: owner.epoch, revision },
  });
  return revision;
}

export interface LostCommit {
  readonly key: FenceKey;
  readonly applicationName: string;
  readonly newOwner: 'legacy' | 'service';
  /** What the row holds if the commit took place. */
  readonly revision: number;
  readonly patienceMs: number;
  readonly cause: unknown;
}

/** @throws InterruptedError when the database cannot be asked: then the next holder of the lease asks. */
export async function settleCommit(
  target: ConnectionTarget,
  lost: LostCommit,
): Promise<'committed' | 'not-committed'> {
  const deadline = performance.now() + lost.patienceMs * 2;
  let cause = lost.cause;
  do {
    try {
      const connection = await openMysqlSession(target, { applicationName: lost.applicationName });
      try {
        await connection.query('SET SESSION innodb_lock_wait_timeout = ?', [
          Math.max(1, Math.ceil((lost.patienceMs * 2) / 1000)),
        ]);
        await connection.query('START TRANSACTION');
        const row = await readFenceRow(queryable(connection), lost.key, 'FOR UPDATE');
        await connection.query('ROLLBACK');
        const now = row?.ownership ?? null;
        return now !== null && now.owner === lost.newOwner && now.revision >= lost.revision
          ? 'committed'
          : 'not-committed';
      } finally {
        await connection.end().catch(() => connection.destroy());
      }
    } catch (error) {
      cause = error;
      await sleep(200);
    }
  } while (performance.now() < deadline);
  throw new InterruptedError({
    code: 'DBPS_E531',
    message: `the answer to the commit of ${lost.key.service} was lost, and the database does not answer`,
    hint: 'When it is back, run it again: the ownership row says what became of it.',
    cause,
  });
}
