/** --dry-run: every guard, every statement with its purpose; read-only sessions, no lease, nothing written. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.js';
import type { Direction, ReadOnlyDatabase } from '../engines/engine.js';
import { confirmationToken, planAbort, planAdvance, planRollback, type Leg } from '../migration/itinerary.js';
import type { MoveEnvironment } from '../migration/move-environment.js';
import { rehearse } from '../migration/orchestrator.js';
import type { Wish } from '../migration/requests.js';
import { reverseMaps } from '../migration/reverse-maps.js';
import type { GuardContext, ReplicationStatus } from '../migration/step-context.js';
import { InterruptedError, RefusedError } from '../model/errors.js';
import type { Phase } from '../model/phases.js';
import type { ServicePlan } from '../model/plan.js';
import type { VerifyMode, VerifyResult } from '../model/verification.js';
import type { ServiceState, StateStore, StreamProgress } from '../state/state-store.js';
import { waitForPosition } from '../verification/position-barrier.js';
import { describeService } from '../verification/service-input.js';
import { verifyService } from '../verification/verify.js';
import { tellOtherSettings } from './perform.js';
import { isLive, moveEnvironment, openStore, planFor, serviceConfig, type MoveOptions } from './move.js';
import { requireReadRelations } from './read-relations.js';
import { allSaidYes, askPatiently, type Ask, type RehearsalResult } from './rehearsal.js';

/** A verification that only reads waits this long for the live runner. */
const CATCH_UP_MS = 60_000;

export interface RehearseOptions extends MoveOptions {
  readonly timeoutMs?: number;
}

const POLL_MS = 1_000;

/**
 * With `wait` among the wish's parameters, guards that may pass by themselves are asked again until they do; after `timeoutMs` the last answers are
 * given as they are.
 */
export async function rehearseWish(
  config: Config,
  service: string,
  wish: Exclude<Wish, { kind: 'pause' | 'resume' | 'reconcile' }>,
  options: RehearseOptions,
): Promise<RehearsalResult> {
  const store = openStore(config);
  await tellOtherSettings(config, store, service, options).finally(() => store.close());
  const ask: Ask = (only) => rehearseOnce(config, service, wish, options, only);
  if (wish.kind === 'abort' || wish.parameters.wait !== true) return ask();
  const until = options.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
  return askPatiently(ask, async (refused) => {
    if (options.now() > until) return false;
    const detail = refused.map((report) => `${report.guard}: ${report.result.detail}`).join('; ');
    options.emit({ type: 'waiting', service, for: refused.map(({ guard }) => guard).join(', '), detail });
    await sleep(POLL_MS, undefined, { signal: options.signal }).catch(() => undefined);
    if (options.signal.aborted)
      throw new InterruptedError({ code: 'DBPS_E501', message: 'stopped while asking the guards' });
    return true;
  });
}

async function rehearseOnce(
  config: Config,
  service: string,
  wish: Exclude<Wish, { kind: 'pause' | 'resume' | 'reconcile' }>,
  options: MoveOptions,
  only?: ReadonlySet<string>,
): Promise<RehearsalResult> {
  serviceConfig(config, service);
  const store = openStore(config);
  const opened: ReadOnlyDatabase[] = [];
  try {
    const found = await store.service(service);
    const plan = await planFor(config, store, found, options.planFile);
    requireReadRelations(plan, service, wish);
    const state = found ?? unregistered(service, plan.hash);
    const environment = moveEnvironment(config, plan, store, options);
    const planned = plan.services.find((candidate) => candidate.name === service);
    if (planned === undefined) {
      throw new RefusedError({
        code: 'DBPS_E303',
        message: `plan ${plan.hash} has no service "${service}"`,
        hint: 'dbps plan',
      });
    }
    const legacy = await environment.legacy.openReadOnly();
    opened.push(legacy);
    const opener = environment.target(planned);
    const target = (await opener.exists()) ? await opener.openReadOnly() : null;
    if (target !== null) opened.push(target);

    const parameters = wish.kind === 'abort' ? {} : wish.parameters;
    const legs = legsOf(wish, state);
    const rehearsed: RehearsalResult['legs'][number][] = [];
    let phase = state.phase;
    for (const leg of legs) {
      const { from, to, summary, confirmation } = leg.transition;
      const context = guardContext(environment, planned, {
        legacy,
        target,
        store,
        phase,
        parameters,
        options,
      });
      // Guards of a later transition would judge a state that is not there yet; steps can be told.
      const isFirst = rehearsed.length === 0;
      const guards =
        isFirst && leg.kind === 'carry-out'
          ? leg.transition.guards.filter((guard) => only?.has(guard) !== false)
          : [];
      const transition = { ...leg.transition, guards };
      const result = await rehearse(transition, context, environment.catalogue);
      rehearsed.push({ ...result, from, to, kind: leg.kind, summary, confirmation });
      phase = to;
    }
    return {
      service,
      phase: state.phase,
      legs: rehearsed,
      confirm: legs.some((leg) => leg.transition.confirmation === 'irreversible')
        ? confirmationToken({ ...state, planHash: plan.hash })
        : null,
      isReady: allSaidYes(rehearsed),
    };
  } finally {
    await Promise.allSettled(opened.map((database) => database.close()));
    await store.close();
  }
}

