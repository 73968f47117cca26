/** In which order to lock. Pure. */
import type { RelationId } from '../../model/relation-id.js';
import type { FencedRelation } from './postgres-fence-tree.js';

/** Relations before those that refer to them; within a cycle as given. A key of a partition counts for its root. */
export function parentsFirst(
  relations: readonly RelationId[],
  keys: readonly { readonly relation: RelationId; readonly parent: RelationId }[],
  tree: readonly Pick<FencedRelation, 'id' | 'root'>[],
): RelationId[] {
  const rootOf = new Map(tree.map(({ id, root }) => [id, root]));
  const parents = new Map<RelationId, Set<RelationId>>();
  for (const { relation, parent } of keys) {
    const child = rootOf.get(relation) ?? relation;
    const above = rootOf.get(parent) ?? parent;
    if (child !== above) parents.set(child, (parents.get(child) ?? new Set()).add(above));
  }
  const ordered = new Set<RelationId>();
  const under = new Set<RelationId>();
  const visit = (relation: RelationId) => {
    if (ordered.has(relation) || under.has(relation)) return;
    under.add(relation);
    for (const parent of parents.get(relation) ?? []) visit(parent);
    ordered.add(relation);
  };
  relations.forEach(visit);
  const wanted = new Set(relations);
  return [...ordered].filter((relation) => wanted.has(relation));
}
