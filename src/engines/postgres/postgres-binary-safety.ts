/**
 * Whether the binary form of a table's columns means the same in another database. Most types' does. But arrays and composites carry
 * the object identifiers of their members' types, and the reg* types are nothing but identifiers: fixed numbers for the server's own
 * types, different ones in each database for the user's. A few types have no binary form at all.
 */
import type pg from 'pg';
import type { RelationId } from '../../model/relation-id.js';
import { quoteRelation } from './postgres-sql.js';

/** Below this, identifiers are assigned by hand in the server's source and never change (FirstGenbkiObjectId). */
const FIXED_BELOW = 10_000;

export async function isBinarySafe(
  client: Pick<pg.ClientBase, 'query'>,
  relation: RelationId,
  columns: readonly string[],
): Promise<boolean> {
  const { rows } = await client.query<{ unsafe: string }>(
    `WITH RECURSIVE part (type, is_member) AS (
       SELECT atttypid, false FROM pg_attribute WHERE attrelid = $1::regclass AND attname = ANY ($2::name[])
       UNION
       SELECT member.type, member.is_member
         FROM part JOIN pg_type t ON t.oid = part.type
         CROSS JOIN LATERAL (
           SELECT t.typbasetype, part.is_member WHERE t.typtype = 'd'
           UNION ALL SELECT t.typelem, true WHERE t.typcategory = 'A' AND t.typelem <> 0
           UNION ALL SELECT a.atttypid, true FROM pg_attribute a
                      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
           UNION ALL SELECT r.rngsubtype, part.is_member FROM pg_range r WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid
         ) member (type, is_member)
     )
     SELECT count(*) AS unsafe FROM part JOIN pg_type t ON t.oid = part.type
      WHERE t.typsend = 0 OR t.typreceive = 0
         OR t.typname LIKE 'reg%' AND t.typnamespace = 'pg_catalog'::regnamespace
         OR part.is_member AND t.oid >= ${FIXED_BELOW}`,
    [quoteRelation(relation), columns],
  );
  return rows[0]?.unsafe === '0';
}
