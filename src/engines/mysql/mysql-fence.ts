/**
 * The fence of the MySQL family: row triggers on every relation that read one control row. Its parts stand beside it by subject: body (SQL
 * of the triggers), tables, row, arming (all that takes DDL), observe, hold (the session of a cutover), commit, opening, keys, sequences, memory,
 * proof, assess.
 */
import type { ConnectionTarget } from '../../model/connection-target.js';
import { RefusedError } from '../../model/errors.js';
import { fenceSignal } from '../../model/fence-error.js';
import type { Finding } from '../../model/finding.js';
import type { RelationId } from '../../model/relation-id.js';
import type {
  BrokenKey,
  CloseOptions,
  Fence,
  FenceObserver,
  FenceOptions,
  FenceRequest,
  FenceState,
  HeldFence,
  HoldOptions,
  KeyScope,
  OpenFenceOptions,
  Ownership,
  OwnershipRow,
  RelationAccess,
  SequenceAdvance,
} from '../engine.js';
import { queryable, type MysqlPool } from './mysql-connection.js';
import { arm, disarm, runKeptStatements, withDdlSession, type Arming } from './mysql-fence-arming.js';
import { assessFenceRisks, readAccess, readFenceRisks } from './mysql-fence-assess.js';
import type { FenceKey } from './mysql-fence-body.js';
import { holdWriters } from './mysql-fence-hold.js';
import { attachKeys, detachKeys, type KeyWork } from './mysql-fence-keys.js';
import { forget, remember } from './mysql-fence-memory.js';
import { assessFence, readFence } from './mysql-fence-observe.js';
import { openFence } from './mysql-fence-opening.js';
import { proveWritable } from './mysql-fence-proof.js';
import { inSmallRetries } from './mysql-fence-retry.js';
import { currentDatabase, readFenceRow } from './mysql-fence-row.js';
import { advanceStatement, planAdvance, readCountersFresh } from './mysql-fence-sequences.js';
import { readOwnTriggers } from './mysql-fence-tables.js';

export class MysqlFenceObserver implements FenceObserver {
  constructor(protected readonly pool: MysqlPool) {}

  async observe(service: string, relations: readonly RelationId[]): Promise<FenceState[]> {
    return this.pool.use(async (connection) => {
      const ask = queryable(connection);
      const key = { service, database: await currentDatabase(ask) };
      return assessFence(await readFence(ask, key, relations));
    });
  }

  async assess(request: FenceRequest): Promise<Finding[]> {
    return this.pool.use(async (connection) =>
      assessFenceRisks(await readFenceRisks(queryable(connection), request)),
    );
  }

  async ownership(service: string): Promise<OwnershipRow | null> {
    return this.pool.use(async (connection) => {
      const ask = queryable(connection);
      const row = await readFenceRow(ask, { service, database: await currentDatabase(ask) });
      return row?.ownership ?? null;
    });
  }

  /** None: a counter gives a value only to a row that is written. */
  fencedSequences(): Promise<[]> {
    return Promise.resolve([]);
  }

  async access(relations: readonly RelationId[]): Promise<RelationAccess[]> {
    return this.pool.use((connection) => readAccess(queryable(connection), relations));
  }
}

export interface FenceSetup {
  /** For the session that holds writers, and for DDL: never through a proxy that shares sessions. */
  readonly target: ConnectionTarget;
  readonly applicationName: string;
}

export class MysqlFence extends MysqlFenceObserver implements Fence {
  constructor(
    pool: MysqlPool,
    private readonly setup: FenceSetup,
  ) {
    super(pool);
  }

  async arm(
    owner: Ownership,
    relations: readonly RelationId[],
    options: Pick<FenceOptions, 'applier'>,
    signal?: AbortSignal,
  ): Promise<string[]> {
    const arming = await this.#arming(owner, options.applier, signal);
    const done = await arm(arming, relations);
    await runKeptStatements(arming, 'early');
    return done;
  }

