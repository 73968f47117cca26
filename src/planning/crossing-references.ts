/** Foreign keys whose ends are parted, and references that dbps.yaml adds. */
import type { DatabaseSchema } from '../model/database-schema.js';
import type { CrossingReference, OnParentDelete } from '../model/plan.js';
import { parseRelationId, type RelationId } from '../model/relation-id.js';
import type { Assignment } from './assignment.js';
import type { Boundaries } from './boundaries.js';

const columns = (id: RelationId, names: readonly string[]): string =>
  `${parseRelationId(id).schema === 'public' ? parseRelationId(id).name : id}.${names.length === 1 ? names[0] : `(${names.join(', ')})`}`;

const keyOf = (child: RelationId, childColumns: readonly string[], parent: RelationId): string =>
  JSON.stringify([child, childColumns, parent]);

/** Inherited copies of a key on partitions are left to their root. */
export function findCrossingReferences(
  schema: DatabaseSchema,
  assignment: Assignment,
  boundaries: Boundaries,
): readonly CrossingReference[] {
  const service = (id: RelationId): string | null => assignment.serviceOf.get(id) ?? null;
  const configured = new Map(
    boundaries.references.map((reference) => [
      keyOf(reference.child, reference.childColumns, reference.parent),
      reference,
    ]),
  );
  const found: CrossingReference[] = [];
  const cross = (
    reference: Pick<
      CrossingReference,
      'child' | 'childColumns' | 'parent' | 'parentColumns' | 'origin' | 'foreignKey'
    >,
    onDelete: OnParentDelete,
  ) =>
    found.push({
      label: `${columns(reference.child, reference.childColumns)} -> ${columns(reference.parent, reference.parentColumns)}`,
      ...reference,
      childService: service(reference.child),
      parentService: service(reference.parent),
      onDelete,
    });

  for (const relation of schema.relations) {
    for (const foreignKey of relation.foreignKeys) {
      if (foreignKey.isInherited || service(relation.id) === service(foreignKey.parent)) continue;
      const key = keyOf(relation.id, foreignKey.columns, foreignKey.parent);
      const wish = configured.get(key);
      configured.delete(key);
      cross(
        {
          child: relation.id,
          childColumns: foreignKey.columns,
          parent: foreignKey.parent,
          parentColumns: foreignKey.parentColumns,
          origin: 'declared',
          foreignKey,
        },
        wish?.onDelete ?? 'keep',
      );
    }
  }
  for (const reference of configured.values()) {
    if (service(reference.child) === service(reference.parent)) continue;
    cross({ ...reference, origin: 'configured' }, reference.onDelete);
  }
  return found.sort((a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0));
}

/**
 * Parents before their children, so that the owner of a key moves first; among those that are free (or in a cycle) the one
 * with the fewest references to services that still wait, then by name.
 */
export function orderServices(
  services: readonly string[],
  crossings: readonly CrossingReference[],
): readonly string[] {
  const waiting = new Set(services);
  const ordered: string[] = [];
  const needs = (name: string): number =>
    crossings.filter(
      (c) =>
        c.childService === name &&
        c.parentService !== null &&
        c.parentService !== name &&
        waiting.has(c.parentService),
    ).length;
  while (waiting.size > 0) {
    const [next] = [...waiting]
      .map((name) => ({ name, needs: needs(name) }))
      .sort((a, b) => a.needs - b.needs || (a.name < b.name ? -1 : 1));
    if (next === undefined) break;
    waiting.delete(next.name);
    ordered.push(next.name);
  }
  return ordered;
}
