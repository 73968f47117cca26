/** The same relations seen from the service database: what reverse capture reads there and writes in legacy. Pure. */
import type { RelationMap } from '../engines/engine.js';
import { holdsRows, type DatabaseSchema } from '../model/database-schema.js';
import type { ServicePlan } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';

export function reverseMaps(maps: readonly RelationMap[], service: ServicePlan): readonly RelationMap[] {
  return maps.map((map) => ({
    source: map.target,
    target: map.source,
    columns: map.columns.map((column) => ({
      name: column.target,
      target: column.name,
      sourceType: column.targetType,
      targetType: column.sourceType,
    })),
    key: map.key.map((name) => map.columns.find((column) => column.name === name)?.target ?? name),
    leaves: leavesOf(service.schema, map.target),
    hasOtherUniqueness: map.hasOtherUniqueness,
  }));
}

function leavesOf(schema: DatabaseSchema, root: RelationId): readonly RelationId[] {
  const children = schema.relations.filter((relation) => relation.partitionOf?.parent === root);
  const relation = schema.relations.find((candidate) => candidate.id === root);
  if (relation === undefined || holdsRows(relation)) return [root];
  return children.flatMap((child) => leavesOf(schema, child.id)).sort();
}
