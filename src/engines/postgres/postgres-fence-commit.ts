/** Ownership in the route's row: moved by the closing transaction (fence-commit), or asked after a commit whose answer was lost. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { CommitPoint, Ownership, OwnershipRow } from '../engine.js';
import { notTheirs } from '../fence-commit.js';
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
  if (revision === undefined) throw notTheirs(owner.service, point);
  return Number(revision);
}

/** Behind the row's lock, over a session of its own: the one that committed may still be at it. */
export async function readOwnershipLocked(
  target: ConnectionTarget,
  applicationName: string,
  service: string,
  patienceMs: number,
): Promise<Pick<OwnershipRow, 'owner' | 'revision'> | null> {
  const client = await openSession(target, { applicationName });
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL statement_timeout = ${Math.ceil(patienceMs)}`);
    const { rows } = await client.query<{ owner: OwnershipRow['owner']; revision: string }>(
      'SELECT owner, revision FROM dbps.route WHERE service = $1 FOR UPDATE',
      [service],
    );
    await client.query('ROLLBACK');
    const row = rows[0];
    return row === undefined ? null : { owner: row.owner, revision: Number(row.revision) };
  } finally {
    await client.end().catch(() => undefined);
  }
}
