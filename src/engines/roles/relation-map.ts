/** How a relation is read on one side and written on the other. */
import type { RelationId } from '../../model/relation-id.js';

/** How one relation is read here and written there. Column lists leave generated columns out. */
export interface RelationMap {
  /** Name in legacy and in the service; equal unless the plan says otherwise. */
  readonly source: RelationId;
  readonly target: RelationId;
  readonly columns: readonly ColumnMap[];
  /** Columns of the key (replica identity, or the primary key under FULL), in key order, by source name. */
  readonly key: readonly string[];
  /**
   * Leaves of a partitioned relation in the source; [source] for every other relation. A member of a plain inheritance tree has
   * rows and columns of its own, so each has a map of its own: read it with ONLY (never wrong unless it is partitioned).
   */
  readonly leaves: readonly RelationId[];
  /** Unique keys other than `key` exist or a constraint is deferrable: merged batches may have to be unmerged. */
  readonly hasOtherUniqueness: boolean;
}

export interface ColumnMap {
  readonly name: string;
  readonly target: string;
  readonly sourceType: string;
  readonly targetType: string;
}
