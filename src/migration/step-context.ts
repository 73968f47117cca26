/**
 * What guards and steps are, and what they are given. A guard judges from what it can read (so that --dry-run may evaluate every one
 * of them through read-only sessions); a step is check → do → verify → undo, journalled around each, so that a crash at any instant is
 * resumed or undone. model/phases.ts names them; migration/guards and migration/steps hold one each.
 */
import type { Direction, Position, ReadOnlyDatabase } from '../engines/engine.js';
import type { Finding } from '../model/finding.js';
import type { VerifyMode, VerifyResult } from '../model/verification.js';
import type { Phase } from '../model/phases.js';
import type { Route, StateStore } from '../state/state-store.js';
import type { MoveContext } from './move-context.js';

export interface StepContext extends MoveContext {
  /** legacy → service. The runner owns both: a step asks them to change their mode and leaves them as its phase wants them. */
  readonly forward: ReplicatorHandle;
  /** service → legacy. */
  readonly reverse: ReplicatorHandle;
  readonly store: StateStore;
  readonly parameters: TransitionParameters;
  /** Creates the service's database when it is missing, and opens it: until then reading `target` throws. @returns true when created. */
  createTarget(): Promise<boolean>;
  /** The user's own switch, run on every change of the route; null when none is configured. */
  readonly routeHook: RouteHook | null;
}

/** How it is called stands in app/; a step runs it through migration/publish-route.ts, which retries. */
export interface RouteHook {
  /** `block`: the transition waits for it (what was committed stays); `warn`: a note is enough. */
  readonly onFailure: 'block' | 'warn';
  run(route: Route, signal: AbortSignal): Promise<void>;
}

/** What the caller of a transition may choose. */
export interface TransitionParameters {
  /** Share of reads for the service database, 0..100. */
  readonly reads?: number;
  /** Relations whose reads go to the service database first. */
  readonly readRelations?: readonly string[];
  /** Overrides the gate's limit. */
  readonly maxLagMs?: number;
  /** `<service>@<plan-hash>.e<epoch>`, checked before the transition begins. */
  readonly confirm?: string;
  /** The decision about writes that reached legacy behind the fence: the owner's rows stand. */
  readonly keepOwner?: boolean;
  /** Guards that may pass by themselves are waited for. */
  readonly wait?: boolean;
  /** Apply additive schema changes to the other side on resume. */
  readonly applyDdl?: boolean;
}

// ---------------------------------------------------------------- replication, as steps see it

/** `spool`: received and durable, not applied. `apply`: spool first, then live. `watch`: consumed; what is not dbps's own is rogue. */
export type ReplicationMode = 'spool' | 'apply' | 'watch';

/** The part of migration/replicator.ts that steps and the runner use. */
export interface ReplicatorHandle {
  readonly direction: Direction;
  /** Refused (RefusedError) when the start would skip changes. Starting a started one changes its mode. */
  start(mode: ReplicationMode): Promise<void>;
  setMode(mode: ReplicationMode): Promise<void>;
  /** At a batch boundary. Idempotent; the slot stays. */
  stop(): Promise<void>;
  /** Apply rests at a batch boundary (DDL on the target); receiving and acknowledging go on as far as they may. */
  pause(): Promise<void>;
  resume(): void;
  /** Resolves when the barrier row has been applied on the other side. @throws InterruptedError past the deadline (clock of `now`). */
  waitForBarrier(nonce: string, deadlineMs: number): Promise<void>;
  status(): ReplicationStatus;
  onRogue(report: (change: RogueChange) => void): void;
}

export interface ReplicationStatus {
  readonly state: 'stopped' | 'running' | 'paused' | 'failed';
  readonly mode: ReplicationMode | null;
  readonly received: Position | null;
  readonly applied: Position | null;
  readonly head: Position | null;
  /** Age of the oldest change not yet applied; 0 when none is known, null while stopped. */
  readonly lagMs: number | null;
  readonly lagBytes: number | null;
  readonly changesApplied: number;
  /** In mode `apply`: replay has passed every read of the copy, and no row waits to be fetched again. */
  readonly isConverged: boolean;
  /** Why it failed: the error that ended the loop. */
  readonly error: Error | null;
}

export interface RogueChange {
  readonly relation: string;
  readonly kind: 'insert' | 'update' | 'delete' | 'truncate';
  readonly key: readonly string[] | null;
  readonly position: Position;
}

// ---------------------------------------------------------------- guards

/** Only what can be read: the same guard serves the run and --dry-run. */
export interface GuardContext extends Omit<MoveContext, 'legacy' | 'target' | 'owner'> {
  readonly legacy: ReadOnlyDatabase;
  /** Reading it throws RefusedError while the database does not exist: ask `targetExists` first where that may be. */
  readonly target: ReadOnlyDatabase;
  readonly targetExists: boolean;
  readonly store: StateStore;
  readonly parameters: TransitionParameters;
  /** Where the service is while it is asked. */
  readonly phase: Phase;
  /** From this process's replicator, or as the live runner last told the state store; null when nobody replicates. */
  replication(direction: Direction): Promise<ReplicationStatus | null>;
  /** Compares both sides. Under --dry-run it waits for the stream instead of writing a marker, and leaves the set of changed keys alone. */
  verify(mode: VerifyMode): Promise<VerifyResult>;
  /** False under --dry-run: writes nothing, not even a barrier. */
  readonly isDryRun: boolean;
}

export type GuardResult =
  | { readonly outcome: 'ok'; readonly detail: string }
  | {
      readonly outcome: 'refused';
      /** DBPS_E3xx. */
      readonly code: string;
      readonly detail: string;
      readonly hint: string;
      readonly findings: readonly Finding[];
      /** True when it may pass by itself: `--wait` waits for it. */
      readonly mayPass: boolean;
    }
  /** Could not look; refuses too, but is not a problem found. */
  | { readonly outcome: 'unknown'; readonly detail: string; readonly hint: string };

export interface Guard {
  /** As in model/phases.ts. */
  readonly name: string;
  /**
   * `start`: asked before the first step, not again on resume (what it asks is changed by the steps).
   * `always`: asked again on every resume until the commit point.
   */
  readonly when: 'start' | 'always';
  evaluate(context: GuardContext): Promise<GuardResult>;
}

// ---------------------------------------------------------------- steps

/** One line of --dry-run: a statement with its purpose, or an act that is no single statement (`sql` null). */
export interface PlannedAction {
  readonly where: 'legacy' | 'target' | 'state' | 'outside';
  readonly sql: string | null;
  readonly purpose: string;
}

export type StepDetails = Readonly<Record<string, unknown>>;

export interface Step {
  /** As in model/phases.ts. */
  readonly name: string;
  /** Once this step is done its transition can only be finished, never undone. */
  readonly isCommitPoint?: true;
  /** For --dry-run: reads only. */
  describe(context: GuardContext): Promise<readonly PlannedAction[]>;
  /** From the databases, not from memory. A step that is cheap to repeat may always say `todo`. */
  check(context: StepContext): Promise<'done' | 'todo'>;
  /** Idempotent: run again after a crash at any instant of it. What it returns goes into the journal and the command's result. */
  do(context: StepContext): Promise<StepDetails | void>;
  /** @throws when what `do` should have brought about is not so. */
  verify(context: StepContext): Promise<void>;
  /** Takes back a step that was begun, finished or not. Absent: nothing to take back. */
  undo?(context: StepContext): Promise<void>;
}
