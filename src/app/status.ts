/**
 * Where each service is: phase, what is happening, and where traffic goes are three separate facts. Phase and activity are remembered; traffic,
 * fences, slots and progress are asked of the databases each time, through read-only sessions.
 */
import type { Config, ServiceConfig } from '../config/config.js';
import type {
  CaptureMethod,
  CaptureStatus,
  CopyProgress,
  Direction,
  FenceState,
  ReadOnlyDatabase,
} from '../engines/engine.js';
import { RefusedError } from '../model/errors.js';
import type { Finding } from '../model/finding.js';
import { nextTransition, PHASES, type Activity, type Phase } from '../model/phases.js';
import { readerOf, type Plan, type ServicePlan } from '../model/plan.js';
import { relationMaps } from '../planning/relation-maps.js';
import type { Lease, Route, ServiceProgress, ServiceState, StateStore } from '../state/state-store.js';
import { captureOf, openReadOnly } from './databases.js';
import { isLive, openStore, serviceConfig } from './move.js';

export interface StatusOptions {
  readonly services?: readonly string[];
  readonly signal?: AbortSignal;
  readonly now: () => number;
}

export interface ServiceStatus {
  readonly service: string;
  readonly phase: Phase;
  /** The phase that is on the way to, if a transition is. */
  readonly target: Phase | null;
  readonly activity: Activity;
  readonly reason: string | null;
  readonly planHash: string | null;
  readonly epoch: number;
  /** Not registered yet: only dbps.yaml knows it. */
  readonly isNew: boolean;
  readonly runner: (Lease & { readonly isLive: boolean }) | null;
  readonly traffic: Traffic;
  readonly capture: { readonly forward: StreamStatus | null; readonly reverse: StreamStatus | null };
  readonly progress: ServiceProgress | null;
  readonly progressAt: string | null;
  readonly relations: readonly RelationStatus[];
  /** Rows that changed and were not verified since. */
  readonly unverifiedRows: number | null;
  readonly soak: { readonly startedAt: string; readonly endsAt: string } | null;
  /** What could not be asked, and why. */
  readonly unknown: readonly string[];
  readonly findings: readonly Finding[];
  /** Command that works when pasted; null: nothing is left to do. */
  readonly next: string | null;
}

export interface Traffic {
  readonly owner: 'legacy' | 'service';
  /** 0..100, of reads that follow the published route. */
  readonly readShare: number;
  readonly readRelations: readonly string[];
  /** Observed: what the database itself would do with a write. */
  readonly legacyFence: SideFence;
  readonly serviceFence: SideFence;
}

export type SideFence = FenceState['state'] | 'unknown';

export interface StreamStatus {
  /** What keeps the changes on the server: `slot dbps_…_fwd`, `binary log from binlog.000007`, `change log dbps.change_log_…`. */
  readonly name: string;
  /** The replication slot; null where capture has none. */
  readonly slot: string | null;
  readonly isActive: boolean;
  readonly isLost: boolean;
  readonly head: string | null;
  readonly applied: string | null;
  readonly lagBytes: number | null;
  /** As the runner told; null without one. */
  readonly lagMs: number | null;
  /** Log that the server keeps because of it. */
  readonly retainedBytes: number | null;
  readonly mode: string | null;
  readonly error: string | null;
}

export interface RelationStatus {
  readonly relation: string;
  readonly state: 'waiting' | 'copying' | 'copied';
  readonly rows: number;
  readonly totalRows: number | null;
  readonly bytes: number;
  readonly totalBytes: number | null;
  readonly chunks: number;
  readonly chunksDone: number;
}

export async function status(config: Config, options: StatusOptions): Promise<readonly ServiceStatus[]> {
  const chosen =
    options.services === undefined || options.services.length === 0
      ? config.services
      : options.services.map((name) => serviceConfig(config, name));
  const store = openStore(config);
  try {
    const states = new Map((await store.services()).map((state) => [state.service, state]));
    const legacy = await openReadOnly(config.source.target(), options.signal, captureOf(config));
    try {
      const found: ServiceStatus[] = [];
      const isOfAll = options.services === undefined || options.services.length === 0;
      const copies = isOfAll ? copiesKnown(config, [...states.keys()]) : [];
      for (const service of [...chosen, ...copies]) {
        const state = states.get(service.name);
        found.push(
          state === undefined
            ? unregistered(service.name)
            : await observe(config, service, state, store, legacy, options),
        );
      }
      return found;
    } finally {
      await legacy.close();
    }
  } finally {
    await store.close();
  }
}

/** Copies of shared relations are no services of dbps.yaml: the state store knows of them. */
function copiesKnown(config: Config, known: readonly string[]): readonly ServiceConfig[] {
  return known
    .filter((name) => !config.services.some((service) => service.name === name))
    .filter((name) => config.shared.length > 0 && config.services.some((s) => s.name === readerOf(name)))
    .sort()
    .map((name) => serviceConfig(config, name));
}

