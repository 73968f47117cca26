/**
 * The session that holds writers waiting from the moment of closing to the commit. It is one open transaction that has the control row to
 * itself: writers wait for the row in their triggers, and whoever has written already holds it until the end of his transaction, so that
 * having it means that all are drained. Every failure before the commit is a rollback by the server: nobody gets an error, nothing is half
 * closed, there is no expiry and no clock to compare. When dbps dies the row is free with its session; when it hangs, wait_timeout ends it.
 *
 * The session also holds each relation's metadata lock, by having opened it: what would change rows or shape without firing a trigger (TRUNCATE,
 * ALTER, DROP) waits until the commit.
 *
 * A writer may already hold rows when it comes to the control row, and another may wait for those rows while holding the control row: with
 * this session that is a deadlock. The server ends the transaction that has changed and locked least, which is this one, and a wait too long
 * ends this one too: the application never pays. Then everything is let go, and tried again after a pause.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type mysql from 'mysql2/promise';
import { RefusedError } from '../../model/errors.js';
import { fenceSignal } from '../../model/fence-error.js';
import { fingerprint } from '../../model/fingerprint.js';
import type { RelationId } from '../../model/relation-id.js';
import type { CommitPoint, HeldFence, HoldOptions, Ownership, OwnershipRow } from '../engine.js';
import { lostSession } from '../fence-commit.js';
import { HeldFenceSession, type HoldingSession } from '../held-fence.js';
import { cutOff, lockMysqlEpoch, openMysqlSession, queryable } from './mysql-connection.js';
import { errorNumber, isLost } from './mysql-errors.js';
import type { FenceKey } from './mysql-fence-body.js';
import { closeAndMove, readOwnershipLocked } from './mysql-fence-commit.js';
import { GIVE_WAY } from './mysql-fence-retry.js';
import { readFenceRow, type FenceRow } from './mysql-fence-row.js';
import { readCounters, readFreshStatistics, type CounterFacts } from './mysql-fence-sequences.js';
import type { FenceSetup } from './mysql-fence.js';
import { MysqlIntrospector } from './mysql-introspector.js';
import { quoteRelation } from './mysql-sql.js';
import { readPrepared } from './mysql-prepared.js';

export interface HoldInput {
  readonly setup: FenceSetup;
  readonly key: FenceKey;
  readonly owner: Ownership;
  readonly relations: readonly RelationId[];
  readonly options: HoldOptions;
}

export async function holdWriters(input: HoldInput): Promise<HeldFence> {
  const { options, setup } = input;
  options.signal?.throwIfAborted();
  const session = await openMysqlSession(setup.target, { applicationName: setup.applicationName });
  // Ends the session at once: the server rolls back.
  const abandon = () => cutOff(session);
  options.signal?.addEventListener('abort', abandon, { once: true });
  const release = () => options.signal?.removeEventListener('abort', abandon);
  try {
    options.signal?.throwIfAborted();
    // Whole seconds: the server counts no finer.
    const budget = Math.max(1, Math.ceil(options.pauseBudgetMs / 1000));
    await session.query(
      `SET SESSION wait_timeout = ${budget}, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1`,
    );
    await readFreshStatistics(session);
    await readCommitted(session);
    const held = await lockWriters(session, input);
    return new HeldFenceSession(
      new MysqlHoldingSession(input, session, held.row),
      // A counter's value is given with the row that it is for: nobody keeps any.
      { ...held, relations: input.relations, clients: 0 },
      { ...options, service: input.key.service, release },
    );
  } catch (error) {
    release();
    session.destroy();
    options.signal?.throwIfAborted();
    throw isLost(error) ? lostSession(error) : error;
  }
}

/**
 * So that a plain read takes no snapshot that the transaction's own changes could clash with. A server that logs statements writes
 * nothing at this level; there is no such server where the log is captured.
 */
async function readCommitted(session: mysql.Connection): Promise<void> {
  const [row] = await queryable(session).query({ sql: 'SELECT @@binlog_format AS format' });
  if (row?.['format'] === 'STATEMENT') return;
  await session.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
}

interface HeldState {
  readonly row: FenceRow;
  readonly fingerprint: string;
  readonly sequences: readonly CounterFacts[];
  readonly startedAt: number;
  readonly attempts: number;
}

