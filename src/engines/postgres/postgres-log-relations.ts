/**
 * Which relation of the move a row of the log belongs to. Leaves are published under their own names (through the root, a leaf's
 * TRUNCATE would never arrive: H5) and mapped to their roots here, from the catalogue. What the log says of a relation's shape is held
 * against the plan, so that a schema change stops the stream instead of filling wrong columns.
 */
import { RefusedError } from '../../model/errors.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { RelationMap } from '../engine.js';
import { changedShape } from '../stream-refusals.js';
import type { SessionPool } from './postgres-connection.js';
import type { RelationMessage } from './postgres-pgoutput.js';

interface CatalogueRelation {
  readonly map: RelationMap;
  readonly id: RelationId;
  /** Live columns by name, with their type's oid. */
  readonly columns: ReadonlyMap<string, number>;
}

export interface LogRelation {
  readonly map: RelationMap;
  /** The relation as named in the log: the leaf of a partitioned one. */
  readonly leaf: RelationId;
  /** For each column of the map its place in the log's row; -1 where the log has none. */
  readonly order: readonly number[];
  /** True when order is 0, 1, 2, …: rows can be passed on as they are. */
  readonly isInOrder: boolean;
  /** Places of the key's columns in the map's order. */
  readonly key: readonly number[];
}

/** Leaves that carry rows, under each map's source; `parents` of partitioned roots come from the catalogue, inheritance from the plan. */
const TREE = `
WITH RECURSIVE tree AS (
  SELECT c.oid, c.oid AS root, c.relkind AS root_kind, 0 AS depth
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest($1::text[], $2::text[]) AS wanted(schema, name) ON n.nspname = wanted.schema AND c.relname = wanted.name
  UNION ALL
  SELECT i.inhrelid, t.root, t.root_kind, t.depth + 1 FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
)
SELECT t.oid, rn.nspname AS root_schema, r.relname AS root_name, t.root_kind, t.depth, n.nspname AS schema, c.relname AS name,
       c.relkind AS kind, c.relreplident AS identity,
       (SELECT json_agg(json_build_array(a.attname, a.atttypid::bigint)) FROM pg_attribute a
         WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       (SELECT json_agg(a.attname ORDER BY a.attname) FROM pg_index x
          JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey[0:x.indnkeyatts - 1])
         WHERE x.indrelid = t.oid AND x.indisvalid AND x.indimmediate AND x.indisunique AND x.indpred IS NULL
           AND CASE c.relreplident WHEN 'd' THEN x.indisprimary WHEN 'i' THEN x.indisreplident ELSE false END) AS identity_columns
  FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class r ON r.oid = t.root JOIN pg_namespace rn ON rn.oid = r.relnamespace
 ORDER BY t.depth`;

export interface TreeRow {
  readonly oid: number;
  readonly map: RelationMap;
  readonly id: RelationId;
  readonly kind: string;
  readonly identity: string;
  readonly identityColumns: readonly string[];
  readonly columns: ReadonlyMap<string, number>;
}

/** Every relation under the maps' sources that is part of the move, each under the map nearest to it. */
export async function readTree(pool: SessionPool, maps: readonly RelationMap[]): Promise<readonly TreeRow[]> {
  const names = maps.map((map) => parseRelationId(map.source));
  const bySource = new Map(maps.map((map) => [map.source, map]));
  const rows = await pool.query<
    Record<
      'oid' | 'root_schema' | 'root_name' | 'root_kind' | 'depth' | 'schema' | 'name' | 'kind',
      string
    > & {
      identity: string;
      columns: string | null;
      identity_columns: string | null;
    }
  >(TREE, [names.map((n) => n.schema), names.map((n) => n.name)]);
  const found = new Map<string, TreeRow>();
  for (const row of rows) {
    const id = relationId(row.schema, row.name);
    const root = bySource.get(relationId(row.root_schema, row.root_name));
    if (root === undefined || found.has(row.oid)) continue;
    // A child by plain inheritance is a relation of its own unless the plan says that it travels with its parent.
    if (row.depth !== '0' && row.root_kind !== 'p' && !root.leaves.includes(id)) continue;
    found.set(row.oid, {
      oid: Number(row.oid),
      map: bySource.get(id) ?? root,
      id,
      kind: row.kind,
      identity: row.identity,
      identityColumns: JSON.parse(row.identity_columns ?? '[]') as string[],
      columns: new Map(JSON.parse(row.columns ?? '[]') as [string, number][]),
    });
  }
  return [...found.values()];
}

