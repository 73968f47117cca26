/** What every use case that moves a service begins with: the state store, the plan that counts, and all that a runner needs. */
import type { CaptureMethod } from '../engines/engine.js';
import path from 'node:path';
import type { Config, ServiceConfig } from '../config/config.js';
import { CATALOGUE } from '../migration/catalogue.js';
import type { MoveSettings } from '../migration/move-context.js';
import type { DatabaseOpener, MoveEnvironment } from '../migration/move-environment.js';
import { Replicator } from '../migration/replicator.js';
import { createRouteHook } from '../migration/route-hook.js';
import type { ConnectionTarget } from '../model/connection-target.js';
import { ConfigError, RefusedError, UsageError } from '../model/errors.js';
import type { EventSink } from '../model/events.js';
import { readerOf, type Plan } from '../model/plan.js';
import { relationMaps } from '../planning/relation-maps.js';
import { openStateStore } from '../state/knex-state-store.js';
import type { ServiceState, StateStore } from '../state/state-store.js';
import { captureOf, engineOf } from './databases.js';
import { defaultPlanFile, loadPlan, planSplit } from './plan.js';

/** Who works, and what the outside world gives: nothing in the library reads a clock, the environment or the host's name. */
export interface MoveOptions {
  readonly emit: EventSink;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** `ci-4821`: named in the lease and the journal. */
  readonly holder: string;
  readonly host: string;
  /** `--lock-timeout`; 0: fail at once and name the holder. */
  readonly lockTimeoutMs?: number;
  /** Default: dbps/plan.json beside dbps.yaml. */
  readonly planFile?: string;
  /** Named instants at which a test stops, delays or kills the run. */
  readonly at?: (point: string) => Promise<void>;
  readonly leaseMs?: number;
  /** What a route hook's command is run with. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

const LEASE_MS = 30_000;
const POLL_MS = 500;
/** A runner that has just begun catches up with what has waited; so long are guards that may pass asked again. */
const SETTLE_MS = 15_000;

export function openStore(config: Config): StateStore {
  return openStateStore(config.source.target(), { applicationName: 'dbps state' });
}

/** @throws ConfigError naming what there is. */
export function serviceConfig(config: Config, name: string): ServiceConfig {
  const found = config.services.find((service) => service.name === name);
  if (found !== undefined) return found;
  // Copies of shared relations stand in the database of the service that reads them.
  const reader = config.services.find((service) => service.name === readerOf(name));
  if (reader !== undefined && config.shared.length > 0) return { ...reader, name, relations: [] };
  throw new UsageError({
    code: 'DBPS_E107',
    message: `there is no service "${name}"`,
    hint: `dbps.yaml has ${config.services.map((service) => service.name).join(', ')}`,
  });
}

/** A service on its way keeps the plan it began with; one that has not begun follows the saved plan. */
export async function planFor(
  config: Config,
  store: StateStore,
  state: ServiceState | null,
  planFile: string | undefined,
): Promise<Plan> {
  if (state !== null && (state.phase !== 'planned' || state.target !== null)) {
    const accepted = await store.acceptedPlan(state.planHash);
    if (accepted === null) {
      throw new RefusedError({
        code: 'DBPS_E305',
        message: `the state store has lost plan ${state.planHash} of ${state.service}`,
        hint: 'restore the control schema of the legacy database',
      });
    }
    const plan = JSON.parse(accepted.text) as Plan;
    await requireSameDatabase(config, plan, state);
    return plan;
  }
  return loadPlan(planFile ?? defaultPlanFile(config));
}

/**
 * Where one control schema serves every database of a server, a service of this name may be on its way out of another one.
 * @throws RefusedError E364: going on would move that one's rows by that one's plan.
 */
async function requireSameDatabase(config: Config, accepted: Plan, state: ServiceState): Promise<void> {
  const source = config.source.target();
  const { capabilities } = await engineOf(source);
  if (!capabilities.schemasAreDatabases || accepted.source.schemas.includes(source.database)) return;
  throw new RefusedError({
    code: 'DBPS_E364',
    message: `${state.service} on this server moves out of ${accepted.source.schemas.join(', ')} (${state.phase}), not out of ${source.database}`,
    hint: `call the service of ${source.database} something else in dbps.yaml; names of services are unique on a server`,
  });
}

export function moveEnvironment(
  config: Config,
  plan: Plan,
  store: StateStore,
  options: MoveOptions,
): MoveEnvironment {
  return {
    plan,
    store,
    legacy: opener(config.source.target(), captureOf(config), options.signal),
    target: (service) => {
      const { target, location } = serviceConfig(config, service.name);
      if (target === null) {
        throw new ConfigError({
          code: 'DBPS_E204',
          message: `${service.name} has no target`,
          hint: `services.${service.name}.target.url in dbps.yaml`,
          location,
        });
      }
      return opener(target.target(), captureOf(config), options.signal);
    },
    maps: (service) => relationMaps(plan, service),
    replan: () =>
      planSplit(config, { createdAt: new Date(options.now()).toISOString(), signal: options.signal }),
    catalogue: CATALOGUE,
    createReplicator: (context, direction) => new Replicator(context, direction),
    settings: moveSettings(config),
    routeHook:
      config.migration.routeHook === null
        ? null
        : createRouteHook(config.migration.routeHook, options.environment ?? {}),
    holder: options.holder,
    host: options.host,
    leaseMs: options.leaseMs ?? LEASE_MS,
    pollMs: POLL_MS,
    settleMs: SETTLE_MS,
    emit: options.emit,
    now: options.now,
    at: options.at ?? (async () => undefined),
  };
}

export function moveSettings(config: Config): MoveSettings {
  const { migration } = config;
  return {
    chunkRows: migration.chunkRows,
    jobs: migration.jobs,
    walBudgetBytes: migration.walBudgetBytes,
    throttleMaxLagMs: migration.throttleMaxLagMs,
    readCutover: migration.readCutover,
    writeCutover: migration.writeCutover,
    decommission: migration.decommission,
    archive:
      'directory' in migration.archive
        ? { directory: path.resolve(config.directory, migration.archive.directory) }
        : migration.archive,
  };
}

function opener(target: ConnectionTarget, capture: CaptureMethod, signal: AbortSignal): DatabaseOpener {
  // The pool serves chunks, batches and bookkeeping side by side.
  const options = { applicationName: 'dbps', poolSize: 6, capture, signal };
  return {
    exists: async () => (await engineOf(target)).databaseExists(target, options),
    createIfMissing: async (like) => (await engineOf(target)).createDatabaseIfMissing(target, options, like),
    open: async () => (await engineOf(target)).open(target, options),
    openReadOnly: async () => (await engineOf(target)).openReadOnly(target, options),
  };
}

export function isLive(state: Pick<ServiceState, 'lease'>, nowMs: number): boolean {
  return state.lease !== null && Date.parse(state.lease.expiresAt) > nowMs;
}
