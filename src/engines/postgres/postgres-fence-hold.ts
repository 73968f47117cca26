/**
 * The session that holds writers waiting from the moment of closing to the commit. It is one open transaction, so every failure before the
 * commit is a rollback by the server: nobody gets an error, there is no expiry, no half-closed state and no clock to compare. When dbps dies the
 * locks go with the session; when it hangs, idle_in_transaction_session_timeout ends it.
 *
 * Locks are taken in two waves. SHARE UPDATE EXCLUSIVE stops no writer and evicts autovacuum, which a waiter does only after
 * deadlock_timeout: hence its long lock_timeout. SHARE ROW EXCLUSIVE follows in one statement under a statement_timeout below
 * deadlock_timeout (lock_timeout would count anew for each relation), so that in a deadlock this session is the one to give way, never
 * the application's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DbpsError, RefusedError } from '../../model/errors.js';
import { fingerprint } from '../../model/fingerprint.js';
import type { RelationId } from '../../model/relation-id.js';
import type { CommitPoint, HeldFence, HoldOptions, Ownership, OwnershipRow } from '../engine.js';
import { lostSession } from '../fence-commit.js';
import { HeldFenceSession, type HoldingSession } from '../held-fence.js';
import { cutOff, lockEpoch, openSession } from './postgres-connection.js';
import { closeStatements, lockTables, requireFenceable } from './postgres-fence-closing.js';
import { moveOwnership, readOwnershipLocked } from './postgres-fence-commit.js';
import {
  canBeReplica,
  readFiringTriggers,
  readForeignKeys,
  type FiringTrigger,
} from './postgres-fence-keys.js';
import { parentsFirst } from './postgres-fence-order.js';
import { remember } from './postgres-fence-memory.js';
import { readFence, type FenceFacts } from './postgres-fence-observe.js';
import {
  boundsOf,
  fenceSequence,
  lockSequence,
  readSequences,
  readSequenceValues,
  type SequenceFacts,
} from './postgres-fence-sequences.js';
import { readTree, type Queryable } from './postgres-fence-tree.js';
import { readRelationShapes } from './postgres-introspector.js';
import { quoteLiteral } from './postgres-sql.js';

export interface HoldInput {
  readonly target: ConnectionTarget;
  readonly applicationName: string;
  readonly owner: Ownership;
  readonly relations: readonly RelationId[];
  readonly options: HoldOptions;
}

/** statement_timeout or a cancel, lock_timeout, deadlock: the locks were not to be had this time. */
const GIVE_WAY = new Set(['57014', '55P03', '40P01']);

const codeOf = (error: unknown): string | undefined => (error as { code?: string }).code;

/** The connection is gone: ended by the server (shutdown, idle in transaction) or by the network, not an answer to a statement. */
function isLost(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof DbpsError) return false;
  const code = codeOf(error);
  if (code === undefined) return /connection|terminated|queryable/i.test(error.message);
  return /^(57P0[1-5]|25P03|08...|E[A-Z]+)$/.test(code);
}

export async function holdWriters(input: HoldInput): Promise<HeldFence> {
  const { options, owner } = input;
  options.signal?.throwIfAborted();
  const client = await openSession(input.target, {
    applicationName: input.applicationName,
    settings: { idle_in_transaction_session_timeout: String(options.pauseBudgetMs) },
  });
  // Ends the session at once: the server rolls back. A goodbye would wait for an answer, for ever on a line gone silent.
  const abandon = () => cutOff(client);
  options.signal?.addEventListener('abort', abandon, { once: true });
  const release = () => options.signal?.removeEventListener('abort', abandon);
  try {
    options.signal?.throwIfAborted();
    await noticeLostClient(client);
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    await client.query(
      `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')`,
    );
    await lockEpoch(client, owner);
    const deadlockTimeout = await deadlockTimeoutMs(client);
    await evict(client, input.relations, deadlockTimeout, options);
    // Between the waves: SHARE UPDATE EXCLUSIVE keeps DDL out (a new partition included), and no writer waits for what is read here.
    const seen = await readBetweenLocks(client, input);
    requireFenceable(seen.facts.tree);
    const { startedAt, attempts } = await lockWriters(client, input, seen, deadlockTimeout);
    await client.query('SET LOCAL statement_timeout = 0');
    const held = { ...seen, sequences: await readSequenceValues(client, seen.sequences) };
    return new HeldFenceSession(
      new PostgresHoldingSession(input, client, held),
      { ...held, relations: seen.facts.tree.map((relation) => relation.id), startedAt, attempts },
      { ...options, service: owner.service, release },
    );
  } catch (error) {
    release();
    await client.end().catch(() => undefined);
    options.signal?.throwIfAborted();
    throw isLost(error) ? lostSession(error) : error;
  }
}

