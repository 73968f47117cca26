/** The state store on knex. Every write goes through `owned`, which locks the service's row and compares the epoch first. */
import type { Knex } from 'knex';
import type { Ownership } from '../engines/engine.js';
import type { ConnectionTarget } from '../model/connection-target.js';
import { RefusedError } from '../model/errors.js';
import { readClock } from './dialect.js';
import { openKnex, type StateConnectionOptions } from './knex-connection.js';
import { acquireLease, extendLease, lockOwned, releaseLease, services } from './lease.js';
import { readRoute, type Route, type RouteChange } from './route.js';
import {
  fromJson,
  toJournalEntry,
  toJson,
  toRequest,
  toServiceState,
  type JournalRow,
  type RequestRow,
  type ServiceRow,
} from './service-row.js';
import { installStateTables, readVersion, STATE_TABLES } from './state-schema.js';
import type {
  AcceptedPlan,
  JournalEntry,
  LeaseRequest,
  NewJournalEntry,
  NewRequest,
  Request,
  ServiceChange,
  ServiceProgress,
  ServiceState,
  Shapes,
  StateStore,
} from './state-store.js';

/** @param target the legacy database. Connects on first use. */
export function openStateStore(target: ConnectionTarget, options: StateConnectionOptions): StateStore {
  return new KnexStateStore(openKnex(target, options));
}

class KnexStateStore implements StateStore {
  readonly #database: Knex;

  constructor(database: Knex) {
    this.#database = database;
  }

