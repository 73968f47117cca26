import { asJson, TABLE_KINDS, userRelations } from './scope.js';

export interface ConstraintRow {
  readonly relation: string;
  readonly name: string;
  readonly type: 'p' | 'u' | 'c' | 'x' | 'f';
  readonly isDeferrable: boolean;
  readonly isDeferred: boolean;
  readonly isValidated: boolean;
  readonly isNoInherit: boolean;
  readonly isInherited: boolean;
  /** Numbers of columns. */
  readonly columns: readonly number[] | null;
  readonly parentSchema: string | null;
  readonly parentName: string | null;
  readonly parentColumns: readonly string[] | null;
  readonly onUpdate: string;
  readonly onDelete: string;
  readonly match: string;
  /** Foreign keys and exclusions. */
  readonly definition: string | null;
  readonly expression: string | null;
  /** Numbers of INCLUDE columns. */
  readonly include: readonly number[] | null;
  readonly nullsNotDistinct: boolean | null;
  readonly comment: string | null;
}

/**
 * Left out: the extra rows that a foreign key to a partitioned table keeps for each partition it references (their parent is
 * a constraint of the same relation), constraint triggers, and not-null constraints (columns say it).
 */
export const CONSTRAINTS = asJson(`
  SELECT con.conrelid::text AS relation, con.conname AS name, con.contype AS type,
         con.condeferrable AS "isDeferrable", con.condeferred AS "isDeferred", con.convalidated AS "isValidated",
         con.connoinherit AS "isNoInherit",
         CASE WHEN con.contype = 'c' THEN con.coninhcount > 0 AND NOT con.conislocal ELSE con.conparentid <> 0 END
           AS "isInherited",
         array_to_json(con.conkey) AS columns,
         fn.nspname AS "parentSchema", fc.relname AS "parentName",
         CASE WHEN con.contype = 'f' THEN
           (SELECT json_agg(ka.attname ORDER BY k.ord) FROM unnest(con.confkey) WITH ORDINALITY AS k(num, ord)
              JOIN pg_attribute AS ka ON ka.attrelid = con.confrelid AND ka.attnum = k.num) END AS "parentColumns",
         con.confupdtype AS "onUpdate", con.confdeltype AS "onDelete", con.confmatchtype AS match,
         CASE WHEN con.contype IN ('f', 'x') THEN pg_get_constraintdef(con.oid) END AS definition,
         CASE WHEN con.contype = 'c' THEN pg_get_expr(con.conbin, con.conrelid) END AS expression,
         CASE WHEN con.contype IN ('p', 'u') AND i.indnatts > i.indnkeyatts THEN
           array_to_json((i.indkey::int2[])[i.indnkeyatts:]) END AS include,
         CASE WHEN con.contype = 'u' THEN (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean END AS "nullsNotDistinct",
         d.description AS comment
    FROM ${userRelations(TABLE_KINDS)}
    JOIN pg_constraint AS con ON con.conrelid = c.oid AND con.contype IN ('p', 'u', 'c', 'x', 'f')
    LEFT JOIN pg_constraint AS pcon ON pcon.oid = con.conparentid
    LEFT JOIN pg_class AS fc ON fc.oid = con.confrelid
    LEFT JOIN pg_namespace AS fn ON fn.oid = fc.relnamespace
    LEFT JOIN pg_index AS i ON i.indexrelid = con.conindid AND con.contype IN ('p', 'u', 'x')
    LEFT JOIN pg_description AS d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = con.oid
   WHERE pcon.oid IS NULL OR pcon.conrelid <> con.conrelid
   ORDER BY con.conrelid, con.contype, con.conname`);
