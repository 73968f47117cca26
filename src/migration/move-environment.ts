/** What a runner is given by whoever starts it: a command, `dbps run`, or a test. */
import type { Database, Direction, ReadOnlyDatabase, RelationMap } from '../engines/engine.js';
import type { TextRules } from '../model/text-rules.js';
import type { EventSink } from '../model/events.js';
import type { Plan, ServicePlan } from '../model/plan.js';
import type { StateStore } from '../state/state-store.js';
import type { MoveContext, MoveSettings } from './move-context.js';
import type { Catalogue } from './orchestrator.js';
import type { ReplicatorHandle, RouteHook } from './step-context.js';

export interface MoveEnvironment {
  readonly plan: Plan;
  readonly store: StateStore;
  readonly legacy: DatabaseOpener;
  /** @throws ConfigError when the service has no target configured. */
  readonly target: (service: ServicePlan) => DatabaseOpener;
  maps(service: ServicePlan): readonly RelationMap[];
  /** A plan of the databases as they are now, for a schema that changed on the way. */
  readonly replan: () => Promise<Plan>;
  readonly catalogue: Catalogue;
  createReplicator(context: MoveContext, direction: Direction): ReplicatorHandle;
  readonly settings: MoveSettings;
  readonly routeHook: RouteHook | null;
  /** Who works: named in the lease, in errors and in the journal. */
  readonly holder: string;
  readonly host: string;
  readonly leaseMs: number;
  /** How often requests are looked for and the watches look. */
  readonly pollMs: number;
  readonly settleMs: number;
  readonly emit: EventSink;
  readonly now: () => number;
  readonly at: (point: string) => Promise<void>;
}

export interface DatabaseOpener {
  exists(): Promise<boolean>;
  /** @returns true when this call created it. */
  createIfMissing(like?: TextRules): Promise<boolean>;
  open(): Promise<Database>;
  openReadOnly(): Promise<ReadOnlyDatabase>;
}
