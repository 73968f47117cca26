/**
 * Where to cut a key into ranges of about equal size, without sorting the table: a sample of its pages tells how many rows there are
 * and how the key is spread, however it is spread (bigserial, uuid, text, composite). Exact for small tables, close for large ones.
 */
import type pg from 'pg';
import type { ChecksumMethod, Chunk, RelationMap, Side } from '../engine.js';
import { keyOn, relationOn } from '../relation-sides.js';
import { fromClause, orderBy } from './postgres-key-range.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';

/** Pages read for each range, at least: keys on one page tend to be neighbours, so pages count, not rows. */
const PAGES_PER_CHUNK = 20;
const LEAST_PAGES = 200;
const MOST_PAGES = 20_000;
const ROWS_PER_CHUNK = 200;
const LEAST_ROWS = 5_000;

export async function planCuts(
  client: Pick<pg.ClientBase, 'query'>,
  map: RelationMap,
  side: Side,
  rowsPerChunk: number,
  method?: ChecksumMethod,
): Promise<readonly Chunk[]> {
  const relation = relationOn(map, side);
  const key = keyOn(map, side, method);
  const { rows: sizes } = await client.query<{
    relkind: string;
    pages: string;
    reltuples: string;
    relpages: string;
  }>(
    `SELECT c.relkind::text,
            ceil(coalesce((SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t), pg_relation_size(c.oid))
              / current_setting('block_size')::numeric) AS pages,
            c.reltuples, c.relpages
       FROM pg_class c WHERE c.oid = $1::regclass`,
    [quoteRelation(relation)],
  );
  const size = sizes[0];
  const pages = Number(size?.pages ?? 0);
  const from = fromClause(relation, size?.relkind ?? 'r');
  const whole: Chunk = { relation: map.source, index: 0, from: null, to: null, estimatedRows: 0 };
  if (pages === 0) return [whole];

  // A guess, to size the sample; the sample itself says how many rows there are.
  const density = Number(size?.relpages) > 0 ? Number(size?.reltuples) / Number(size?.relpages) : 0;
  const guess = pages * (density > 0 ? density : 60);
  const wanted = Math.min(
    MOST_PAGES,
    Math.max(LEAST_PAGES, PAGES_PER_CHUNK * Math.ceil(guess / rowsPerChunk)),
  );
  const percent = Math.min(100, (100 * wanted) / pages);
  // Of a page's rows a few will do: they lie near each other.
  const sampled = guess * (percent / 100);
  const share = Math.min(1, Math.max(LEAST_ROWS, ROWS_PER_CHUNK * (guess / rowsPerChunk)) / sampled);

  const factor = `${100 / percent / share}::numeric`;
  const names = key.map((column, i) => ({ ...column, name: `k${i}` }));
  const { rows: cuts } = await client.query<Record<string, string> & { total: string }>(
    `WITH sample AS MATERIALIZED (
       SELECT ${key.map((c, i) => `${quoteIdentifier(c.name)} AS k${i}`).join(', ')} FROM ${from} TABLESAMPLE SYSTEM (${percent}) REPEATABLE (1)${share < 1 ? ` WHERE random() < ${share}` : ''}
     ), ranked AS (
       SELECT *, row_number() OVER (ORDER BY ${orderBy(names)}) - 1 AS n, count(*) OVER () AS found FROM sample
     ), sized AS (
       SELECT *, greatest(1, ceil(found * ${factor} / ${rowsPerChunk} - 0.1))::bigint AS parts FROM ranked
     )
     SELECT ${names.map((c) => `${c.name}::text AS ${c.name}`).join(', ')}, round(found * ${factor})::bigint AS total
       FROM sized WHERE n = 0 OR n * parts / found <> (n - 1) * parts / found ORDER BY n`,
  );
  const total = Number(cuts[0]?.total ?? 0);
  const bounds = cuts.slice(1).map((row) => key.map((_, i) => row[`k${i}`] as string));
  const estimatedRows = Math.round(total / (bounds.length + 1));
  return [null, ...bounds].map((lower, index) => ({
    relation: map.source,
    index,
    from: lower,
    to: bounds[index] ?? null,
    estimatedRows,
  }));
}
