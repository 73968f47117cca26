/**
 * What dbps remembers between commands and processes, in the control schema beside the legacy data. Facts that the databases
 * can be asked (fences, slots, traffic) are not in here. Every write carries the holder's epoch and fails with RefusedError E301 when it
 * is no longer the lease's.
 */
import type { Ownership } from '../engines/engine.js';
import type { DatabaseSchema } from '../model/database-schema.js';
import type { Activity, Phase } from '../model/phases.js';
import type { Route, RouteChange } from './route.js';

export type { Route } from './route.js';

export interface StateStore {
  /** Its own migrations; safe when two processes race. @throws RefusedError E302 when the tables are newer than this dbps. */
  install(): Promise<void>;
  isInstalled(): Promise<boolean>;

  /** Of every service that was ever registered; empty before `install`. */
  services(): Promise<readonly ServiceState[]>;
  service(name: string): Promise<ServiceState | null>;
  /** Records the accepted plan and a `planned` row for each of its services that has none. */
  acceptPlan(plan: AcceptedPlan, services: readonly string[]): Promise<void>;
  acceptedPlan(hash: string): Promise<AcceptedPlan | null>;

  /**
   * Takes the service's lease and raises its epoch; waits up to `waitMs` for a held one.
   * @throws RefusedError E301 naming the holder. Whoever calls raises both databases' epochs before reading any checkpoint.
   */
  acquireLease(service: string, request: LeaseRequest): Promise<Ownership>;
  /** @throws RefusedError E301 when the lease is somebody else's by now. */
  heartbeat(owner: Ownership, progress: ServiceProgress | null): Promise<void>;
  releaseLease(owner: Ownership): Promise<void>;

  update(owner: Ownership, change: ServiceChange): Promise<void>;
  /** What the runner last told with its heartbeat. */
  progress(service: string): Promise<{ readonly progress: ServiceProgress; readonly at: string } | null>;

  /** The shape of the relations on each side when copying or applying began to rest on it; null before that. */
  shapes(service: string): Promise<Shapes>;
  saveShapes(owner: Ownership, shapes: Partial<Shapes>): Promise<void>;

  append(owner: Ownership, entry: NewJournalEntry): Promise<void>;
  /** Oldest first. */
  history(service?: string, limit?: number): Promise<readonly JournalEntry[]>;

  fileRequest(request: NewRequest): Promise<Request>;
  request(id: number): Promise<Request | null>;
  /** The oldest filed request of the owner's service, marked taken; null when there is none. */
  takeRequest(owner: Ownership): Promise<Request | null>;
  finishRequest(owner: Ownership, id: number, state: 'done' | 'failed', result: unknown): Promise<void>;
  /** Only while nobody has taken it. */
  cancelRequest(id: number): Promise<boolean>;

  route(service: string): Promise<Route | null>;
  /** Compare-and-set by epoch; creates the row (owner legacy, no reads) when missing. Raises the revision when something changed. */
  updateRoute(owner: Ownership, change: RouteChange): Promise<Route>;

  /** Forgets the service: its rows in every table of the store; the tables go with the last one. */
  forget(owner: Ownership): Promise<void>;
  close(): Promise<void>;
}

export interface Shapes {
  readonly legacy: DatabaseSchema | null;
  readonly target: DatabaseSchema | null;
}

export interface AcceptedPlan {
  readonly hash: string;
  /** The plan file as accepted. */
  readonly text: string;
}

export interface LeaseRequest {
  readonly holder: string;
  readonly host: string;
  readonly durationMs: number;
  readonly waitMs: number;
  /** The new epoch is above this too: what the databases themselves have seen, should the state store be older than they are. */
  readonly floor?: number;
  readonly signal?: AbortSignal;
}

export interface ServiceChange {
  readonly phase?: Phase;
  readonly target?: Phase | null;
  readonly activity?: Activity;
  readonly reason?: string | null;
  readonly planHash?: string;
  readonly soakStartedAt?: string | null;
}

/** Written with each heartbeat, so that `status` on another machine shows the same. */
export interface ServiceProgress {
  readonly step: string | null;
  readonly stepIndex: number;
  readonly steps: number;
  readonly forward: StreamProgress | null;
  readonly reverse: StreamProgress | null;
  readonly waitingFor: string | null;
  readonly rogueWrites: number;
  /** Digest of the settings that the runner goes by; absent from one of an earlier version. */
  readonly settings?: string;
}

export interface StreamProgress {
  readonly state: 'stopped' | 'running' | 'paused' | 'failed';
  readonly mode: 'spool' | 'apply' | 'watch' | null;
  /** What was copied and what was streamed since are one state; absent while nothing has been told yet. */
  readonly isConverged?: boolean;
  readonly received: string | null;
  readonly applied: string | null;
  readonly head: string | null;
  readonly lagMs: number | null;
  readonly lagBytes: number | null;
  readonly changesApplied: number;
  readonly error: string | null;
}

export type NewJournalEntry = Omit<JournalEntry, 'id' | 'service' | 'epoch' | 'holder' | 'at'>;
export type NewRequest = Pick<Request, 'service' | 'kind' | 'parameters' | 'filedBy'>;

export interface ServiceState {
  readonly service: string;
  readonly phase: Phase;
  /** The transition under way, if any. */
  readonly target: Phase | null;
  readonly activity: Activity;
  /** Why it is blocked, paused or failed; what it waits for. */
  readonly reason: string | null;
  readonly planHash: string;
  readonly epoch: number;
  readonly lease: Lease | null;
  readonly soakStartedAt: string | null;
  readonly updatedAt: string;
}

export interface Lease {
  readonly holder: string;
  readonly host: string;
  readonly heartbeatAt: string;
  readonly expiresAt: string;
}

export interface JournalEntry {
  readonly id: number;
  readonly service: string;
  readonly transition: string;
  readonly step: string;
  readonly event: 'started' | 'done' | 'failed' | 'undone' | 'note';
  readonly detail: string | null;
  readonly data: unknown;
  readonly epoch: number;
  readonly holder: string;
  readonly at: string;
}

export interface Request {
  readonly id: number;
  readonly service: string;
  readonly kind: 'advance' | 'rollback' | 'abort' | 'reconcile' | 'pause' | 'resume';
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly state: 'filed' | 'taken' | 'done' | 'failed' | 'cancelled';
  readonly result: unknown;
  readonly filedBy: string;
  readonly filedAt: string;
}