async function observe(
  config: Config,
  service: ServiceConfig,
  state: ServiceState,
  store: StateStore,
  legacy: ReadOnlyDatabase,
  options: StatusOptions,
): Promise<ServiceStatus> {
  const unknown: string[] = [];
  const route = await store.route(state.service);
  const told = await store.progress(state.service);
  const live = isLive(state, options.now());
  const accepted = await store.acceptedPlan(state.planHash);
  const plan = accepted === null ? null : (JSON.parse(accepted.text) as Plan);
  const planned = plan?.services.find((candidate) => candidate.name === state.service) ?? null;
  const hasTarget = state.phase !== 'planned' || state.target !== null;
  const target = hasTarget ? await openTarget(service, captureOf(config), options.signal, unknown) : null;
  try {
    const streams = { forward: null as StreamStatus | null, reverse: null as StreamStatus | null };
    for (const direction of ['forward', 'reverse'] as const) {
      const [from, to] = direction === 'forward' ? [legacy, target] : [target, legacy];
      if (from === null) continue;
      const capture = await from.changes.status({ service: state.service, direction });
      if (capture === null) continue;
      const told_ = live ? (told?.progress[direction] ?? null) : null;
      streams[direction] = await observeStream(state.service, direction, from, to, capture, told_);
    }
    const isGone = state.phase === 'decommissioned';
    const fences =
      planned === null || isGone
        ? null
        : await observeFences(plan as Plan, planned, legacy, target).catch((error: unknown) => {
            // While they are renamed and dropped, relations are no longer where the plan has them.
            if (!(error instanceof RefusedError)) throw error;
            unknown.push(`fences: ${error.message}`);
            return null;
          });
    const isForward = (route?.owner ?? 'legacy') === 'legacy';
    const keys = await (isForward ? target : legacy)?.control.readKeySets(
      state.service,
      isForward ? 'forward' : 'reverse',
    );
    const copied = (await target?.control.readCopyProgress(state.service)) ?? [];
    return {
      service: state.service,
      phase: state.phase,
      target: state.target,
      activity: state.activity,
      reason: state.reason,
      planHash: state.planHash,
      epoch: state.epoch,
      isNew: false,
      runner: state.lease === null ? null : { ...state.lease, isLive: live },
      traffic: {
        // Once everything is the service's own there is no route left to read.
        owner: route?.owner ?? (isGone ? 'service' : 'legacy'),
        // The owner's reads stay with it, whatever share the other side was given before.
        readShare: isForward && !isGone ? (route?.readShare ?? 0) : 100,
        readRelations: isForward ? (route?.readRelations ?? []) : [],
        legacyFence: fences?.legacy ?? (isGone ? 'absent' : 'unknown'),
        serviceFence: fences?.service ?? (isGone ? 'absent' : 'unknown'),
      },
      capture: streams,
      progress: live ? (told?.progress ?? null) : null,
      progressAt: told?.at ?? null,
      relations: planned === null || isGone ? [] : describeRelations(plan as Plan, planned, copied, state),
      unverifiedRows: keys?.changed ?? null,
      soak: describeSoak(state, config.migration.decommission.soakMs),
      unknown,
      findings: findingsOf(state, streams, fences, route),
      next: nextStep(state, live, planned?.copies !== undefined),
    };
  } finally {
    await target?.close();
  }
}

