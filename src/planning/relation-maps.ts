/** A service's plan → how each relation is read in one database and written in the other. */
import type { RelationMap } from '../engines/engine.js';
import { holdsRows, type DatabaseSchema, type Relation } from '../model/database-schema.js';
import type { Plan, ServicePlan } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';
import { keyIndex } from '../model/relation-key.js';
import { inverseSchemaMap, SchemaRenaming } from './schema-renaming.js';

/** Relations with rows of their own that are not part of a partitioned one: each is copied, applied and verified as one. */
function isMapped(relation: Relation): boolean {
  return relation.kind === 'table' || relation.kind === 'partitioned';
}

export function leavesOf(schema: DatabaseSchema, root: Relation): readonly RelationId[] {
  const below = schema.relations.filter((relation) => relation.partitionOf?.parent === root.id);
  return below.flatMap((relation) => (holdsRows(relation) ? [relation.id] : leavesOf(schema, relation)));
}

/** @param translated where the source's engine is another one: what it called and typed what. */
export function relationMap(
  schema: DatabaseSchema,
  relation: Relation,
  back: SchemaRenaming,
  translated?: ServicePlan['translated'],
): RelationMap {
  const types = translated?.columnTypes[relation.id];
  const key = keyIndex(relation);
  return {
    source: back.relation(relation.id),
    target: relation.id,
    columns: relation.columns
      .filter((column) => column.generated === undefined)
      .map((column) => ({
        name: column.name,
        target: column.name,
        sourceType: types?.[column.name] ?? back.text(column.type),
        targetType: column.type,
      })),
    key: key?.columns ?? [],
    leaves:
      translated?.leaves[relation.id] ??
      (holdsRows(relation)
        ? [back.relation(relation.id)]
        : leavesOf(schema, relation)
            .map((leaf) => back.relation(leaf))
            .sort()),
    hasOtherUniqueness:
      relation.exclusions.length > 0 ||
      relation.indexes.some((index) => index.isUnique && index.name !== key?.name) ||
      relation.keys.some((unique) => unique.isDeferrable),
  };
}

/** Every relation of the service that holds rows, by source name. */
export function relationMaps(_plan: Plan, service: ServicePlan): readonly RelationMap[] {
  const back = new SchemaRenaming(service.schema, inverseSchemaMap(service.schemaMap));
  return service.schema.relations
    .filter(isMapped)
    .map((relation) => relationMap(service.schema, relation, back, service.translated))
    .sort((a, b) => (a.source < b.source ? -1 : 1));
}
