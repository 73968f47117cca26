/** The service's schema under the names and in the types that its own database will have. Pure. */
import type { AdoptionNote, Ddl } from '../engines/engine.js';
import { holdsRows, type DatabaseSchema, type EngineName } from '../model/database-schema.js';
import type { ServicePlan } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';
import { leavesOf } from './relation-maps.js';
import { SchemaRenaming, type SchemaMap } from './schema-renaming.js';

export interface ServiceSchema {
  readonly schema: DatabaseSchema;
  readonly translated?: NonNullable<ServicePlan['translated']>;
  readonly notes: readonly AdoptionNote[];
}

export function adoptSchema(
  source: DatabaseSchema,
  engine: EngineName,
  map: SchemaMap,
  adopters: Partial<Record<EngineName, Ddl['adopt']>>,
): ServiceSchema {
  if (engine === source.engine) return { schema: new SchemaRenaming(source, map).apply(source), notes: [] };
  const adopt = adopters[engine];
  if (adopt === undefined)
    throw new RangeError(`nothing tells how ${engine} holds a schema of ${source.engine}`);
  const adopted = adopt(source);
  const to = new SchemaRenaming(adopted.schema, map);
  const byTargetName = <T>(entries: Iterable<readonly [RelationId, T]>): Record<RelationId, T> =>
    Object.fromEntries([...entries].map(([id, value]) => [to.relation(id), value]));
  return {
    schema: to.apply(adopted.schema),
    notes: adopted.notes,
    translated: {
      columnTypes: byTargetName(
        source.relations.map((relation) => [
          relation.id,
          Object.fromEntries(relation.columns.map((column) => [column.name, column.type])),
        ]),
      ),
      sequences: byTargetName(Object.entries(adopted.sequences)),
      leaves: byTargetName(
        source.relations
          .filter((relation) => !holdsRows(relation) && relation.kind === 'partitioned')
          .map((relation) => [relation.id, [...leavesOf(source, relation)].sort()]),
      ),
    },
  };
}
