/** What of a service's plan a comparison needs beside the rows: its inner references, its sequences, its shape. Pure. */
import type { OrphanQuery, RelationMap } from '../engines/engine.js';
import type { ServicePlan } from '../model/plan.js';
import { sequencePairs } from '../model/sequence-pairs.js';
import type { ComparedReference, VerifyInput } from './verify-input.js';

export function describeService(
  service: ServicePlan,
  maps: readonly RelationMap[],
): Required<Pick<VerifyInput, 'references' | 'sequences' | 'expected'>> {
  const byTarget = new Map(maps.map((map) => [map.target, map]));
  const references = service.schema.relations.flatMap((relation): ComparedReference[] => {
    const child = byTarget.get(relation.id);
    if (child === undefined) return [];
    return relation.foreignKeys.flatMap((key): ComparedReference[] => {
      const parent = byTarget.get(key.parent);
      if (parent === undefined || key.isInherited) return [];
      const target: OrphanQuery = {
        child: child.target,
        childColumns: key.columns,
        parent: parent.target,
        parentColumns: key.parentColumns,
      };
      const source: OrphanQuery = {
        child: child.source,
        childColumns: key.columns.map((column) => nameInSource(child, column)),
        parent: parent.source,
        parentColumns: key.parentColumns.map((column) => nameInSource(parent, column)),
      };
      return [
        {
          label: `${child.target}.${key.columns.join(',')} -> ${parent.target}.${key.parentColumns.join(',')}`,
          source,
          target,
        },
      ];
    });
  });
  return {
    references,
    sequences: sequencePairs(service).map(({ legacy, target }) => ({ source: legacy, target })),
    expected: service.schema,
  };
}

function nameInSource(map: RelationMap, target: string): string {
  return map.columns.find((column) => column.target === target)?.name ?? target;
}
