/** What a comparison of two databases found. Plain data: report/ renders it, guards judge by it. */
import type { Finding } from './finding.js';
import type { RelationId } from './relation-id.js';

export type VerifyMode = 'counts' | 'changed' | 'full';

export interface VerifyResult {
  readonly service: string;
  readonly mode: VerifyMode;
  /** Nothing differs, nothing was left unsettled, no orphan was found. */
  readonly isEqual: boolean;
  readonly relations: readonly VerifiedRelation[];
  readonly orphans: readonly FoundOrphans[];
  readonly sequences: readonly SequenceHeadroom[];
  readonly shape: ShapeComparison;
  /** Always told, even when empty: what this comparison cannot say. */
  readonly notCompared: readonly { readonly subject: string; readonly reason: string }[];
  readonly findings: readonly Finding[];
  /** How often the other side was waited for before something was called different. */
  readonly rounds: number;
  readonly waitedMs: number;
  readonly durationMs: number;
}

export interface VerifiedRelation {
  readonly relation: RelationId;
  readonly target: RelationId;
  /** Rows compared, on the side that owns the writes. */
  readonly rows: number;
  /** Ranges compared; in `changed` mode, batches of keys. */
  readonly chunks: number;
  /** Ranges that were equal only after the other side had caught up. */
  readonly rechecked: number;
  /** Rows proven different: neither lag nor a write in between explains them. */
  readonly differing: number;
  /** Rows that were changed again in every round, so that nothing can be said of them. */
  readonly unsettled: number;
  /** The first of them, in full. */
  readonly differences: readonly RowDifference[];
  /** How columns were compared, and what counted as equal although it is written differently. */
  readonly method: string;
  readonly notes: readonly string[];
}

export interface RowDifference {
  readonly key: readonly string[];
  readonly keyColumns: readonly string[];
  /** As seen from the side that owns the writes: `missing` on the other, `extra` on the other, or other values there. */
  readonly kind: 'missing' | 'extra' | 'values';
  readonly columns: readonly {
    readonly column: string;
    readonly source: string | null;
    readonly target: string | null;
  }[];
  /** Run on the side that does not own the writes. */
  readonly repairSql: string;
}

export interface FoundOrphans {
  readonly label: string;
  readonly child: RelationId;
  readonly parent: RelationId;
  readonly count: number;
  /** Values of the child's columns that no parent has. */
  readonly sample: readonly (readonly string[])[];
}

export interface SequenceHeadroom {
  readonly sequence: RelationId;
  readonly next: string;
  readonly limit: string;
  /** Values it can still give. */
  readonly left: string;
  /** 0..1 */
  readonly used: number;
}

export type ShapeComparison =
  | { readonly outcome: 'equal' }
  | { readonly outcome: 'differs'; readonly detail: string }
  | { readonly outcome: 'not-compared'; readonly reason: string };
