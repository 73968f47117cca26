/**
 * Advance, roll back or abort: by whoever holds the service. With a live runner the wish is filed as a request and followed through the state
 * store; without one this process takes the lease and is the runner for as long as it lives.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.js';
import { readRequest, writeRequest, type RequestOutcome, type Wish } from '../migration/requests.js';
import type { TransitionResult } from '../migration/orchestrator.js';
import { ServiceRunner } from '../migration/service-runner.js';
import { settingsDigest } from '../migration/settings-digest.js';
import { InterruptedError, RefusedError } from '../model/errors.js';
import type { Phase } from '../model/phases.js';
import type { StateStore } from '../state/state-store.js';
import {
  isLive,
  moveEnvironment,
  moveSettings,
  openStore,
  planFor,
  serviceConfig,
  type MoveOptions,
} from './move.js';
import { requireReadRelations } from './read-relations.js';

export interface PerformOptions extends MoveOptions {
  /** Do not follow a filed request. */
  readonly detach?: boolean;
  readonly timeoutMs?: number;
}

export interface PerformResult {
  readonly service: string;
  /** `self`: this process did it; `runner`: a live one did; `filed`: it was left with one. */
  readonly by: 'self' | 'runner' | 'filed';
  readonly request: number | null;
  readonly phase: Phase;
  readonly transitions: readonly TransitionResult[];
}

const FOLLOW_MS = 200;

export async function perform(
  config: Config,
  service: string,
  wish: Wish,
  options: PerformOptions,
): Promise<PerformResult> {
  serviceConfig(config, service);
  const store = openStore(config);
  const signal =
    options.timeoutMs === undefined
      ? options.signal
      : AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  try {
    for (;;) {
      const state = await store.service(service);
      if (wish.kind === 'advance' && wish.parameters.readRelations !== undefined)
        requireReadRelations(await planFor(config, store, state, options.planFile), service, wish);
      if (state !== null && isLive(state, options.now())) {
        const filed = await store.fileRequest(
          writeRequest(service, wish, `${options.holder} on ${options.host}`),
        );
        if (options.detach === true) {
          return { service, by: 'filed', request: filed.id, phase: state.phase, transitions: [] };
        }
        await tellOtherSettings(config, store, service, options);
        const taken = await follow(store, filed.id, service, { ...options, signal });
        if (taken !== null) return { service, by: 'runner', request: filed.id, ...taken };
        // Its runner went away before it took the request: this process does it.
      }
      const done = await doIt(config, store, service, wish, { ...options, signal });
      // Nobody held it a moment ago, and now somebody does (`run` looks for services by itself): it is asked.
      if (done !== null) return { service, by: 'self', request: null, ...done };
    }
  } finally {
    await store.close();
  }
}

/** A change of dbps.yaml that a running `dbps run` has not read counts for dry runs, which read it, and not for what is done. */
export async function tellOtherSettings(
  config: Config,
  store: Pick<StateStore, 'progress' | 'service'>,
  service: string,
  { emit, now }: Pick<MoveOptions, 'emit' | 'now'>,
): Promise<void> {
  const told = await store.progress(service);
  const { settings } = told?.progress ?? {};
  if (settings === undefined || settings === settingsDigest(moveSettings(config))) return;
  const state = await store.service(service);
  if (state === null || !isLive(state, now())) return;
  emit({
    type: 'note',
    service,
    message:
      'is held by a runner with other settings: migration in dbps.yaml was changed after it was started, and counts once dbps run is started again',
  });
}

/** @returns null when another runner took the lease in the meantime. */
async function doIt(
  config: Config,
  store: StateStore,
  service: string,
  wish: Wish,
  options: PerformOptions,
): Promise<{ phase: Phase; transitions: readonly TransitionResult[] } | null> {
  const plan = await planFor(config, store, await store.service(service), options.planFile);
  await store.install();
  await store.acceptPlan(
    { hash: plan.hash, text: JSON.stringify(plan) },
    plan.services.map((s) => s.name),
  );
  const runner = await ServiceRunner.open(moveEnvironment(config, plan, store, options), service, {
    waitMs: options.lockTimeoutMs ?? 0,
    signal: options.signal,
  }).catch(async (error: unknown) => {
    const state = await store.service(service);
    const isTaken = error instanceof RefusedError && error.code === 'DBPS_E301';
    if (isTaken && state !== null && isLive(state, options.now())) return null;
    throw error;
  });
  if (runner === null) return null;
  try {
    const transitions = await runner.perform(wish);
    return { phase: (await runner.state()).phase, transitions };
  } finally {
    await runner.close();
  }
}

/** @returns null when the runner went away without having taken the request (which is then withdrawn). */
async function follow(
  store: StateStore,
  id: number,
  service: string,
  options: PerformOptions,
): Promise<{ phase: Phase; transitions: readonly TransitionResult[] } | null> {
  let shown = '';
  for (;;) {
    const request = await store.request(id);
    const state = await store.service(service);
    if (request === null || state === null) return null;
    if (request.state === 'done' || request.state === 'failed') {
      const outcome: RequestOutcome = readRequest(request);
      if (outcome.error !== null) throw outcome.error;
      return { phase: state.phase, transitions: outcome.transitions };
    }
    if (!isLive(state, options.now())) {
      if (await store.cancelRequest(id)) return null;
      throw new InterruptedError({
        code: 'DBPS_E503',
        message: `the runner of ${service} went away while it was at work`,
        hint: 'run the same command again; it goes on from there',
      });
    }
    const told = await store.progress(service);
    // What was told before belongs to another request.
    const { step, waitingFor } =
      told !== null && told.at >= request.filedAt ? told.progress : { step: null, waitingFor: null };
    const now = waitingFor ?? step ?? '';
    if (now !== shown && now !== '') {
      shown = now;
      options.emit(
        waitingFor === null && step !== null
          ? { type: 'step', service, step, state: 'started' }
          : { type: 'waiting', service, for: step ?? 'the runner', detail: now },
      );
    }
    if (options.signal.aborted) {
      const isWithdrawn = await store.cancelRequest(id);
      throw new InterruptedError({
        code: 'DBPS_E501',
        message: isWithdrawn
          ? 'stopped; the request was withdrawn'
          : `stopped following; the runner goes on with request ${id}`,
        hint: `dbps status ${service}`,
      });
    }
    await sleep(FOLLOW_MS);
  }
}
