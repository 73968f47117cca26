/**
 * The commit point: ownership moves by compare-and-set in the transaction that closes the fence, and nothing else decides who owns. Should the
 * answer to COMMIT be lost, the row itself is asked, behind its lock: the old session may still be committing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { InterruptedError, RefusedError } from '../../model/errors.js';
import type { CommitPoint, Ownership } from '../engine.js';
import { openSession } from './postgres-connection.js';
import type { Queryable } from './postgres-fence-tree.js';

/** @returns the row's new revision. @throws RefusedError when somebody else has moved it. */
export async function moveOwnership(
  client: Queryable,
  owner: Ownership,
  point: CommitPoint,
): Promise<number> {
  const { reverseStart: start } = point;
  // First change of a published table in this transaction: it marks it as dbps's own.
  await client.query(
    `INSERT INTO dbps.checkpoint (service, direction, epoch, applied, received, source, mark)
     VALUES ($1, $2, $3, $4, $5, $6, 1)
     ON CONFLICT (service, direction) DO UPDATE
       SET epoch = excluded.epoch, applied = excluded.applied, received = excluded.received, source = excluded.source,
           mark = checkpoint.mark + 1, updated_at = clock_timestamp()`,
    [
      owner.service,
      start.direction,
      owner.epoch,
      start.applied,
      start.received,
      JSON.stringify(start.source),
    ],
  );
  // Legacy owns what no row speaks of: only there may the row be made.
  const { rows } = await client.query<{ revision: string }>(
    point.expectedOwner === 'legacy'
      ? `INSERT INTO dbps.route (service, owner, epoch, revision) VALUES ($1, $2, $3, $4 + 1)
         ON CONFLICT (service) DO UPDATE
           SET owner = excluded.owner, epoch = excluded.epoch, revision = GREATEST(route.revision, $4) + 1,
               updated_at = clock_timestamp()
         WHERE route.owner = 'legacy' AND route.epoch <= excluded.epoch
         RETURNING revision`
      : `UPDATE dbps.route
            SET owner = $2, epoch = $3, revision = GREATEST(revision, $4) + 1, updated_at = clock_timestamp()
          WHERE service = $1 AND owner = 'service' AND epoch <= $3
         RETURNING revision`,
    [owner.service, point.newOwner, owner.epoch, point.peerRevision],
  );
  const revision = rows[0]?.revision;
  if (revision === undefined) {
    throw new RefusedError({
      code: 'DBPS_E333',
      message: `the writes of ${owner.service} are not ${point.expectedOwner === 'legacy' ? "legacy's" : "the service database's"} to give away: its ownership row says otherwise`,
      hint: `dbps status ${owner.service}`,
    });
  }
  return Number(revision);
}

export interface LostCommit {
  readonly owner: Ownership;
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
      const client = await openSession(target, { applicationName: lost.applicationName });
      try {
        await client.query('BEGIN');
        await client.query(`SET LOCAL statement_timeout = ${Math.ceil(lost.patienceMs * 2)}`);
        const { rows } = await client.query<{ owner: string; revision: string }>(
          'SELECT owner, revision FROM dbps.route WHERE service = $1 FOR UPDATE',
          [lost.owner.service],
        );
        await client.query('ROLLBACK');
        const row = rows[0];
        return row !== undefined && row.owner === lost.newOwner && Number(row.revision) >= lost.revision
          ? 'committed'
          : 'not-committed';
      } finally {
        await client.end().catch(() => undefined);
      }
    } catch (error) {
      cause = error;
      await sleep(200);
    }
  } while (performance.now() < deadline);
  throw new InterruptedError({
    code: 'DBPS_E531',
    message: `the answer to the commit of ${lost.owner.service} was lost, and the database does not answer`,
    hint: 'When it is back, run it again: the ownership row says what became of it.',
    cause,
  });
}
