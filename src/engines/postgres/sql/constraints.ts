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
  readonly columns: readonly string[] | null;
  readonly parentSchema: string | null;
  readonly parentName: string | null;
  readonly parentColumns: readonly string[] | null;
  readonly onUpdate: string;
  readonly onDelete: string;
  readonly match: string;
  readonly definition: string;
  readonly expression: string | null;
  readonly include: readonly string[] | null;
  readonly nullsNotDistinct: boolean | null;
  readonly comment: string | null;
}

const names = (relation: string, numbers: string): string =>
  `(SELECT json_agg(ka.attname ORDER BY k.ord) FROM unnest(${numbers}) WITH ORDINALITY AS k(num, ord)
      JOIN pg_attribute AS ka ON ka.attrelid = ${relation} AND ka.attnum = k.num)`;

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
         ${names('con.conrelid', 'con.conkey')} AS columns,
         fn.nspname AS "parentSchema", fc.relname AS "parentName",
         CASE WHEN con.contype = 'f' THEN ${names('con.confrelid', 'con.confkey')} END AS "parentColumns",
         con.confupdtype AS "onUpdate", con.confdeltype AS "onDelete", con.confmatchtype AS match,
         pg_get_constraintdef(con.oid) AS definition,
         CASE WHEN con.contype = 'c' THEN pg_get_expr(con.conbin, con.conrelid) END AS expression,
         CASE WHEN con.contype IN ('p', 'u') AND i.indnatts > i.indnkeyatts THEN
           (SELECT json_agg(ia.attname ORDER BY k.ord)
              FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, ord)
              JOIN pg_attribute AS ia ON ia.attrelid = i.indrelid AND ia.attnum = k.num
             WHERE k.ord > i.indnkeyatts) END AS include,
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
