/**
 * What each direction's replicator does while no step is asking for anything else. Read from who owns the writes, not from the phase: between
 * the commit point and the end of the transition the phase is still the old one, and a reverse stream that only watched would
 * acknowledge the service's first writes without applying them.
 */
import type { Phase } from '../model/phases.js';
import type { ReplicationMode } from './step-context.js';

export interface Modes {
  /** null: stopped, or no such capture. */
  readonly forward: ReplicationMode | null;
  readonly reverse: ReplicationMode | null;
}

/** @param isConverged false until the copy and its replay are behind us: changes are kept, not applied. */
export function restingModes(phase: Phase, owner: 'legacy' | 'service', isConverged: boolean): Modes {
  if (phase === 'planned' || phase === 'decommissioned') return { forward: null, reverse: null };
  if (owner === 'service') return { forward: 'watch', reverse: 'apply' };
  if (!isConverged) return { forward: 'spool', reverse: 'watch' };
  return { forward: 'apply', reverse: 'watch' };
}
