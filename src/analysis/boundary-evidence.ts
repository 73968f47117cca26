/** What is known beyond the schema itself: use, data, the server's limits. */
import type { WorkloadGap } from '../engines/usage.js';
import type { RelationId } from '../model/relation-id.js';
import type { ConfiguredReference } from './evidence.js';
import type { ResolvedUse } from './workload.js';

export interface BoundaryEvidence {
  /** Where names without a schema are looked for first. */
  readonly defaultSchema: string;
  readonly configured: readonly ConfiguredReference[];
  readonly workload: readonly ResolvedUse[];
  /** How long the statements were counted, milliseconds; undefined: not known, or not counted by a server. */
  readonly workloadForMs?: number;
  /** What the server would not tell of its use. */
  readonly workloadGaps?: readonly WorkloadGap[];
  /** By `child.column`: share of the values looked up that the parent has. */
  readonly hitRates: ReadonlyMap<string, number>;
  /** Rows written to each relation since the server began to count. */
  readonly writes?: RelationWrites;
  readonly connections?: ConnectionFacts;
}

export interface RelationWrites {
  /** null: not known. */
  readonly forMs: number | null;
  /** Leaves of a partitioned relation under their root. */
  readonly rows: ReadonlyMap<RelationId, number>;
}

export interface ConnectionFacts {
  /** What the server gives; undefined: not known. */
  readonly most?: number;
  readonly used?: number;
  /** Connections that all processes of one service hold together; undefined: not said. */
  readonly pool?: number;
}

export const NO_EVIDENCE: BoundaryEvidence = {
  defaultSchema: 'public',
  configured: [],
  workload: [],
  hitRates: new Map(),
};
