/** Which names and types a relation map means on either side. Of no engine. */
import type { RelationId } from '../model/relation-id.js';
import type { RelationMap, Side } from './engine.js';

export interface KeyColumn {
  readonly name: string;
  readonly type: string;
}

export interface SideColumn extends KeyColumn {
  /** Name in the source: what the map's key and findings call it. */
  readonly source: string;
}

export function relationOn(map: RelationMap, side: Side): RelationId {
  return side === 'source' ? map.source : map.target;
}

export function columnsOn(map: RelationMap, side: Side): readonly SideColumn[] {
  return map.columns.map((column) =>
    side === 'source'
      ? { name: column.name, type: column.sourceType, source: column.name }
      : { name: column.target, type: column.targetType, source: column.name },
  );
}

/** @throws RangeError when a key column is not among the map's columns (a generated column cannot identify a row that is sent). */
export function keyOn(map: RelationMap, side: Side): readonly SideColumn[] {
  const columns = columnsOn(map, side);
  return map.key.map((name) => {
    const column = columns.find((c) => c.source === name);
    if (column === undefined)
      throw new RangeError(`${map.source}: key column ${name} is not among the columns that are moved`);
    return column;
  });
}
