/** Which names and types a relation map means on either side. Of no engine. */
import type { CanonicalKind } from '../model/canonical-kinds.js';
import type { RelationId } from '../model/relation-id.js';
import { canonicalForm } from './canonical-form.js';
import type { ChecksumMethod, RelationMap, Side } from './engine.js';

export interface KeyColumn {
  readonly name: string;
  readonly type: string;
  /** Across engines: the kind whose canonical text its values are given in. Undefined: the engine's own text. */
  readonly kind?: CanonicalKind;
  /** Ordered by the bytes of its text, since the other side's collation is another one; no index serves that. */
  readonly isByBytes?: boolean;
}

export interface SideColumn {
  readonly name: string;
  readonly type: string;
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

/**
 * @param method how the sides are compared: says in what text keys are, and in what order.
 * @throws RangeError when a key column is not among the map's columns (a generated column cannot identify a row that is sent).
 */
export function keyOn(
  map: RelationMap,
  side: Side,
  method?: Pick<ChecksumMethod, 'columns' | 'order'>,
): readonly (SideColumn & KeyColumn)[] {
  const columns = columnsOn(map, side);
  return map.key.map((name, i) => {
    const column = columns.find((c) => c.source === name);
    if (column === undefined)
      throw new RangeError(`${map.source}: key column ${name} is not among the columns that are moved`);
    const as = method?.columns.find((c) => c.column === name)?.as;
    const kind = as === undefined ? undefined : canonicalForm(as)?.kind;
    return {
      ...column,
      ...(kind !== undefined && { kind }),
      ...(method?.order[i] === 'bytes' && { isByBytes: true }),
    };
  });
}
