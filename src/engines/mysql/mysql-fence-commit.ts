/** Ownership in the control row of the fence: moved by the closing transaction (fence-commit), or asked after a commit whose answer was lost. */
import type mysql from 'mysql2/promise';
import type { CommitPoint, Ownership, OwnershipRow } from '../engine.js';
import { notTheirs } from '../fence-commit.js';
import { openMysqlSession, queryable } from './mysql-connection.js';
import type { FenceKey } from './mysql-fence-body.js';
import { highestRevision, readFenceRow, writeFenceRow, type FenceRow } from './mysql-fence-row.js';
import type { FenceSetup } from './mysql-fence.js';

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
  if (!isExpected || (now !== null && now.epoch > owner.epoch)) throw notTheirs(owner.service, point);
  const highest = await highestRevision(connection, key, input.row);
  const revision = Math.max(highest, point.peerRevision) + 1;
  await writeFenceRow(connection, key, {
    refusal: input.refusal,
    ownership: { owner: point.newOwner, epoch: owner.epoch, revision },
  });
  return revision;
}

/** Behind the row's lock, over a session of its own: the one that committed may still be at it. */
export async function readOwnershipLocked(
  setup: FenceSetup,
  key: FenceKey,
  patienceMs: number,
): Promise<OwnershipRow | null> {
  const connection = await openMysqlSession(setup.target, { applicationName: setup.applicationName });
  try {
    await connection.query('SET SESSION innodb_lock_wait_timeout = ?', [
      Math.max(1, Math.ceil(patienceMs / 1000)),
    ]);
    await connection.query('START TRANSACTION');
    const row = await readFenceRow(queryable(connection), key, 'FOR UPDATE');
    await connection.query('ROLLBACK');
    return row?.ownership ?? null;
  } finally {
    await connection.end().catch(() => connection.destroy());
  }
}
