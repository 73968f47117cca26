/** Each side says how it would compare; what both can do is done. */
import type { ChecksumMethod, ReadOnlyDatabase, RelationMap } from '../engines/engine.js';

/** Columns that the sides would hash differently are compared as text; keys that they order differently, by bytes. */
export function compareMethods(source: ChecksumMethod, target: ChecksumMethod): ChecksumMethod {
  const isSame = source.name === target.name;
  return {
    // The longer way is the one that both have: a server that lacks a function says so by naming another method.
    name: isSame ? source.name : [source.name, target.name].sort()[0]!,
    columns: source.columns.map((column) => {
      const other = target.columns.find((c) => c.column === column.column);
      return other?.as === column.as ? column : { column: column.column, as: 'text' };
    }),
    order: source.order.map((order, i) => (order === target.order[i] ? order : 'bytes')),
    notCompared: [
      ...source.notCompared,
      ...target.notCompared.filter((t) => !source.notCompared.some((s) => s.column === t.column)),
    ],
  };
}

/** @param map its source is in `source`. */
export async function agreeOnMethod(
  sides: Readonly<Record<'source' | 'target', Pick<ReadOnlyDatabase, 'engine' | 'checksum'>>>,
  map: RelationMap,
  isStrict: boolean,
): Promise<ChecksumMethod> {
  const { source, target } = sides;
  const [ours, theirs] = await Promise.all([
    source.checksum.method(map, 'source', { isStrict, peer: target.engine }),
    target.checksum.method(map, 'target', { isStrict, peer: source.engine }),
  ]);
  return compareMethods(ours, theirs);
}
