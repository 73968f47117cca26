/**
 * Changes on disk while a copy runs: a segment says which relations and columns it speaks of, so that it can be read alone, by another
 * process, with maps made later. JSON (the runtime's own, and no engine's format: the source may be another engine), deflated.
 */
import { promisify } from 'node:util';
import { deflate, inflate } from 'node:zlib';
import { RefusedError } from '../model/errors.js';
import {
  UNCHANGED,
  type Change,
  type ChangeTransaction,
  type Key,
  type RelationMap,
  type Value,
} from './engine.js';

/** 0 stands for a value that the log does not have. */
type Cell = string | null | 0;
type Encoded =
  | readonly ['i', number, readonly Cell[]]
  | readonly ['u', number, readonly Cell[], Key | null]
  | readonly ['d', number, Key]
  | readonly ['t', readonly number[], readonly string[]];

interface Segment {
  readonly relations: readonly { readonly source: string; readonly columns: readonly string[] }[];
  readonly transactions: readonly (Omit<ChangeTransaction, 'changes'> & {
    readonly changes: readonly Encoded[];
  })[];
}

export async function encodeSegment(transactions: readonly ChangeTransaction[]): Promise<Buffer> {
  const places = new Map<RelationMap, number>();
  const place = (map: RelationMap) => {
    const known = places.get(map);
    if (known !== undefined) return known;
    places.set(map, places.size);
    return places.size - 1;
  };
  const cells = (values: readonly Value[]) => values.map((value): Cell => (value === UNCHANGED ? 0 : value));
  const encode = (change: Change): Encoded => {
    switch (change.kind) {
      case 'insert':
        return ['i', place(change.map), cells(change.values)];
      case 'update':
        return ['u', place(change.map), cells(change.values), change.oldKey];
      case 'delete':
        return ['d', place(change.map), change.key];
      case 'truncate':
        return ['t', change.maps.map(place), change.leaves];
    }
  };
  const encoded = transactions.map(
    ({ commit, end, committedAtMs, isOwn, changes, barriers, last, bytes }) => ({
      commit,
      end,
      committedAtMs,
      isOwn,
      changes: changes.map(encode),
      barriers,
      last,
      bytes,
    }),
  );
  const segment: Segment = {
    relations: [...places.keys()].map((map) => ({
      source: map.source,
      columns: map.columns.map((c) => c.name),
    })),
    transactions: encoded,
  };
  return promisify(deflate)(JSON.stringify(segment), { level: 1 });
}

/** @throws RefusedError when a relation or column of the segment is not in the maps any more. */
export async function decodeSegment(
  payload: Buffer,
  maps: readonly RelationMap[],
): Promise<readonly ChangeTransaction[]> {
  const text = (await promisify(inflate)(payload)).toString('utf8');
  const segment = JSON.parse(text) as Segment;
  const relations = segment.relations.map(({ source, columns }) => {
    const map = maps.find((candidate) => candidate.source === source);
    const unknown = columns.find((name) => map?.columns.some((column) => column.name === name) !== true);
    if (map === undefined || unknown !== undefined)
      throw new RefusedError({
        code: 'DBPS_E354',
        message: `${source} is not what was planned: spooled changes have ${unknown === undefined ? 'the relation' : `column "${unknown}"`}, the plan has not`,
        hint: 'dbps plan diff',
      });
    const order = map.columns.map((column) => columns.indexOf(column.name));
    const isInOrder = order.length === columns.length && order.every((from, to) => from === to);
    return { map, order, isInOrder };
  });
  const relation = (index: number) => relations[index] as (typeof relations)[number];
  const values = (index: number, cells: readonly Cell[]): Value[] => {
    const { order, isInOrder } = relation(index);
    const inOrder = isInOrder ? cells : order.map((from) => (from < 0 ? 0 : (cells[from] as Cell)));
    return inOrder.map((cell) => (cell === 0 ? UNCHANGED : cell));
  };
  const decode = (change: Encoded): Change => {
    switch (change[0]) {
      case 'i':
        return { kind: 'insert', map: relation(change[1]).map, values: values(change[1], change[2]) };
      case 'u':
        return {
          kind: 'update',
          map: relation(change[1]).map,
          values: values(change[1], change[2]),
          oldKey: change[3],
        };
      case 'd':
        return { kind: 'delete', map: relation(change[1]).map, key: change[2] };
      case 't':
        return { kind: 'truncate', maps: change[1].map((index) => relation(index).map), leaves: change[2] };
    }
  };
  return segment.transactions.map((transaction) => ({
    ...transaction,
    changes: transaction.changes.map(decode),
  }));
}
