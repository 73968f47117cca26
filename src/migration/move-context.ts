/** What every guard, step and loop of one service's move is given. Nothing in migration/ reads a global, a clock or the environment. */
import type { Database, Ownership, RelationMap } from '../engines/engine.js';
import type { EventSink } from '../model/events.js';
import type { Plan, ServicePlan } from '../model/plan.js';

export interface MoveContext {
  readonly plan: Plan;
  readonly service: ServicePlan;
  readonly owner: Ownership;
  readonly legacy: Database;
  readonly target: Database;
  /** Forward maps: source = legacy, target = service database. */
  readonly maps: readonly RelationMap[];
  readonly settings: MoveSettings;
  readonly emit: EventSink;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /**
   * A named instant at which a test stops, delays or kills the real run. Names read `step.instant`
   * (`copy.chunk-written`, `switch-writes.before-commit`). Does nothing outside tests.
   */
  readonly at: (point: string) => Promise<void>;
}

export interface MoveSettings {
  readonly chunkRows: number;
  /** Parallel chunk streams and index builds. */
  readonly jobs: number;
  readonly walBudgetBytes: number;
  readonly throttleMaxLagMs: number;
  readonly readCutover: { readonly verify: VerifyMode; readonly maxLagMs: number };
  readonly writeCutover: {
    readonly verify: VerifyMode;
    readonly maxLagMs: number;
    readonly fenceTimeoutMs: number;
  };
  readonly decommission: {
    readonly verify: VerifyMode;
    readonly soakMs: number;
    /** Between renaming and dropping the legacy relations. */
    readonly graceMs: number;
  };
  readonly archive: { readonly directory: string } | { readonly attested: string };
}

export type VerifyMode = 'counts' | 'changed' | 'full';