export class LogRelations {
  #catalogue = new Map<number, CatalogueRelation>();
  readonly #relations = new Map<number, LogRelation>();
  readonly #refused = new Map<number, RefusedError>();

  constructor(
    readonly pool: SessionPool,
    readonly maps: readonly RelationMap[],
  ) {}

  async refresh(): Promise<void> {
    this.#catalogue = new Map((await readTree(this.pool, this.maps)).map((row) => [row.oid, row]));
  }

  /** @throws RefusedError when rows of it cannot be told from the plan. */
  get(oid: number): LogRelation {
    const refused = this.#refused.get(oid);
    if (refused !== undefined) throw refused;
    const relation = this.#relations.get(oid);
    if (relation === undefined)
      throw changedShape(`relation ${oid}`, 'the log has rows of it before its description');
    return relation;
  }

  /**
   * A relation as the log describes it, at its first row and after each change of it. One that cannot be told from the plan is refused when
   * a row of it has to be read: rows that dbps wrote itself are passed over, and the copy writes into tables that have no key yet.
   */
  async describe(message: RelationMessage): Promise<void> {
    this.#refused.delete(message.oid);
    try {
      await this.#describe(message);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#refused.set(message.oid, error);
    }
  }

  async #describe(message: RelationMessage): Promise<void> {
    const id = relationId(message.schema, message.name);
    const before = this.#catalogue.get(message.oid);
    // A partition made after the stream began; or columns are missing: were they dropped, or is this a row of before they were added?
    if (before === undefined || message.columns.length < before.map.columns.length) await this.refresh();
    const known = this.#catalogue.get(message.oid);
    if (known === undefined)
      throw changedShape(id, 'it is not part of the plan, or has been renamed, detached or dropped');
    if (known.id !== id) throw changedShape(id, `it is called ${known.id} now`);
    this.#relations.set(message.oid, planLogRelation(known, message));
  }
}

/** Pure. @throws RefusedError naming the relation and the difference. */
export function planLogRelation(known: CatalogueRelation, message: RelationMessage): LogRelation {
  const { map, id } = known;
  const places = new Map(message.columns.map((column, place) => [column.name, place]));
  for (const column of message.columns) {
    const now = known.columns.get(column.name);
    if (!map.columns.some((c) => c.name === column.name))
      throw changedShape(id, `column "${column.name}" is not in the plan`);
    if (now === undefined) throw changedShape(id, `column "${column.name}" has been dropped or renamed`);
    if (now !== column.type) throw changedShape(id, `column "${column.name}" has changed its type`);
  }
  const order = map.columns.map((column) => {
    const place = places.get(column.name) ?? -1;
    // Missing in the log but there now: added since. Rows of before keep what the other side's column has.
    if (place < 0 && !known.columns.has(column.name))
      throw changedShape(id, `column "${column.name}" has been dropped or renamed`);
    return place;
  });
  const key = map.key.map((name) => map.columns.findIndex((column) => column.name === name));
  if (key.length === 0 || key.some((index) => index < 0 || order[index] === -1))
    throw changedShape(id, `its key (${map.key.join(', ')}) is not in the log`);
  // Under FULL every column is flagged: the key is the plan's (H12).
  if (message.identity !== 'f') {
    const flagged = message.columns.filter((column) => column.isIdentity).map((column) => column.name);
    if (!hasSameMembers(flagged, map.key))
      throw changedShape(
        id,
        `its replica identity is (${flagged.join(', ')}), the plan says (${map.key.join(', ')})`,
      );
  }
  return {
    map,
    leaf: id,
    order,
    key,
    isInOrder: order.length === message.columns.length && order.every((place, index) => place === index),
  };
}

export function hasSameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}
