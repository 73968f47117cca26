/**
 * How rows are written to one relation of the target: its columns as the catalogue has them, and the statements made from them. Many
 * rows go in one statement, as one array a column (unnest). Three traps (each has a test): a cast to `character` instead of bpchar cuts
 * values to one letter, so types are named by format_type(oid, -1); unnest flattens arrays of arrays and spreads composites, so those travel
 * as text; and the operator that compares keys is the index's own, since dbps's search_path finds none of an extension's.
 */
import type pg from 'pg';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import { UNCHANGED, type RelationMap, type Value } from '../engine.js';
import { keyPlaces } from '../merge-window.js';
import { changedShape } from '../stream-refusals.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';

interface TargetColumn {
  readonly name: string;
  /** Element type of the parameter array. */
  readonly parameter: string;
  /** Cast of the parameter to the column's type, or nothing. */
  readonly cast: string;
  /** Its text needs no quoting inside an array. */
  readonly isPlain: boolean;
  /** GENERATED ALWAYS AS IDENTITY: cannot be SET, and is inserted only by OVERRIDING (H12). */
  readonly isAlways: boolean;
}

export interface TargetTable {
  readonly map: RelationMap;
  /** Quoted, with ONLY where its children are relations of their own. */
  readonly name: string;
  readonly columns: readonly TargetColumn[];
  /** Places of the key among the columns. */
  readonly key: readonly number[];
  readonly equals: readonly string[];
  /** Leaves by their source's name, for a TRUNCATE of one of them. */
  readonly leaves: ReadonlyMap<RelationId, string>;
}

const PLAIN = new Set(
  'int2 int4 int8 oid numeric float4 float8 bool uuid date timestamp timestamptz time timetz'.split(' '),
);

const COLUMNS = `
SELECT c.oid, c.relkind AS kind, a.attname AS name, format_type(a.atttypid, -1) AS type,
       t.typname AS type_name, a.attidentity AS identity, a.attgenerated AS generated,
       (t.typcategory IN ('A', 'C') OR t.typtype IN ('c', 'p') OR t.typarray = 0
        OR EXISTS (SELECT 1 FROM pg_type b WHERE b.oid = t.typbasetype AND b.typtype = 'c')) AS is_nested
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE n.nspname = $1 AND c.relname = $2`;

/** The equality operator of each column of the unique indexes that can identify rows. */
const OPERATORS = `
SELECT a.attname AS name, format('OPERATOR(%I.%s)', n.nspname, o.oprname) AS operator
  FROM pg_index x
  CROSS JOIN LATERAL unnest(x.indkey[0:x.indnkeyatts - 1], x.indclass[0:x.indnkeyatts - 1]) AS k(attnum, class)
  JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
  JOIN pg_opclass c ON c.oid = k.class
  JOIN pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3 AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
  JOIN pg_operator o ON o.oid = p.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
 WHERE x.indrelid = $1 AND x.indisunique AND x.indisvalid AND x.indimmediate AND x.indpred IS NULL`;

const LEAVES = `
WITH RECURSIVE tree AS (
  SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = $1
  UNION ALL SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid)
SELECT n.nspname AS schema, c.relname AS name FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind <> 'p'`;

/** @throws RefusedError when the target lacks the relation, a column or the key. */
export async function readTargetTable(
  client: Pick<pg.ClientBase, 'query'>,
  map: RelationMap,
): Promise<TargetTable> {
  const { schema, name } = parseRelationId(map.target);
  const { rows } = await client.query<
    Record<'oid' | 'kind' | 'name' | 'type' | 'type_name' | 'identity' | 'generated' | 'is_nested', string>
  >(COLUMNS, [schema, name]);
  const found = rows[0];
  if (found === undefined) throw changedShape(map.target, 'it is not there');
  const columns = map.columns.map((column): TargetColumn => {
    const row = rows.find((candidate) => candidate.name === column.target);
    if (row === undefined || row.generated !== '')
      throw changedShape(map.target, `it has no column "${column.target}" to write to`);
    const isNested = row.is_nested === 't';
    return {
      name: quoteIdentifier(row.name),
      parameter: isNested ? 'text' : row.type,
      cast: isNested ? `::${row.type}` : '',
      isPlain: PLAIN.has(row.type_name),
      isAlways: row.identity === 'a',
    };
  });
  const operators = await client.query<{ name: string; operator: string }>(OPERATORS, [found.oid]);
  const key = keyPlaces(map);
  const equals = key.map((place) => {
    const column = map.columns[place]?.target;
    const row = operators.rows.find((candidate) => candidate.name === column);
    if (row === undefined) throw changedShape(map.target, `no unique index there holds "${column}"`);
    return row.operator;
  });
  const leaves = new Map<RelationId, string>();
  if (found.kind === 'p') {
    const source = parseRelationId(map.source);
    const tree = await client.query<{ schema: string; name: string }>(LEAVES, [found.oid]);
    for (const leaf of tree.rows) {
      const from = leaf.schema === schema ? source.schema : leaf.schema;
      leaves.set(relationId(from, leaf.name), quoteRelation(relationId(leaf.schema, leaf.name)));
    }
  }
  const only = found.kind === 'p' || map.leaves.length > 1 ? '' : 'ONLY ';
  return { map, name: `${only}${quoteRelation(map.target)}`, columns, key, equals, leaves };
}

