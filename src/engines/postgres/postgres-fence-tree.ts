/** The relations a fence covers: each one named, and everything below it (partitions and inheritance children). */
import type pg from 'pg';
import { RefusedError } from '../../model/errors.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import { quoteIdentifier } from './postgres-sql.js';

export type Queryable = Pick<pg.ClientBase, 'query'>;

export interface FencedRelation {
  readonly oid: string;
  readonly id: RelationId;
  /** Quoted, for statements. */
  readonly sql: string;
  /** The named relation it is, or is below. */
  readonly root: RelationId;
  readonly isRoot: boolean;
  readonly kind: 'table' | 'partitioned' | 'foreign' | 'other';
}

interface TreeRow {
  oid: string;
  schema: string;
  name: string;
  root_schema: string;
  root_name: string;
  is_root: string;
  relkind: string;
}

const TREE = `
WITH RECURSIVE named AS (
  SELECT c.oid, n.nspname, c.relname
    FROM unnest($1::text[], $2::text[]) AS given (schema, name)
    JOIN pg_namespace n ON n.nspname = given.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = given.name
), tree AS (
  SELECT oid, oid AS root FROM named
  UNION
  SELECT i.inhrelid, tree.root FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
)
SELECT DISTINCT ON (c.oid) c.oid, n.nspname AS schema, c.relname AS name, r.nspname AS root_schema, r.relname AS root_name,
       (c.oid IN (SELECT oid FROM named))::text AS is_root, c.relkind
  FROM tree
  JOIN pg_class c ON c.oid = tree.oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN named r ON r.oid = tree.root
 ORDER BY c.oid, (tree.root = c.oid) DESC`;

const KINDS: Readonly<Record<string, FencedRelation['kind']>> = {
  r: 'table',
  p: 'partitioned',
  f: 'foreign',
};

/** In a fixed order (by oid), so that every session of dbps locks in the same one. @throws RefusedError when a named relation is not there. */
export async function readTree(
  client: Queryable,
  relations: readonly RelationId[],
): Promise<FencedRelation[]> {
  const names = relations.map((id) => parseRelationId(id));
  const { rows } = await client.query<TreeRow>(TREE, [names.map((n) => n.schema), names.map((n) => n.name)]);
  const tree = rows.map((row) => ({
    oid: row.oid,
    id: relationId(row.schema, row.name),
    sql: `${quoteIdentifier(row.schema)}.${quoteIdentifier(row.name)}`,
    root: relationId(row.root_schema, row.root_name),
    isRoot: row.is_root === 'true',
    kind: KINDS[row.relkind] ?? 'other',
  }));
  const found = new Set(tree.map((relation) => relation.id));
  const missing = relations.filter((id) => !found.has(id));
  if (missing.length > 0) {
    throw new RefusedError({
      code: 'DBPS_E330',
      message: `no such relation: ${missing.join(', ')}`,
      hint: 'dbps plan diff shows what has changed since the plan was made.',
    });
  }
  return tree;
}
