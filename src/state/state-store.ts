/**
 * What dbps remembers between commands and processes, in the control schema beside the legacy data. Facts that the databases
 * can be asked (fences, slots, traffic) are not in here. Every write carries the holder's epoch and fails with RefusedError E301 when it
 * is no longer the lease's.
 */
import type { Activity, Phase } from '../model/phases.js';

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

export interface Route {
  readonly service: string;
  readonly owner: 'legacy' | 'service';
  /** 0..100 */
  readonly readShare: number;
  /** Relations whose reads go to the service first, before the share counts. */
  readonly readRelations: readonly string[];
  readonly epoch: number;
  /** Rises with every change of the route. */
  readonly revision: number;
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
  readonly kind: 'advance' | 'rollback' | 'abort' | 'pause' | 'resume';
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly state: 'filed' | 'taken' | 'done' | 'failed' | 'cancelled';
  readonly result: unknown;
  readonly filedBy: string;
  readonly filedAt: string;
}