/** A backend that waits for a lock does not see that its client died; where the server can look (14 and later, most platforms), it shall. */
async function noticeLostClient(client: pg.Client): Promise<void> {
  await client.query("SET client_connection_check_interval = '500ms'").catch((error: unknown) => {
    if (isLost(error)) throw error;
  });
}

async function deadlockTimeoutMs(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ setting: string }>(
    "SELECT setting FROM pg_settings WHERE name = 'deadlock_timeout'",
  );
  return Number(rows[0]?.setting ?? 1000);
}

/** An upper bound: what kind of session another role's is cannot be seen by everyone. */
async function countClients(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ n: string }>(
    'SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()',
  );
  return Number(rows[0]?.n ?? 1);
}

async function evict(
  client: Queryable,
  relations: readonly RelationId[],
  deadlockTimeout: number,
  options: HoldOptions,
): Promise<void> {
  await client.query(
    `SET LOCAL lock_timeout = ${deadlockTimeout + Math.max(deadlockTimeout, options.lockTimeoutMs)}`,
  );
  await client.query('SAVEPOINT evict');
  try {
    await client.query(lockTables(relations, 'SHARE UPDATE EXCLUSIVE'));
  } catch (error) {
    if (!GIVE_WAY.has(codeOf(error) ?? '')) throw error;
    await client.query('ROLLBACK TO SAVEPOINT evict');
    throw await notHeld(client, relations, 'maintenance or DDL is under way on the relations', error);
  }
  await client.query('SET LOCAL lock_timeout = 0');
}

interface SeenBetweenLocks {
  readonly facts: FenceFacts;
  readonly triggers: readonly FiringTrigger[];
  readonly sequences: readonly SequenceFacts[];
  readonly fingerprint: string;
  readonly clients: number;
  /** Referenced relations first: the order in which applications mostly write. */
  readonly order: readonly RelationId[];
}

async function readBetweenLocks(client: Queryable, input: HoldInput): Promise<SeenBetweenLocks> {
  const { owner, relations, options } = input;
  const facts = await readFence(client, owner.service, relations);
  return {
    facts,
    triggers: await readFiringTriggers(client, facts.tree, await canBeReplica(client)),
    sequences: await readSequences(client, options.sequences),
    fingerprint: fingerprint(await readRelationShapes(client, relations), relations),
    clients: await countClients(client),
    order: parentsFirst(relations, await readForeignKeys(client, facts.tree, 'inner'), facts.tree),
  };
}

