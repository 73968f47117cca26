/**
 * One runner at a time moves a service. The lease is a row with an expiry by the database's clock; what makes it safe is not the clock
 * but the epoch: every write to the state store names it and is refused once somebody else has raised it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import type { Ownership } from '../engines/engine.js';
import { InterruptedError, RefusedError } from '../model/errors.js';
import { readClock } from './dialect.js';
import type { ServiceRow } from './service-row.js';
import type { LeaseRequest } from './state-store.js';

const POLL_MS = 200;

export async function acquireLease(
  database: Knex,
  service: string,
  request: LeaseRequest,
): Promise<Ownership> {
  const deadline = Date.now() + request.waitMs;
  for (;;) {
    const taken = await tryAcquire(database, service, request);
    if ('epoch' in taken) return taken;
    if (request.signal?.aborted === true) {
      throw new InterruptedError({
        code: 'DBPS_E501',
        message: `stopped while waiting for the lease of ${service}`,
      });
    }
    if (Date.now() >= deadline) throw heldError(service, taken.row, taken.now);
    await sleep(Math.min(POLL_MS, Math.max(1, deadline - Date.now())), undefined, {
      signal: request.signal,
    }).catch(() => undefined);
  }
}

type Attempt = Ownership | { readonly row: ServiceRow; readonly now: Date };

async function tryAcquire(database: Knex, service: string, request: LeaseRequest): Promise<Attempt> {
  return database.transaction(async (transaction): Promise<Attempt> => {
    const row = (await services(transaction).where({ service }).forUpdate().first()) as
      ServiceRow | undefined;
    if (row === undefined) throw unknownService(service);
    const now = await readClock(transaction);
    if (row.lease_holder !== null && row.lease_expires_at !== null && row.lease_expires_at > now) {
      return { row, now };
    }
    const epoch = Math.max(Number(row.epoch), request.floor ?? 0) + 1;
    await services(transaction)
      .where({ service })
      .update({
        epoch,
        lease_holder: request.holder,
        lease_host: request.host,
        lease_ms: request.durationMs,
        heartbeat_at: now,
        lease_expires_at: new Date(now.getTime() + request.durationMs),
      });
    return { service, epoch };
  });
}

/** Extends the lease. @throws RefusedError E301 when it is no longer the owner's. */
export async function extendLease(
  database: Knex,
  owner: Ownership,
  change: Partial<ServiceRow>,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const row = await lockOwned(transaction, owner, 'update');
    const now = await readClock(transaction);
    await services(transaction)
      .where({ service: owner.service })
      .update({
        ...change,
        ...(change.progress !== undefined && { progress_at: now }),
        heartbeat_at: now,
        lease_expires_at: new Date(now.getTime() + (row.lease_ms ?? 0)),
      });
  });
}

/** Gives the lease back; nothing happens when somebody else has it by now. The epoch stays, so it is never used again. */
export async function releaseLease(database: Knex, owner: Ownership): Promise<void> {
  await services(database).where({ service: owner.service, epoch: owner.epoch }).update({
    lease_holder: null,
    lease_host: null,
    lease_ms: null,
    heartbeat_at: null,
    lease_expires_at: null,
  });
}

/**
 * First statement of every fenced write: locks the service's row and compares the epoch. Shared for writes that leave the row alone,
 * so that a runner's own sessions work side by side. @throws RefusedError E301
 */
export async function lockOwned(
  transaction: Knex.Transaction,
  owner: Ownership,
  strength: 'share' | 'update',
): Promise<ServiceRow> {
  const query = services(transaction).where({ service: owner.service });
  const row = (await (strength === 'share' ? query.forShare() : query.forUpdate()).first()) as
    ServiceRow | undefined;
  if (row !== undefined && Number(row.epoch) === owner.epoch && row.lease_holder !== null) return row;
  throw new RefusedError({
    code: 'DBPS_E301',
    message:
      row === undefined
        ? `the state store no longer knows ${owner.service}`
        : row.lease_holder === null
          ? `the lease of ${owner.service} was released; this runner held epoch ${owner.epoch}`
          : `${owner.service} was taken over by ${row.lease_holder} on ${row.lease_host ?? ''}: this runner holds epoch ${owner.epoch}, the state store is at ${row.epoch}`,
    hint: `dbps status ${owner.service}`,
  });
}

function heldError(service: string, row: ServiceRow, now: Date): RefusedError {
  const age = row.heartbeat_at === null ? 0 : Math.max(0, now.getTime() - row.heartbeat_at.getTime());
  const left =
    row.lease_expires_at === null ? 0 : Math.max(0, row.lease_expires_at.getTime() - now.getTime());
  return new RefusedError({
    code: 'DBPS_E301',
    message: `${service} is held by ${row.lease_holder ?? ''} on ${row.lease_host ?? ''}, heartbeat ${seconds(age)} ago, lease for ${seconds(left)} more`,
    hint: `dbps status ${service}`,
  });
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)}s`;

function unknownService(service: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E303',
    message: `the state store does not know a service "${service}"`,
    hint: 'dbps plan',
  });
}

export function services(database: Knex): Knex.QueryBuilder {
  return database.withSchema('dbps').table('service');
}