function legsOf(
  wish: Exclude<Wish, { kind: 'pause' | 'resume' | 'reconcile' }>,
  state: ServiceState,
): readonly Leg[] {
  switch (wish.kind) {
    case 'advance': {
      const { reads, readRelations } = wish.parameters;
      return planAdvance(state, wish.to, reads !== undefined || readRelations !== undefined);
    }
    case 'rollback':
      return planRollback(state, wish.to);
    case 'abort':
      return planAbort(state);
  }
}

function unregistered(service: string, planHash: string): ServiceState {
  return {
    service,
    phase: 'planned',
    target: null,
    activity: 'idle',
    reason: null,
    planHash,
    epoch: 0,
    lease: null,
    soakStartedAt: null,
    updatedAt: '',
  };
}

function guardContext(
  environment: MoveEnvironment,
  service: ServicePlan,
  given: {
    readonly legacy: ReadOnlyDatabase;
    readonly target: ReadOnlyDatabase | null;
    readonly store: StateStore;
    readonly phase: Phase;
    readonly parameters: GuardContext['parameters'];
    readonly options: MoveOptions;
  },
): GuardContext {
  const { legacy, target, store, options } = given;
  const maps = environment.maps(service);
  return {
    plan: environment.plan,
    service,
    legacy,
    get target() {
      if (target !== null) return target;
      throw new RefusedError({
        code: 'DBPS_E309',
        message: `the database of ${service.name} does not exist yet`,
        hint: `dbps migrate advance ${service.name} --to provisioned`,
      });
    },
    targetExists: target !== null,
    maps,
    settings: environment.settings,
    emit: environment.emit,
    signal: options.signal,
    now: environment.now,
    at: environment.at,
    store,
    parameters: given.parameters,
    phase: given.phase,
    isDryRun: true,
    replication: async (direction) => {
      const state = await store.service(service.name);
      if (state === null || !isLive(state, environment.now())) return null;
      const told = await store.progress(service.name);
      return toStatus(told?.progress[direction] ?? null);
    },
    verify: async (mode) => {
      const state = await store.service(service.name);
      // Where nobody applies, what has not arrived will not: it is not waited for.
      const catchUpMs = state !== null && isLive(state, environment.now()) ? CATCH_UP_MS : 0;
      return verifyReadOnly(environment, service, legacy, target, mode, catchUpMs, options.signal);
    },
  };
}

function toStatus(told: StreamProgress | null): ReplicationStatus | null {
  if (told === null) return null;
  const { error, ...rest } = told;
  return { isConverged: true, ...rest, error: error === null ? null : new Error(error) };
}

async function verifyReadOnly(
  environment: MoveEnvironment,
  service: ServicePlan,
  legacy: ReadOnlyDatabase,
  target: ReadOnlyDatabase | null,
  mode: VerifyMode,
  catchUpMs: number,
  signal: AbortSignal,
): Promise<VerifyResult> {
  if (target === null) throw new TypeError('there is nothing to compare with');
  const maps = environment.maps(service);
  const direction: Direction =
    (await legacy.fence.ownership(service.name))?.owner === 'service' ? 'reverse' : 'forward';
  const [owning, following] = direction === 'forward' ? [legacy, target] : [target, legacy];
  const streamed = direction === 'forward' ? maps : reverseMaps(maps, service);
  return verifyService({
    service: service.name,
    source: legacy,
    target,
    maps,
    owner: direction === 'forward' ? 'source' : 'target',
    mode,
    barrier: () =>
      waitForPosition({
        service: service.name,
        direction,
        owning,
        following,
        timeoutMs: catchUpMs,
        now: environment.now,
        signal,
      }),
    changed: {
      size: async () => (await following.control.readKeySets(service.name, direction)).changed,
      take: (map, limit) =>
        following.control.readChangedKeys(
          { service: service.name, direction },
          streamed[maps.indexOf(map)] ?? map,
          limit,
        ),
    },
    ...(mode === 'full' && describeService(service, maps)),
    chunkRows: environment.settings.chunkRows,
    jobs: environment.settings.jobs,
    emit: environment.emit,
    signal,
    now: environment.now,
  });
}
