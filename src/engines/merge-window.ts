/**
 * Net changes of a stretch of the log: many changes of one row become one. Pure. A window holds only what may be reordered: deletes
 * first, then updates, then inserts, whatever the order in the log. A key change or a TRUNCATE cannot, and ends the window (H11).
 *
 * `upsert`: a row that was inserted. UNCHANGED in it is a column that the log does not have (added since): its default.
 * `update`: a row that was there before; values stored out of line may be missing, and then it is never an upsert (H3).
 */
import { UNCHANGED, type Change, type Key, type RelationMap, type Value } from './engine.js';

export type NetRow =
  | { readonly kind: 'upsert'; readonly values: readonly Value[] }
  | { readonly kind: 'update'; readonly values: readonly Value[] }
  | { readonly kind: 'delete'; readonly key: Key };

export interface NetRelation {
  readonly map: RelationMap;
  /** By canonical key. */
  readonly rows: ReadonlyMap<string, NetRow>;
}

/** Changes that a window can hold: everything but a key change and a TRUNCATE. */
export type RowChange = Exclude<Change, { kind: 'truncate' }>;

export function canMerge(change: Change): change is RowChange {
  return change.kind !== 'truncate' && !(change.kind === 'update' && change.oldKey !== null);
}

/** One text per key, different for different keys. */
export function keyText(key: Key): string {
  return key.length === 1 ? (key[0] as string) : key.map((part) => `${part.length}:${part}`).join('');
}

/** Places of a map's key among its columns. */
export function keyPlaces(map: RelationMap): readonly number[] {
  return map.key.map((name) => map.columns.findIndex((column) => column.name === name));
}

export class MergeWindow {
  readonly #relations = new Map<RelationMap, { rows: Map<string, NetRow>; places: readonly number[] }>();
  readonly #changes: RowChange[] = [];

  /** Everything added, in source order: what is applied one by one when the net changes collide. */
  get changes(): readonly RowChange[] {
    return this.#changes;
  }

  add(change: RowChange): void {
    this.#changes.push(change);
    let relation = this.#relations.get(change.map);
    if (relation === undefined) {
      relation = { rows: new Map(), places: keyPlaces(change.map) };
      this.#relations.set(change.map, relation);
    }
    const { rows, places } = relation;
    if (change.kind === 'delete') {
      rows.set(keyText(change.key), { kind: 'delete', key: change.key });
      return;
    }
    const values = change.values;
    const text =
      places.length === 1
        ? (values[places[0] as number] as string)
        : keyText(places.map((place) => values[place] as string));
    if (change.kind === 'insert') {
      rows.set(text, { kind: 'upsert', values });
      return;
    }
    const before = rows.get(text);
    const isWhole = !values.includes(UNCHANGED);
    if (before === undefined || before.kind === 'delete') rows.set(text, { kind: 'update', values });
    else
      rows.set(text, {
        kind: before.kind,
        values: isWhole
          ? values
          : values.map((value, i) => (value === UNCHANGED ? (before.values[i] as Value) : value)),
      });
  }

  get relations(): readonly NetRelation[] {
    return [...this.#relations].map(([map, { rows }]) => ({ map, rows }));
  }
}
