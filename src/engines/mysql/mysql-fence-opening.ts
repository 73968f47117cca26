/** Opening a fence: what was kept for it is created, then one transaction says who owns and lets the writers through. */
import type mysql from 'mysql2/promise';
import { RefusedError } from '../../model/errors.js';
import type { OpenFenceOptions, Ownership } from '../engine.js';
import { queryable } from './mysql-connection.js';
import { runKeptStatements, type Arming } from './mysql-fence-arming.js';
import type { FenceKey } from './mysql-fence-body.js';
import { inSmallRetries } from './mysql-fence-retry.js';
import { readFenceRow, writeFenceRow } from './mysql-fence-row.js';

export async function openFence(arming: Arming, options: OpenFenceOptions): Promise<void> {
  const { pool, key, owner, signal } = arming;
  // Whoever was refused keeps a lock on the row until his transaction ends, and nobody accepts writes until this is done: not given up at
  // the first lock wait timeout.
  const locked = (work: (connection: mysql.Connection) => Promise<void>) =>
    inSmallRetries(pool, owner, `opening the fence of ${owner.service}`, work, { signal });
  // Asked before anything is created, and again behind the lock.
  await locked((connection) => requireNewer(connection, key, owner, options));
  await runKeptStatements(arming, 'all');
  await locked(async (connection) => {
    await requireNewer(connection, key, owner, options);
    const { owner: side, revision } = options.ownership;
    await writeFenceRow(connection, key, {
      refusal: null,
      ownership: { owner: side, epoch: owner.epoch, revision },
    });
  });
}

/** Only forwards: a late opener with an older revision must not take back what was given away since. */
async function requireNewer(
  connection: mysql.Connection,
  key: FenceKey,
  owner: Ownership,
  { ownership }: OpenFenceOptions,
): Promise<void> {
  const now = (await readFenceRow(queryable(connection), key, 'FOR UPDATE'))?.ownership ?? null;
  const isNewer =
    now === null ||
    now.revision < ownership.revision ||
    (now.revision === ownership.revision && now.owner === ownership.owner);
  if (isNewer) return;
  throw new RefusedError({
    code: 'DBPS_E333',
    message: `the fence of ${owner.service} is not to be opened: its ownership row is newer than the decision to open it`,
    hint: `dbps status ${owner.service}`,
  });
}