  async install(): Promise<void> {
    await installStateTables(this.#database);
  }

  async isInstalled(): Promise<boolean> {
    return (await readVersion(this.#database)) !== null;
  }

  async services(): Promise<readonly ServiceState[]> {
    if (!(await this.isInstalled())) return [];
    const rows = (await services(this.#database).orderBy('service')) as ServiceRow[];
    return rows.map(toServiceState);
  }

  async service(name: string): Promise<ServiceState | null> {
    if (!(await this.isInstalled())) return null;
    const row = (await services(this.#database).where({ service: name }).first()) as ServiceRow | undefined;
    return row === undefined ? null : toServiceState(row);
  }

  async acceptPlan(plan: AcceptedPlan, names: readonly string[]): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      await table(transaction, 'plan').insert(plan).onConflict('hash').ignore();
      for (const service of names) {
        await services(transaction).insert({ service, plan_hash: plan.hash }).onConflict('service').ignore();
        // A service that has not begun follows the newest plan; one on its way keeps the plan it began with.
        await services(transaction)
          .where({ service, phase: 'planned', target: null })
          .update({ plan_hash: plan.hash });
      }
    });
  }

  async acceptedPlan(hash: string): Promise<AcceptedPlan | null> {
    if (!(await this.isInstalled())) return null;
    const row = (await table(this.#database, 'plan').where({ hash }).first()) as AcceptedPlan | undefined;
    return row === undefined ? null : { hash: row.hash, text: row.text };
  }

  acquireLease(service: string, request: LeaseRequest): Promise<Ownership> {
    return acquireLease(this.#database, service, request);
  }

  async heartbeat(owner: Ownership, progress: ServiceProgress | null): Promise<void> {
    await extendLease(this.#database, owner, progress === null ? {} : { progress: toJson(progress) });
  }

  releaseLease(owner: Ownership): Promise<void> {
    return releaseLease(this.#database, owner);
  }

  async update(owner: Ownership, change: ServiceChange): Promise<void> {
    await this.#owned(owner, 'update', async (transaction) => {
      await services(transaction)
        .where({ service: owner.service })
        .update({
          ...(change.phase !== undefined && { phase: change.phase }),
          ...(change.target !== undefined && { target: change.target }),
          ...(change.activity !== undefined && { activity: change.activity }),
          ...(change.reason !== undefined && { reason: change.reason }),
          ...(change.planHash !== undefined && { plan_hash: change.planHash }),
          ...(change.soakStartedAt !== undefined && {
            soak_started_at: change.soakStartedAt === null ? null : new Date(change.soakStartedAt),
          }),
          updated_at: await readClock(transaction),
        });
    });
  }

  async progress(service: string): Promise<{ progress: ServiceProgress; at: string } | null> {
    if (!(await this.isInstalled())) return null;
    const row = (await services(this.#database).where({ service }).first()) as ServiceRow | undefined;
    if (row?.progress_at === undefined || row.progress_at === null) return null;
    return { progress: fromJson(row.progress) as ServiceProgress, at: row.progress_at.toISOString() };
  }

  async shapes(service: string): Promise<Shapes> {
    const row = (await services(this.#database).where({ service }).first()) as ServiceRow | undefined;
    return {
      legacy: fromJson(row?.legacy_shape) as Shapes['legacy'],
      target: fromJson(row?.target_shape) as Shapes['target'],
    };
  }

  async saveShapes(owner: Ownership, shapes: Partial<Shapes>): Promise<void> {
    await this.#owned(owner, 'update', async (transaction) => {
      await services(transaction)
        .where({ service: owner.service })
        .update({
          ...(shapes.legacy !== undefined && { legacy_shape: toJson(shapes.legacy) }),
          ...(shapes.target !== undefined && { target_shape: toJson(shapes.target) }),
        });
    });
  }

  async append(owner: Ownership, entry: NewJournalEntry): Promise<void> {
    await this.#owned(owner, 'share', async (transaction, row) => {
      await table(transaction, 'journal').insert({
        ...entry,
        data: toJson(entry.data),
        service: owner.service,
        epoch: owner.epoch,
        holder: row.lease_holder,
        at: await readClock(transaction),
      });
    });
  }

  async history(service?: string, limit = 1000): Promise<readonly JournalEntry[]> {
    if (!(await this.isInstalled())) return [];
    const query = table(this.#database, 'journal').orderBy('id', 'desc').limit(limit);
    const rows = (await (service === undefined ? query : query.where({ service }))) as JournalRow[];
    return rows.reverse().map(toJournalEntry);
  }

  async fileRequest(request: NewRequest): Promise<Request> {
    return this.#database.transaction(async (transaction) => {
      // Two steps rather than RETURNING, which MySQL lacks; the lock on the service's row keeps the newest one ours.
      await services(transaction).where({ service: request.service }).forUpdate().first();
      await table(transaction, 'request').insert({
        service: request.service,
        kind: request.kind,
        parameters: toJson(request.parameters),
        filed_by: request.filedBy,
      });
      const row = (await table(transaction, 'request')
        .where({ service: request.service })
        .orderBy('id', 'desc')
        .first()) as RequestRow;
      return toRequest(row);
    });
  }

  async request(id: number): Promise<Request | null> {
    const row = (await table(this.#database, 'request').where({ id }).first()) as RequestRow | undefined;
    return row === undefined ? null : toRequest(row);
  }

  async takeRequest(owner: Ownership): Promise<Request | null> {
    return this.#owned(owner, 'share', async (transaction) => {
      const row = (await table(transaction, 'request')
        .where({ service: owner.service, state: 'filed' })
        .orderBy('id')
        .forUpdate()
        .first()) as RequestRow | undefined;
      if (row === undefined) return null;
      await table(transaction, 'request').where({ id: row.id }).update({ state: 'taken' });
      return toRequest({ ...row, state: 'taken' });
    });
  }

  async finishRequest(
    owner: Ownership,
    id: number,
    state: 'done' | 'failed',
    result: unknown,
  ): Promise<void> {
    await this.#owned(owner, 'share', async (transaction) => {
      await table(transaction, 'request')
        .where({ id, service: owner.service })
        .update({ state, result: toJson(result), finished_at: await readClock(transaction) });
    });
  }

  async cancelRequest(id: number): Promise<boolean> {
    const changed = await table(this.#database, 'request')
      .where({ id, state: 'filed' })
      .update({ state: 'cancelled' });
    return Number(changed) === 1;
  }

  async route(service: string): Promise<Route | null> {
    if (!(await this.#database.schema.withSchema('dbps').hasTable('route'))) return null;
    return readRoute(this.#database, service);
  }

  async updateRoute(owner: Ownership, change: RouteChange): Promise<Route> {
    const { service, epoch } = owner;
    return this.#owned(owner, 'share', async (transaction) => {
      await table(transaction, 'route')
        .insert({ service, owner: 'legacy', epoch, read_relations: '[]' })
        .onConflict('service')
        .ignore();
      const before = await readRoute(transaction, service);
      if (before === null || before.epoch > epoch) {
        throw new RefusedError({
          code: 'DBPS_E301',
          message: `the route of ${service} was written by epoch ${before?.epoch ?? '?'}; this runner holds ${epoch}`,
          hint: `dbps status ${service}`,
        });
      }
      const after = { ...before, ...change };
      const isChanged =
        after.readShare !== before.readShare ||
        JSON.stringify(after.readRelations) !== JSON.stringify(before.readRelations);
      await table(transaction, 'route')
        .where({ service })
        .update({
          epoch,
          read_share: after.readShare,
          read_relations: toJson(after.readRelations),
          ...(isChanged && {
            revision: transaction.raw('revision + 1'),
            updated_at: await readClock(transaction),
          }),
        });
      return (await readRoute(transaction, service)) as Route;
    });
  }

  async forget(owner: Ownership): Promise<void> {
    await this.#owned(owner, 'update', async (transaction) => {
      for (const name of ['journal', 'request', 'service'] as const) {
        await table(transaction, name).where({ service: owner.service }).delete();
      }
      const left = (await services(transaction).count('* as n').first()) as { n: string | number };
      if (Number(left.n) > 0) return;
      for (const name of STATE_TABLES) await transaction.schema.withSchema('dbps').dropTableIfExists(name);
    });
  }

  async close(): Promise<void> {
    await this.#database.destroy();
  }

  #owned<T>(
    owner: Ownership,
    strength: 'share' | 'update',
    work: (transaction: Knex.Transaction, row: ServiceRow) => Promise<T>,
  ): Promise<T> {
    return this.#database.transaction(async (transaction) =>
      work(transaction, await lockOwned(transaction, owner, strength)),
    );
  }
}

function table(database: Knex, name: string): Knex.QueryBuilder {
  return database.withSchema('dbps').table(name);
}