async function openTarget(
  service: ServiceConfig,
  capture: CaptureMethod,
  signal: AbortSignal | undefined,
  unknown: string[],
): Promise<ReadOnlyDatabase | null> {
  if (service.target === null) return null;
  try {
    return await openReadOnly(service.target.target(), signal, capture);
  } catch (error) {
    unknown.push(`${service.name}'s database: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

async function observeStream(
  service: string,
  direction: Direction,
  from: ReadOnlyDatabase,
  to: ReadOnlyDatabase | null,
  capture: CaptureStatus,
  told: ServiceProgress['forward'],
): Promise<StreamStatus> {
  const head = await from.changes.currentPosition();
  const applied = (await to?.control.readCheckpoint(service, direction))?.applied ?? null;
  return {
    name: capture.name,
    slot: capture.identity['slot'] ?? null,
    isActive: capture.isActive,
    isLost: capture.isLost,
    head,
    applied,
    // The runner knows an idle stream from one that is behind; positions alone do not.
    lagBytes: told?.lagBytes ?? (applied === null ? null : from.changes.distance(applied, head)),
    lagMs: told?.lagMs ?? null,
    retainedBytes: capture.retainedBytes,
    mode: told?.mode ?? null,
    error: told?.error ?? capture.altered ?? null,
  };
}

interface Fences {
  readonly legacy: SideFence;
  readonly service: SideFence;
  readonly damaged: readonly FenceState[];
}

async function observeFences(
  plan: Plan,
  planned: ServicePlan,
  legacy: ReadOnlyDatabase,
  target: ReadOnlyDatabase | null,
): Promise<Fences> {
  const there = await legacy.fence.observe(planned.name, planned.relations);
  const here = await target?.fence.observe(
    planned.name,
    relationMaps(plan, planned).map((map) => map.target),
  );
  return {
    legacy: worst(there),
    service: here === undefined ? 'unknown' : worst(here),
    damaged: [...there, ...(here ?? [])].filter((fence) => fence.state === 'damaged'),
  };
}

/** A side is as closed as its most open relation. */
function worst(fences: readonly FenceState[]): SideFence {
  for (const state of ['damaged', 'absent', 'open'] as const) {
    if (fences.some((fence) => fence.state === state)) return state;
  }
  return fences.length === 0 ? 'absent' : 'closed';
}

function describeRelations(
  plan: Plan,
  planned: ServicePlan,
  copied: readonly CopyProgress[],
  state: ServiceState,
): readonly RelationStatus[] {
  const isCopied = PHASES.indexOf(state.phase) >= PHASES.indexOf('dual-write');
  return relationMaps(plan, planned).map((map): RelationStatus => {
    const progress = copied.find((candidate) => candidate.relation === map.source);
    const shape = planned.schema.relations.find((relation) => relation.id === map.target);
    const isDone = progress !== undefined && progress.chunks > 0 && progress.done === progress.chunks;
    return {
      relation: map.source,
      state:
        isDone || isCopied ? 'copied' : progress === undefined || progress.done === 0 ? 'waiting' : 'copying',
      rows: progress?.rows ?? 0,
      totalRows: isDone ? progress.rows : (shape?.estimatedRows ?? null),
      bytes: progress?.bytes ?? 0,
      totalBytes: isDone ? progress.bytes : (shape?.bytes ?? null),
      chunks: progress?.chunks ?? 0,
      chunksDone: progress?.done ?? 0,
    };
  });
}

function describeSoak(state: ServiceState, soakMs: number): ServiceStatus['soak'] {
  if (state.soakStartedAt === null || state.phase !== 'sync') return null;
  return {
    startedAt: state.soakStartedAt,
    endsAt: new Date(Date.parse(state.soakStartedAt) + soakMs).toISOString(),
  };
}

function findingsOf(
  state: ServiceState,
  streams: ServiceStatus['capture'],
  fences: Fences | null,
  route: Route | null,
): readonly Finding[] {
  const found: Finding[] = [];
  for (const [direction, stream] of Object.entries(streams) as [Direction, StreamStatus | null][]) {
    if (stream?.isLost !== true) continue;
    found.push({
      code: 'DRF102',
      severity: 'error',
      subject: stream.name,
      service: state.service,
      message: `what ${direction} capture needs is gone`,
      remedy: `dbps migrate abort ${state.service}`,
    });
  }
  const isFenced = route?.owner === 'service';
  if (fences !== null && isFenced && fences.legacy !== 'closed' && state.phase !== 'decommissioned') {
    found.push({
      code: 'DRF101',
      severity: 'error',
      subject: `fence of ${state.service} in legacy`,
      service: state.service,
      message: `the service database owns the writes, and the fence in legacy is ${fences.legacy}${fences.damaged.length === 0 ? '' : `: ${fences.damaged.map((f) => f.detail ?? f.relation).join('; ')}`}`,
      remedy: `dbps migrate history ${state.service} shows when it was closed; see who may alter the tables`,
    });
  }
  return found;
}

function nextStep(state: ServiceState, live: boolean, isCopies: boolean): string | null {
  const { service, phase, target, activity } = state;
  if (activity === 'paused') return `dbps migrate resume ${service}`;
  if (target !== null) {
    return PHASES.indexOf(target) > PHASES.indexOf(phase)
      ? `dbps migrate advance ${service} --to ${target}`
      : `dbps rollback ${service} --to ${target}`;
  }
  if (phase !== 'planned' && phase !== 'decommissioned' && !live) return 'dbps run';
  if (isCopies && phase === 'dual-write') return null;
  const next = nextTransition(phase);
  if (next === undefined) return null;
  return `dbps migrate advance ${service} --to ${next.to}${next.confirmation === 'irreversible' ? ' --dry-run' : ''}`;
}

function unregistered(service: string): ServiceStatus {
  return {
    service,
    phase: 'planned',
    target: null,
    activity: 'idle',
    reason: null,
    planHash: null,
    epoch: 0,
    isNew: true,
    runner: null,
    traffic: {
      owner: 'legacy',
      readShare: 0,
      readRelations: [],
      legacyFence: 'absent',
      serviceFence: 'absent',
    },
    capture: { forward: null, reverse: null },
    progress: null,
    progressAt: null,
    relations: [],
    unverifiedRows: null,
    soak: null,
    unknown: [],
    findings: [],
    next: `dbps migrate advance ${service} --to provisioned`,
  };
}
