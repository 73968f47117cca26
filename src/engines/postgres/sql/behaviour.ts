/** What relations do by themselves: triggers, rules, policies. The triggers of dbps's own fences are not the user's. */
import { ALL_KINDS, asJson, TABLE_KINDS, userRelations } from './scope.js';

export interface TriggerRow {
  readonly relation: string;
  readonly name: string;
  readonly type: number;
  readonly enabled: 'O' | 'D' | 'R' | 'A';
  readonly isInherited: boolean;
  readonly routineSchema: string;
  readonly routineName: string;
  readonly definition: string;
  readonly comment: string | null;
}

export const TRIGGERS = asJson(`
  SELECT t.tgrelid::text AS relation, t.tgname AS name, t.tgtype AS type, t.tgenabled AS enabled,
         t.tgparentid <> 0 AS "isInherited", fn.nspname AS "routineSchema", f.proname AS "routineName",
         pg_get_triggerdef(t.oid) AS definition, d.description AS comment
    FROM ${userRelations(ALL_KINDS)}
    JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal
    JOIN pg_proc AS f ON f.oid = t.tgfoid
    JOIN pg_namespace AS fn ON fn.oid = f.pronamespace AND fn.nspname <> 'dbps'
    LEFT JOIN pg_description AS d ON d.classoid = 'pg_trigger'::regclass AND d.objoid = t.oid
   ORDER BY t.tgrelid, t.tgname`);

export interface RuleRow {
  readonly relation: string;
  readonly name: string;
  readonly event: '1' | '2' | '3' | '4';
  readonly isInstead: boolean;
  readonly enabled: 'O' | 'D' | 'R' | 'A';
  readonly definition: string;
  readonly touches: readonly (readonly [string, string])[] | null;
}

export const RULES = asJson(`
  SELECT r.ev_class::text AS relation, r.rulename AS name, r.ev_type AS event, r.is_instead AS "isInstead",
         r.ev_enabled AS enabled, pg_get_ruledef(r.oid) AS definition,
         (SELECT json_agg(DISTINCT jsonb_build_array(tn.nspname, tc.relname))
            FROM pg_depend AS d JOIN pg_class AS tc ON tc.oid = d.refobjid AND tc.relkind IN (${ALL_KINDS})
            JOIN pg_namespace AS tn ON tn.oid = tc.relnamespace
           WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
             AND tc.oid <> r.ev_class) AS touches
    FROM ${userRelations(ALL_KINDS)}
    JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename <> '_RETURN'
   ORDER BY r.ev_class, r.rulename`);

export interface PolicyRow {
  readonly relation: string;
  readonly name: string;
  readonly command: 'r' | 'a' | 'w' | 'd' | '*';
  readonly isPermissive: boolean;
  readonly roles: readonly string[];
  readonly using: string | null;
  readonly withCheck: string | null;
}

export const POLICIES = asJson(`
  SELECT p.polrelid::text AS relation, p.polname AS name, p.polcmd AS command, p.polpermissive AS "isPermissive",
         (SELECT json_agg(CASE WHEN role = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role) END
                          ORDER BY role = 0 DESC, pg_get_userbyid(role))
            FROM unnest(p.polroles) AS role) AS roles,
         pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS "withCheck"
    FROM ${userRelations(TABLE_KINDS)}
    JOIN pg_policy AS p ON p.polrelid = c.oid
   ORDER BY p.polrelid, p.polname`);