async function lockWriters(
  client: Queryable,
  input: HoldInput,
  seen: Pick<SeenBetweenLocks, 'sequences' | 'order'>,
  deadlockTimeout: number,
): Promise<{ startedAt: number; attempts: number }> {
  const { options } = input;
  const longest = Math.max(10, Math.min(options.lockTimeoutMs, Math.floor(deadlockTimeout * 0.8)));
  // One statement, so that one statement_timeout covers tables and sequences together. Who locks in another order than the writers waits for them
  // while they wait for him: those that write parents or children first, draw a value by default (table first) or by nextval
  // (sequence first). The attempts take turns, or some of them would never let us in.
  const drawn = seen.sequences.map(lockSequence);
  const tables = (order: readonly RelationId[]) => lockTables(order, 'SHARE ROW EXCLUSIVE');
  const inOrder = (locks: readonly string[]) =>
    `DO ${quoteLiteral(`BEGIN ${locks.map((sql) => `${sql};`).join(' ')} END`)}`;
  const orders = [seen.order, seen.order.toReversed()].flatMap((order) => [
    inOrder([tables(order), ...drawn]),
    inOrder([...drawn, tables(order)]),
  ]);
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    const patience = Math.min(longest, 60 * 2 ** (attempt - 1));
    await client.query('SAVEPOINT hold');
    await client.query(`SET LOCAL statement_timeout = ${patience}`);
    const startedAt = performance.now();
    try {
      await client.query(orders[(attempt - 1) % orders.length] as string);
      return { startedAt, attempts: attempt };
    } catch (error) {
      if (!GIVE_WAY.has(codeOf(error) ?? '')) throw error;
      await client.query('ROLLBACK TO SAVEPOINT hold');
      if (attempt >= options.attempts)
        throw await notHeld(
          client,
          input.relations,
          `writers did not finish within ${longest} ms in ${attempt} attempts`,
          error,
        );
      // Writers go on meanwhile: only SHARE UPDATE EXCLUSIVE is still held.
      await sleep(Math.min(50 * 2 ** attempt, 2000, options.pauseBudgetMs / 2));
    }
  }
}

async function notHeld(
  client: Queryable,
  relations: readonly RelationId[],
  what: string,
  cause: unknown,
): Promise<RefusedError> {
  const tree = await readTree(client, relations);
  const { rows } = await client.query<{ who: string }>(
    `SELECT DISTINCT format('%s (%s, pid %s): %s', a.usename, a.state, a.pid, left(a.query, 100)) AS who
       FROM pg_locks l JOIN pg_stat_activity a USING (pid)
      WHERE l.locktype = 'relation' AND l.relation = ANY ($1::oid[]) AND l.pid <> pg_backend_pid()
        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') LIMIT 5`,
    [tree.map((relation) => relation.oid)],
  );
  return new RefusedError({
    code: 'DBPS_E332',
    message: `the writers of ${relations.length} relations could not be held: ${what}${rows.length > 0 ? `; now at work: ${rows.map((r) => r.who).join('; ')}` : ''}`,
    hint: 'Nothing was changed. Try again when long transactions, maintenance and DDL on these relations are over.',
    cause,
  });
}

class PostgresHoldingSession implements HoldingSession {
  readonly isLost = isLost;

  constructor(
    readonly input: HoldInput,
    readonly client: pg.Client,
    readonly held: Pick<SeenBetweenLocks, 'facts' | 'triggers' | 'sequences'>,
  ) {}

  async closeAndMove(point: CommitPoint): Promise<number> {
    const { owner, options } = this.input;
    const { facts, triggers, sequences } = this.held;
    await remember(this.client, owner.service, [
      ...triggers,
      ...sequences.map((sequence) => ({
        kind: 'sequence' as const,
        subject: sequence.id,
        bounds: boundsOf(sequence),
      })),
    ]);
    const body = {
      service: owner.service,
      applier: options.applier,
      message: options.message,
      newOwner: point.newOwner,
    };
    await this.client.query(
      [...closeStatements(facts, body, triggers), ...sequences.map(fenceSequence)].join(';\n'),
    );
    return moveOwnership(this.client, owner, point);
  }

  async commit(): Promise<boolean> {
    const { command } = await this.client.query('COMMIT');
    return command === 'COMMIT';
  }

  async rollback(): Promise<void> {
    await this.client.query('ROLLBACK');
  }

  async end(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }

  readOwnership(patienceMs: number): Promise<Pick<OwnershipRow, 'owner' | 'revision'> | null> {
    const { target, applicationName, owner } = this.input;
    return readOwnershipLocked(target, applicationName, owner.service, patienceMs);
  }
}
