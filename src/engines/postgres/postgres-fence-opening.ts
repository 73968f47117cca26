/**
 * Opening a fence: one transaction that makes the database ready for applications and says that it owns. The body swap itself waits for nobody;
 * keys and triggers need SHARE ROW EXCLUSIVE, which here meets readers (whom it lets pass) and autovacuum (which it evicts), as writers
 * are still refused and the applier is at rest.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RefusedError } from '../../model/errors.js';
import type { RelationId } from '../../model/relation-id.js';
import type { DetachedKey, OpenFenceOptions, Ownership } from '../engine.js';
import { lockEpoch, type SessionPool } from './postgres-connection.js';
import { openBody, replaceFunction } from './postgres-fence-body.js';
import { lockTables } from './postgres-fence-closing.js';
import {
  addKey,
  enableTrigger,
  hasConstraint,
  keySubject,
  leavesIfPartitioned,
} from './postgres-fence-keys.js';
import { forget, recall, remember } from './postgres-fence-memory.js';
import { readFence } from './postgres-fence-observe.js';
import { GIVE_WAY } from './postgres-fence-retry.js';
import { readSequences, restoreBounds } from './postgres-fence-sequences.js';
import type { Queryable } from './postgres-fence-tree.js';

const MOST_ATTEMPTS = 20;

export async function openFence(
  pool: SessionPool,
  owner: Ownership,
  relations: readonly RelationId[],
  options: OpenFenceOptions,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openAtOnce(pool, owner, relations, options);
    } catch (error) {
      // A reader that begins to write while keys and triggers are made, or somebody's lock: the server takes all of it back, and writers are
      // waiting for it.
      if (!GIVE_WAY.has((error as { code?: string }).code ?? '') || attempt >= MOST_ATTEMPTS) throw error;
      await sleep(20 * attempt);
    }
  }
}

async function openAtOnce(
  pool: SessionPool,
  owner: Ownership,
  relations: readonly RelationId[],
  options: OpenFenceOptions,
): Promise<void> {
  await pool.transaction(async (client) => {
    await lockEpoch(client, owner);
    await client.query(
      `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')`,
    );
    await takeOwnership(client, owner, options);
    const { service } = owner;
    const statements = await recall(client, service, 'statement');
    const keys = await recall(client, service, 'inner-key');
    const triggers = await recall(client, service, 'trigger');
    if (statements.length + keys.length + triggers.length > 0) {
      // Beyond deadlock_timeout, so that autovacuum is evicted rather than waited for.
      await client.query(
        `SELECT set_config('lock_timeout', (setting::int + ${options.lockTimeoutMs})::text, true) FROM pg_settings WHERE name = 'deadlock_timeout'`,
      );
      await client.query(lockTables(relations, 'SHARE ROW EXCLUSIVE'));
    }
    for (const { key } of keys) await restoreKey(client, service, key);
    await forget(client, service, 'inner-key');
    for (const trigger of triggers) await client.query(enableTrigger(trigger));
    await forget(client, service, 'trigger');
    // Bodies may name what is created after them.
    if (statements.length > 0) await client.query('SET LOCAL check_function_bodies = off');
    for (const statement of statements) await runUnlessDone(client, statement);
    await forget(client, service, 'statement');
    await liftSequenceFences(client, service);
    const facts = await readFence(client, service, relations);
    if (facts.body !== null) await client.query(replaceFunction(service, openBody()));
  });
}

/** Only forwards: a late opener with an older revision must not take back what was given away since. */
async function takeOwnership(client: Queryable, owner: Ownership, options: OpenFenceOptions): Promise<void> {
  const { ownership } = options;
  const { rows } = await client.query(
    `INSERT INTO dbps.route (service, owner, epoch, revision) VALUES ($1, $2, $3, $4)
     ON CONFLICT (service) DO UPDATE
       SET owner = excluded.owner, epoch = excluded.epoch, revision = excluded.revision, updated_at = clock_timestamp()
     WHERE route.revision < excluded.revision OR (route.revision = excluded.revision AND route.owner = excluded.owner)
     RETURNING revision`,
    [owner.service, ownership.owner, owner.epoch, ownership.revision],
  );
  if (rows.length === 0)
    throw new RefusedError({
      code: 'DBPS_E333',
      message: `the fence of ${owner.service} is not to be opened: its ownership row is newer than the decision to open it`,
      hint: `dbps status ${owner.service}`,
    });
}

/** Not validated: that would read the whole relation while nobody may write. attachKeys does it later. */
export async function restoreKey(client: Queryable, service: string, key: DetachedKey): Promise<void> {
  const leaves = await leavesIfPartitioned(client, key.relation);
  for (const relation of leaves.length > 0 ? leaves : [key.relation]) {
    if ((await hasConstraint(client, relation, key.name)) === 'no')
      await client.query(addKey(relation, key.name, key.definition, false));
  }
  if (key.isValidated)
    await remember(client, service, [{ kind: 'unvalidated-key', subject: keySubject(key), key }]);
}

export async function runUnlessDone(
  client: Queryable,
  statement: { readonly sql: string; readonly unless?: string },
): Promise<void> {
  if (statement.unless !== undefined && (await client.query(statement.unless)).rowCount !== 0) return;
  await client.query(statement.sql);
}

/** Bounds as they were; advanceSequences has done it already where values had to move on. */
async function liftSequenceFences(client: Queryable, service: string): Promise<void> {
  for (const { subject, bounds } of await recall(client, service, 'sequence')) {
    const [sequence] = await readSequences(client, [subject]);
    if (sequence === undefined) continue;
    await client.query(restoreBounds(sequence, bounds));
  }
  await forget(client, service, 'sequence');
}
