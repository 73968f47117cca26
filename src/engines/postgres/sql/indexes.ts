import { asJson, userRelations } from './scope.js';

export interface IndexRow {
  readonly relation: string;
  readonly name: string;
  readonly isUnique: boolean;
  readonly isPrimary: boolean;
  readonly constraint: string | null;
  readonly isValid: boolean;
  readonly isImmediate: boolean;
  readonly method: string;
  /** Numbers of columns, 0 for an expression. */
  readonly columns: readonly number[];
  readonly keyColumns: number;
  readonly hasExpression: boolean;
  readonly predicate: string | null;
  readonly definition: string;
  readonly parentSchema: string | null;
  readonly parentName: string | null;
  readonly comment: string | null;
  readonly isClustered: boolean;
  readonly tablespace: string | null;
}

export const INDEXES = asJson(`
  SELECT i.indrelid::text AS relation, ic.relname AS name, i.indisunique AS "isUnique", i.indisprimary AS "isPrimary",
         con.conname AS constraint, i.indisvalid AS "isValid", i.indimmediate AS "isImmediate", am.amname AS method,
         array_to_json(i.indkey::int2[]) AS columns,
         i.indnkeyatts AS "keyColumns", i.indexprs IS NOT NULL AS "hasExpression",
         pg_get_expr(i.indpred, i.indrelid) AS predicate, pg_get_indexdef(i.indexrelid) AS definition,
         pn.nspname AS "parentSchema", pc.relname AS "parentName", d.description AS comment,
         i.indisclustered AS "isClustered", ts.spcname AS tablespace
    FROM ${userRelations(`'r', 'p', 'm'`)}
    JOIN pg_index AS i ON i.indrelid = c.oid
    JOIN pg_class AS ic ON ic.oid = i.indexrelid
    JOIN pg_am AS am ON am.oid = ic.relam
    LEFT JOIN pg_constraint AS con
      ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid AND con.contype IN ('p', 'u', 'x')
    LEFT JOIN pg_inherits AS h ON h.inhrelid = i.indexrelid
    LEFT JOIN pg_class AS pc ON pc.oid = h.inhparent
    LEFT JOIN pg_namespace AS pn ON pn.oid = pc.relnamespace
    LEFT JOIN pg_tablespace AS ts ON ts.oid = ic.reltablespace
    LEFT JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = i.indexrelid AND d.objsubid = 0
   ORDER BY i.indrelid, ic.relname`);