async function lockWriters(session: mysql.Connection, input: HoldInput): Promise<HeldState> {
  const { options } = input;
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      await session.query('START TRANSACTION');
      return { ...(await lockOnce(session, input)), attempts: attempt };
    } catch (error) {
      if (!GIVE_WAY.has(errorNumber(error) ?? 0)) throw error;
      // Of a wait too long only the statement was taken back: metadata locks go with the transaction.
      await session.query('ROLLBACK');
      if (attempt >= options.attempts) throw await notHeld(session, input, error);
      await sleep(Math.min(50 * 2 ** attempt, 2000, options.pauseBudgetMs / 2));
    }
  }
}

async function lockOnce(session: mysql.Connection, input: HoldInput): Promise<Omit<HeldState, 'attempts'>> {
  const ask = queryable(session);
  // Opened one by one in a fixed order; no row is read and no snapshot taken.
  for (const relation of [...input.relations].sort())
    await session.query(`SELECT 1 FROM ${quoteRelation(relation)} LIMIT 0`);
  const introspector = new MysqlIntrospector(ask, input.key.database);
  const shape = await introspector.readRelations(input.relations);
  await refusePrepared(session);
  const startedAt = performance.now();
  const row = await readFenceRow(ask, input.key, 'FOR UPDATE');
  if (row === null)
    throw new RefusedError({
      code: 'DBPS_E332',
      message: `the control row of the fence of ${input.key.service} went away while it was being held`,
      hint: 'Somebody removes the fence at the same time. Nothing was changed: run it again.',
    });
  // Not first, as elsewhere: with more locks than a writer this session would not be the one that a deadlock ends.
  await lockMysqlEpoch(session, input.owner);
  return {
    row,
    fingerprint: fingerprint(shape, input.relations),
    sequences: await readCounters(ask, input.options.sequences),
    startedAt,
  };
}

/** After a restart of the server a prepared transaction has its changes, but no longer the lock that its triggers took. */
async function refusePrepared(session: mysql.Connection): Promise<void> {
  // Who may not see them has been told so by preflight.
  const rows = (await readPrepared(queryable(session))) ?? [];
  if (rows.length === 0) return;
  throw new RefusedError({
    code: 'DBPS_E332',
    message: `${rows.length} prepared transactions are open on the server: what they have written could be committed behind the fence`,
    hint: 'XA RECOVER lists them; XA COMMIT or XA ROLLBACK each, whichever its coordinator says.',
  });
}

async function notHeld(session: mysql.Connection, input: HoldInput, cause: unknown): Promise<RefusedError> {
  const rows = await queryable(session)
    .query({
      sql: `SELECT p.user, p.id, p.command, LEFT(COALESCE(p.info, ''), 100) AS info, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS age
              FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
             WHERE p.id <> CONNECTION_ID() AND (t.trx_rows_modified > 0 OR t.trx_rows_locked > 0) ORDER BY t.trx_started LIMIT 5`,
    })
    .catch(() => []);
  const who = rows.map(
    (row) =>
      `${row['user'] ?? ''} (${row['command'] ?? ''}, connection ${row['id'] ?? ''}, for ${row['age'] ?? '?'} s)${row['info'] === '' ? '' : `: ${row['info'] ?? ''}`}`,
  );
  return new RefusedError({
    code: 'DBPS_E332',
    message: `the writers of ${input.relations.length} relations could not be held: they did not finish within a second in ${input.options.attempts} attempts${who.length > 0 ? `; now at work: ${who.join('; ')}` : ''}`,
    hint: 'Nothing was changed. Try again when long transactions, maintenance and DDL on these relations are over.',
    cause,
  });
}

class MysqlHoldingSession implements HoldingSession {
  readonly isLost = isLost;

  constructor(
    readonly input: HoldInput,
    readonly session: mysql.Connection,
    readonly row: FenceRow,
  ) {}

  closeAndMove(point: CommitPoint): Promise<number> {
    const { owner, options, key } = this.input;
    const refusal = fenceSignal({ service: key.service, owner: point.newOwner }, options.message);
    return closeAndMove(this.session, key, owner, point, { row: this.row, refusal });
  }

  async commit(): Promise<true> {
    await this.session.query('COMMIT');
    return true;
  }

  async rollback(): Promise<void> {
    await this.session.query('ROLLBACK');
  }

  end(): Promise<void> {
    this.session.destroy();
    return Promise.resolve();
  }

  readOwnership(patienceMs: number): Promise<OwnershipRow | null> {
    return readOwnershipLocked(this.input.setup, this.input.key, patienceMs);
  }
}
