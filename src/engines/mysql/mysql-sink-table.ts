/** How rows are written to one relation of the target: its columns and unique indexes as the catalogue has them. */
import type mysql from 'mysql2/promise';
import { parseRelationId } from '../../model/relation-id.js';
import { UNCHANGED, type RelationMap, type Value } from '../engine.js';
import { keyPlaces } from '../merge-window.js';
import { changedShape } from '../stream-refusals.js';
import { queryable } from './mysql-connection.js';
import { normaliseType } from './mysql-flavor.js';
import { readTableIndexes, type TableIndex } from './mysql-indexes.js';
import type { KeyColumn } from '../relation-sides.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';
import { literalOf, toBytes } from './mysql-values.js';

export interface TargetColumn {
  /** Quoted. */
  readonly name: string;
  readonly type: string;
  /** Null for what holds no text. */
  readonly characterSet: string | null;
  readonly isAutoIncrement: boolean;
  readonly literal: (value: string) => string;
  /** Bytes to be stored; null: the text is what is stored. */
  readonly toBytes: ((text: string) => Buffer) | null;
}

export interface TargetTable {
  readonly map: RelationMap;
  /** Quoted. */
  readonly name: string;
  readonly columns: readonly TargetColumn[];
  /** Places of the key among the columns. */
  readonly key: readonly number[];
  readonly keyColumns: readonly KeyColumn[];
  /** No other unique index when this was read: a row that is in the way of another is that row, as long as nobody makes one. */
  readonly isKeyAlone: boolean;
}

/** @throws RefusedError when the target lacks the relation, a column or the key. */
export async function readTargetTable(session: mysql.Connection, map: RelationMap): Promise<TargetTable> {
  const { schema, name } = parseRelationId(map.target);
  const ask = queryable(session);
  const rows = await ask.query({
    sql: `SELECT column_name AS name, column_type AS type, character_set_name AS character_set, extra
            FROM information_schema.columns WHERE table_schema = ? AND table_name = ?`,
    values: [schema, name],
  });
  if (rows.length === 0) throw changedShape(map.target, 'it is not there');
  const columns = map.columns.map((column): TargetColumn => {
    const row = rows.find((candidate) => isSameName(candidate['name'], column.target));
    if (row === undefined || /\b(?:VIRTUAL|STORED|PERSISTENT) GENERATED\b/i.test(row['extra'] ?? ''))
      throw changedShape(map.target, `it has no column "${column.target}" to write to`);
    const type = normaliseType(row['type'] ?? '');
    return {
      name: quoteIdentifier(column.target),
      type,
      characterSet: row['character_set'] ?? null,
      isAutoIncrement: /\bauto_increment\b/i.test(row['extra'] ?? ''),
      literal: literalOf(type),
      toBytes: toBytes(type),
    };
  });
  const uniques = (await readTableIndexes(ask, map.target)).filter((index) => index.isUnique);
  const key = keyPlaces(map);
  const keyColumns = key.map((place) => ({
    name: map.columns[place]?.target ?? '',
    type: columns[place]?.type ?? '',
  }));
  const wanted = keyColumns
    .map((column) => column.name.toLowerCase())
    .sort()
    .join('\n');
  const isKey = (index: TableIndex) => !index.hasPrefix && index.columns.toSorted().join('\n') === wanted;
  const own = uniques.find(isKey);
  if (own === undefined)
    throw changedShape(map.target, `no unique index there holds just (${map.key.join(', ')})`);
  return {
    map,
    name: quoteRelation(map.target),
    columns,
    key,
    keyColumns,
    isKeyAlone: uniques.every(isKey),
  };
}

const isSameName = (a: string | null | undefined, b: string) => a?.toLowerCase() === b.toLowerCase();

/** Which columns a row has; rows of one statement have the same. */
export function presentColumns(values: readonly Value[]): readonly number[] {
  const present: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i] !== UNCHANGED) present.push(i);
  return present;
}

export function valueLiteral(table: TargetTable, place: number, row: readonly Value[]): string {
  const value = row[place] as string | null;
  return value === null ? 'NULL' : (table.columns[place] as TargetColumn).literal(value);
}

/** `(1, 'a', NULL)` */
export function rowLiteral(table: TargetTable, places: readonly number[], row: readonly Value[]): string {
  let text = '(';
  for (let i = 0; i < places.length; i++)
    text += `${i > 0 ? ', ' : ''}${valueLiteral(table, places[i] as number, row)}`;
  return `${text})`;
}
