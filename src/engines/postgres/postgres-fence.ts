/**
 * The fence of PostgreSQL: statement triggers on every relation and descendant, whose function either passes or refuses. Its parts stand
 * beside it by subject: body (SQL of function and triggers), tree (what it covers), observe, closing, hold (the locks of a cutover), commit,
 * opening, detach (keys and identities), memory, sequences, proof, assess.
 */
import { RefusedError } from '../../model/errors.js';
import type { Finding } from '../../model/finding.js';
import type { RelationId } from '../../model/relation-id.js';
import type {
  BrokenKey,
  CloseOptions,
  Fence,
  FenceObserver,
  FenceRequest,
  FenceState,
  HeldFence,
  HoldOptions,
  KeyScope,
  OpenFenceOptions,
  Ownership,
  OwnershipRow,
  RelationAccess,
  RelationUsage,
  SequenceAdvance,
} from '../engine.js';
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { SessionPool } from './postgres-connection.js';
import { assessFenceRisks, readAccess, readFenceRisks } from './postgres-fence-assess.js';
import { readUsage } from './postgres-usage.js';
import { fenceFunction, fenceFunctionName } from './postgres-fence-body.js';
import { closeStatements, lockTables } from './postgres-fence-closing.js';
import { attachKeys, detachKeys, prepareApplier } from './postgres-fence-detach.js';
import { holdWriters } from './postgres-fence-hold.js';
import { canBeReplica, readFiringTriggers } from './postgres-fence-keys.js';
import { forget, recall, remember, type Memory } from './postgres-fence-memory.js';
import { assessFence, readFence, readOwnership } from './postgres-fence-observe.js';
import { openFence } from './postgres-fence-opening.js';
import { proveWritable } from './postgres-fence-proof.js';
import { inSmallRetries } from './postgres-fence-retry.js';
import { boundsOf, continueSequence, planAdvance, readSequences } from './postgres-fence-sequences.js';
import { quoteIdentifier } from './postgres-sql.js';

export class PostgresFenceObserver implements FenceObserver {
  constructor(protected readonly pool: SessionPool) {}

  async observe(service: string, relations: readonly RelationId[]): Promise<FenceState[]> {
    return this.pool.transaction(
      async (client) => assessFence(await readFence(client, service, relations)),
      'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
    );
  }

  async assess(request: FenceRequest): Promise<Finding[]> {
    return this.pool.use(async (client) => assessFenceRisks(await readFenceRisks(client, request)));
  }

  async ownership(service: string): Promise<OwnershipRow | null> {
    return this.pool.use((client) => readOwnership(client, service));
  }

  async fencedSequences(service: string): Promise<{ id: RelationId; minimum: string; maximum: string }[]> {
    return this.pool.use(async (client) =>
      (await recall(client, service, 'sequence')).map(({ subject, bounds }) => ({ id: subject, ...bounds })),
    );
  }

  async access(relations: readonly RelationId[]): Promise<RelationAccess[]> {
    return this.pool.use((client) => readAccess(client, relations));
  }

  async usage(relations: readonly RelationId[]): Promise<RelationUsage> {
    return this.pool.use((client) => readUsage(client, relations));
  }
}

export interface FenceSetup {
  /** For the session that holds writers: never through a transaction pooler. */
  readonly target: ConnectionTarget;
  readonly applicationName: string;
}

export class PostgresFence extends PostgresFenceObserver implements Fence {
  constructor(
    pool: SessionPool,
    private readonly setup: FenceSetup,
  ) {
    super(pool);
  }

  async close(owner: Ownership, relations: readonly RelationId[], options: CloseOptions): Promise<void> {
    const { service } = owner;
    await this.pool.ownedTransaction(owner, async (client) => {
      await client.query(`SET LOCAL lock_timeout = ${options.lockTimeoutMs}`);
      await client.query(lockTables(relations, 'SHARE ROW EXCLUSIVE'));
      const facts = await readFence(client, service, relations);
      const triggers = await readFiringTriggers(client, facts.tree, await canBeReplica(client));
      const memory: Memory[] = [
        ...triggers,
        ...(options.whenOpening ?? []).map(({ sql, unless }, index) => ({
          kind: waitsForReaders(sql) ? ('late-statement' as const) : ('statement' as const),
          subject: String(index).padStart(6, '0'),
          sql,
          ...(unless !== undefined && { unless }),
        })),
      ];
      await remember(client, service, memory);
      const body = {
        service,
        applier: options.applier,
        message: options.message,
        newOwner: options.newOwner,
      };
      for (const statement of closeStatements(facts, body, triggers)) await client.query(statement);
    });
  }