  async close(owner: Ownership, relations: readonly RelationId[], options: CloseOptions): Promise<void> {
    const arming = await this.#arming(owner, options.applier);
    const { key } = arming;
    await this.pool.ownedTransaction(owner, (connection) =>
      remember(
        connection,
        key,
        (options.whenOpening ?? []).map(({ sql, unless, settings }, index) => ({
          kind: 'statement',
          subject: String(index).padStart(6, '0'),
          sql,
          ...(unless !== undefined && { unless }),
          ...(settings !== undefined && { settings }),
        })),
      ),
    );
    await arm(arming, relations);
    const refusal = fenceSignal({ service: key.service, owner: options.newOwner }, options.message);
    await this.pool.ownedTransaction(owner, async (connection) => {
      const patience = Math.max(1, Math.ceil(options.lockTimeoutMs / 1000));
      await connection.query(`SET SESSION innodb_lock_wait_timeout = ${patience}`);
      try {
        // Whoever has written holds the row until he is done: having it is having drained them.
        await connection.query('UPDATE dbps.fence SET refusal = ? WHERE service = ? AND database_name = ?', [
          refusal,
          key.service,
          key.database,
        ]);
      } finally {
        await connection.query('SET SESSION innodb_lock_wait_timeout = DEFAULT');
      }
    });
  }

  async open(owner: Ownership, _relations: readonly RelationId[], options: OpenFenceOptions): Promise<void> {
    await openFence(await this.#arming(owner, options.applier), options);
  }

  async remove(owner: Ownership, _relations: readonly RelationId[], signal?: AbortSignal): Promise<void> {
    const arming = await this.#arming(owner, this.setup.target.user, signal);
    const { key } = arming;
    const [installed] = await this.pool.query(
      "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = 'fence'",
    );
    // Found by what they say of themselves, so that relations that are gone or were renamed since leave nothing behind.
    const found = await this.pool.use((connection) => readOwnTriggers(queryable(connection), key));
    if (installed === undefined) return;
    await disarm(arming, found);
    await this.pool.ownedTransaction(owner, async (connection) => {
      await forget(connection, key, 'trigger');
      await connection.query('DELETE FROM dbps.fence WHERE service = ? AND database_name = ?', [
        key.service,
        key.database,
      ]);
    });
  }

  async hold(owner: Ownership, relations: readonly RelationId[], options: HoldOptions): Promise<HeldFence> {
    const arming = await this.#arming(owner, options.applier, options.signal);
    // Mostly there already. Creating one drains by itself: DDL waits for whoever has opened the table.
    await arm(arming, relations);
    return holdWriters({ setup: this.setup, key: arming.key, owner, relations, options });
  }

  async proveWritable(
    relations: readonly RelationId[],
    role?: string,
  ): Promise<{ relation: RelationId; error: string }[]> {
    return proveWritable(this.pool, relations, role);
  }

  /** Keys may stay, since the applier's sessions do not check them; triggers are guarded. */
  async prepareApplier(
    owner: Ownership,
    relations: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<string[]> {
    return arm(await this.#arming(owner, this.setup.target.user, signal), relations);
  }

  async detachKeys(
    owner: Ownership,
    relations: readonly RelationId[],
    scope: KeyScope,
    signal?: AbortSignal,
  ): Promise<string[]> {
    return detachKeys(await this.#keyWork(owner, signal), relations, scope);
  }

  async attachKeys(
    owner: Ownership,
    relations: readonly RelationId[],
    scope: KeyScope,
    signal?: AbortSignal,
  ): Promise<BrokenKey[]> {
    return attachKeys(await this.#keyWork(owner, signal), relations, scope);
  }

  async advanceSequences(owner: Ownership, advances: readonly SequenceAdvance[]): Promise<void> {
    if (advances.length === 0) return;
    const own = await this.pool.use((connection) =>
      readCountersFresh(
        connection,
        advances.map((advance) => advance.id),
      ),
    );
    const statements = advances.flatMap((advance, at) => {
      const counter = own[at];
      if (counter === undefined)
        throw new RefusedError({
          code: 'DBPS_E330',
          message: `no such sequence: ${advance.id}`,
          hint: 'dbps plan diff shows what has changed since the plan was made.',
        });
      const next = planAdvance(counter, advance);
      return next === null ? [] : [advanceStatement(counter, next)];
    });
    if (statements.length === 0) return;
    await withDdlSession(this.setup, async (session) => {
      for (const sql of statements)
        await inSmallRetries(this.pool, owner, 'letting a counter go on', () => session.query(sql), {
          session,
        });
    });
  }

  async #key(service: string): Promise<FenceKey> {
    return this.pool.use(async (connection) => ({
      service,
      database: await currentDatabase(queryable(connection)),
    }));
  }

  async #arming(owner: Ownership, applier: string, signal?: AbortSignal): Promise<Arming> {
    return {
      pool: this.pool,
      setup: this.setup,
      owner,
      key: await this.#key(owner.service),
      applier,
      signal,
    };
  }

  async #keyWork(owner: Ownership, signal?: AbortSignal): Promise<KeyWork> {
    return { pool: this.pool, setup: this.setup, owner, key: await this.#key(owner.service), signal };
  }
}
