/**
 * The columns that identify a row in the change log and on the other side: the immediate, valid, non-partial unique index on NOT NULL
 * columns that is the replica identity; under REPLICA IDENTITY FULL the primary key, or the first index of that quality. A deferrable
 * key is neither replica identity nor arbiter (docs/protocol.md, identity).
 */
import type { Index, Relation } from './database-schema.js';

function identifies(relation: Relation, index: Index): boolean {
  const nullable = new Set(
    relation.columns.filter((column) => column.isNullable).map((column) => column.name),
  );
  return (
    index.isUnique &&
    index.isValid &&
    index.isImmediate &&
    index.predicate === undefined &&
    !index.hasExpression &&
    index.columns.length > 0 &&
    index.columns.every((column) => !nullable.has(column))
  );
}

/** The index that is the key; undefined: rows of this relation cannot be told apart. */
export function keyIndex(relation: Relation): Index | undefined {
  const usable = relation.indexes.filter((index) => identifies(relation, index));
  const { replicaIdentity } = relation;
  switch (replicaIdentity.kind) {
    case 'index':
      return usable.find((index) => index.name === replicaIdentity.index);
    case 'default':
      return usable.find((index) => index.isPrimary);
    case 'full':
      return usable.find((index) => index.isPrimary) ?? usable.find((index) => index.columns.length > 0);
    case 'nothing':
      return undefined;
  }
}

/** Indexes that would do once they are made the replica identity: for the remedy. */
export function candidateKeys(relation: Relation): readonly Index[] {
  return relation.indexes.filter((index) => identifies(relation, index));
}