/** Which columns a group of rows has; rows of one statement have the same. */
export function presentColumns(values: readonly Value[]): readonly number[] {
  const present: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i] !== UNCHANGED) present.push(i);
  return present;
}

/** `unnest($1::int8[], …) AS u(c0, …)`; parameters follow the order of `places`. */
function rowsFrom(table: TargetTable, places: readonly number[], first = 1, prefix = 'c'): string {
  const arrays = places.map((place, i) => `$${first + i}::${table.columns[place]?.parameter}[]`);
  return `unnest(${arrays.join(', ')}) AS u(${places.map((place) => `${prefix}${place}`).join(', ')})`;
}

const value = (table: TargetTable, place: number) => `u.c${place}${table.columns[place]?.cast ?? ''}`;
const nameOf = (table: TargetTable, place: number) => table.columns[place]?.name ?? '';

function matchKey(table: TargetTable, prefix = 'c'): string {
  return table.key
    .map(
      (place, i) =>
        `t.${nameOf(table, place)} ${table.equals[i]} u.${prefix}${place}${table.columns[place]?.cast}`,
    )
    .join(' AND ');
}

export function upsertSql(table: TargetTable, places: readonly number[]): string {
  const set = places.filter((place) => !table.columns[place]?.isAlways);
  const names = places.map((place) => nameOf(table, place)).join(', ');
  const into = table.name.replace(/^ONLY /, '');
  const conflict =
    set.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET ${set.map((place) => `${nameOf(table, place)} = excluded.${nameOf(table, place)}`).join(', ')}`;
  return `INSERT INTO ${into} (${names}) OVERRIDING SYSTEM VALUE SELECT ${places.map((place) => value(table, place)).join(', ')}
    FROM ${rowsFrom(table, places)} ON CONFLICT (${table.key.map((place) => nameOf(table, place)).join(', ')}) ${conflict}`;
}

/** Rows whose ALWAYS identity (outside the key) is another one now: they are taken away and inserted again. */
export function clearIdentitySql(table: TargetTable, places: readonly number[]): string | null {
  const always = places.filter((place) => table.columns[place]?.isAlways && !table.key.includes(place));
  if (always.length === 0) return null;
  const differs = always.map((place) => `t.${nameOf(table, place)} IS DISTINCT FROM ${value(table, place)}`);
  return `DELETE FROM ${table.name} t USING ${rowsFrom(table, places)} WHERE ${matchKey(table)} AND (${differs.join(' OR ')})`;
}

export function updateSql(table: TargetTable, places: readonly number[]): string {
  const set = places.filter((place) => !table.key.includes(place));
  return `UPDATE ${table.name} t SET ${set.map((place) => `${nameOf(table, place)} = ${value(table, place)}`).join(', ')}
    FROM ${rowsFrom(table, places)} WHERE ${matchKey(table)}`;
}

/** An ALWAYS identity outside the key cannot be SET, so that updates of such a table replace the row. */
export function replacesRows(table: TargetTable): boolean {
  return table.columns.some((column, place) => column.isAlways && !table.key.includes(place));
}

export function deleteSql(table: TargetTable): string {
  return `DELETE FROM ${table.name} t USING ${rowsFrom(table, table.key)} WHERE ${matchKey(table)}`;
}

/** Keys (by position in the arrays) that have no row. */
export function missingSql(table: TargetTable): string {
  const arrays = table.key.map((place, i) => `$${i + 1}::${table.columns[place]?.parameter}[]`);
  return `SELECT u.n FROM unnest(${arrays.join(', ')}) WITH ORDINALITY AS u(${table.key.map((place) => `c${place}`).join(', ')}, n)
    WHERE NOT EXISTS (SELECT 1 FROM ${table.name} t WHERE ${matchKey(table)})`;
}

/**
 * A row under another key. Where a column is ALWAYS the row is taken away and inserted again, with what the log does not have from the
 * row itself. Parameters: the columns present, then the old key.
 */
export function rekeySql(table: TargetTable, places: readonly number[]): string {
  const row = `unnest(${[...places, ...table.key].map((place, i) => `$${i + 1}::${table.columns[place]?.parameter}[]`).join(', ')})
    AS u(${[...places.map((place) => `c${place}`), ...table.key.map((place) => `o${place}`)].join(', ')})`;
  if (!places.some((place) => table.columns[place]?.isAlways))
    return `UPDATE ${table.name} t SET ${places.map((place) => `${nameOf(table, place)} = ${value(table, place)}`).join(', ')}
      FROM ${row} WHERE ${matchKey(table, 'o')}`;
  const all = table.columns.map((_, place) => place);
  const source = all.map((place) =>
    places.includes(place) ? value(table, place) : `t.${nameOf(table, place)}`,
  );
  return `WITH gone AS (DELETE FROM ${table.name} t USING ${row} WHERE ${matchKey(table, 'o')}
      RETURNING ${source.map((expression, place) => `${expression} AS v${place}`).join(', ')})
    INSERT INTO ${table.name.replace(/^ONLY /, '')} (${all.map((place) => nameOf(table, place)).join(', ')})
    OVERRIDING SYSTEM VALUE SELECT ${all.map((place) => `v${place}`).join(', ')} FROM gone`;
}