  async open(owner: Ownership, relations: readonly RelationId[], options: OpenFenceOptions): Promise<void> {
    await openFence(this.pool, owner, relations, options);
  }

  async remove(owner: Ownership, _relations: readonly RelationId[], signal?: AbortSignal): Promise<void> {
    // Found by its function, so that relations that are gone or were renamed since leave nothing behind.
    const triggers = await this.pool.query<{ sql: string; name: string }>(
      `SELECT t.tgrelid::regclass::text AS sql, t.tgname AS name
         FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'dbps' AND p.proname = $1 AND NOT t.tgisinternal AND t.tgparentid = 0
        ORDER BY t.tgrelid, t.tgname`,
      [fenceFunctionName(owner.service)],
    );
    for (const { sql, name } of triggers) {
      await inSmallRetries(
        this.pool,
        owner,
        `removing the fence from ${sql}`,
        (client) => client.query(`DROP TRIGGER IF EXISTS ${quoteIdentifier(name)} ON ${sql}`),
        signal,
      );
    }
    const [found] = await this.pool.query<{ present: string }>(
      `SELECT (to_regnamespace('dbps') IS NOT NULL)::text AS present`,
    );
    if (found?.present === 'true')
      await this.pool.query(`DROP FUNCTION IF EXISTS ${fenceFunction(owner.service)}()`);
  }

  async hold(owner: Ownership, relations: readonly RelationId[], options: HoldOptions): Promise<HeldFence> {
    return holdWriters({ ...this.setup, owner, relations, options });
  }

  async proveWritable(
    relations: readonly RelationId[],
    role?: string,
  ): Promise<{ relation: RelationId; error: string }[]> {
    return proveWritable(this.pool, relations, role);
  }

  async prepareApplier(
    owner: Ownership,
    relations: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<string[]> {
    return prepareApplier(this.pool, owner, relations, signal);
  }

  async detachKeys(
    owner: Ownership,
    relations: readonly RelationId[],
    scope: KeyScope,
    signal?: AbortSignal,
  ): Promise<string[]> {
    return detachKeys(this.pool, owner, relations, scope, signal);
  }

  async attachKeys(
    owner: Ownership,
    _relations: readonly RelationId[],
    scope: KeyScope,
    signal?: AbortSignal,
  ): Promise<BrokenKey[]> {
    return attachKeys(this.pool, owner, scope, signal);
  }

  async advanceSequences(owner: Ownership, advances: readonly SequenceAdvance[]): Promise<void> {
    if (advances.length === 0) return;
    await this.pool.ownedTransaction(owner, async (client) => {
      const own = await readSequences(
        client,
        advances.map((advance) => advance.id),
      );
      const fenced = new Map(
        (await recall(client, owner.service, 'sequence')).map((memory) => [memory.subject, memory.bounds]),
      );
      for (const advance of advances) {
        const sequence = own.find((candidate) => candidate.id === advance.id);
        if (sequence === undefined)
          throw new RefusedError({
            code: 'DBPS_E330',
            message: `no such sequence: ${advance.id}`,
            hint: 'dbps plan diff shows what has changed since the plan was made.',
          });
        const bounds = fenced.get(sequence.id) ?? boundsOf(sequence);
        await client.query(continueSequence(sequence, bounds, planAdvance(sequence, bounds, advance)));
        await forget(client, owner.service, 'sequence', sequence.id);
      }
    });
  }
}

/** ALTER COLUMN … SET GENERATED locks readers out; until then an application may give values itself, nothing worse. */
function waitsForReaders(sql: string): boolean {
  return /^ALTER TABLE .* SET GENERATED ALWAYS;?$/s.test(sql.trim());
}
