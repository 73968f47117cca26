/** Changes and transactions as a stream would hand them out, written by hand. */
import type { Change, ChangeTransaction, RelationMap, Value } from '../../src/engines/engine.js';

export const insert = (map: RelationMap, ...values: Value[]): Change => ({ kind: 'insert', map, values });
export const update = (map: RelationMap, ...values: Value[]): Change => ({
  kind: 'update',
  map,
  values,
  oldKey: null,
});
export const rekey = (map: RelationMap, oldKey: string, ...values: Value[]): Change => ({
  kind: 'update',
  map,
  values,
  oldKey: [oldKey],
});
export const remove = (map: RelationMap, ...key: string[]): Change => ({ kind: 'delete', map, key });
export const truncate = (map: RelationMap, leaves: readonly string[] = map.leaves): Change => ({
  kind: 'truncate',
  maps: [map],
  leaves,
});

/** Transactions one after the other. @param position its nth position as the engine writes them */
export function log(position: (n: number) => string) {
  let last = 1;
  return {
    start: position(1),
    transaction: (changes: readonly Change[], isComplete = true): ChangeTransaction => ({
      commit: position(++last),
      end: position(++last),
      committedAtMs: 0,
      isOwn: false,
      changes,
      barriers: [],
      last: isComplete,
      bytes: 0,
    }),
    /** Beyond all of them. */
    later: (by = 90) => position(last + by),
  };
}
