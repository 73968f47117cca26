import { asJson, inScope, notOfExtension, referredRelation } from './scope.js';

export interface RoutineRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'f' | 'p' | 'a' | 'w';
  readonly language: string;
  readonly arguments: string;
  readonly returns: string | null;
  readonly isTrigger: boolean;
  readonly isSecurityDefiner: boolean;
  readonly definition: string | null;
  readonly source: string;
  readonly hasSqlBody: boolean;
  readonly searchPath: string | null;
  readonly comment: string | null;
  readonly aggregate: AggregateRow | null;
  /** From the server's dependencies, row types included: exact for SQL-standard bodies and signatures, empty for text bodies. */
  readonly dependsOn: readonly (readonly [string, string])[] | null;
}

export interface AggregateRow {
  readonly kind: 'n' | 'o' | 'h';
  readonly arguments: string;
  readonly parts: readonly string[];
}

/** Functions of C belong to an extension or to the server's files: see UNSUPPORTED. An aggregate's own language is internal. Ignores $2. */
export const ROUTINES = asJson(`
  SELECT p.oid::text AS oid, n.nspname AS schema, p.proname AS name, p.prokind AS kind, l.lanname AS language,
         pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS returns,
         p.prorettype = 'trigger'::regtype AS "isTrigger", p.prosecdef AS "isSecurityDefiner",
         CASE WHEN p.prokind IN ('f', 'p', 'w') THEN pg_get_functiondef(p.oid) END AS definition,
         p.prosrc AS source, p.prosqlbody IS NOT NULL AS "hasSqlBody",
         (SELECT substr(s, length('search_path=') + 1) FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%') AS "searchPath",
         d.description AS comment,
         CASE WHEN p.prokind = 'a' THEN json_build_object('kind', ag.aggkind,
           'arguments', pg_get_function_arguments(p.oid),
           'parts', array_remove(ARRAY[
             'SFUNC = ' || ag.aggtransfn::text, 'STYPE = ' || format_type(ag.aggtranstype, NULL),
             CASE WHEN ag.aggtransspace <> 0 THEN 'SSPACE = ' || ag.aggtransspace END,
             CASE WHEN ag.aggfinalfn <> 0 THEN 'FINALFUNC = ' || ag.aggfinalfn::text END,
             CASE WHEN ag.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
             CASE WHEN ag.aggfinalfn <> 0 AND ag.aggfinalmodify <> CASE ag.aggkind WHEN 'n' THEN 'r' ELSE 'w' END THEN 'FINALFUNC_MODIFY = '
               || CASE ag.aggfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END,
             CASE WHEN ag.aggcombinefn <> 0 THEN 'COMBINEFUNC = ' || ag.aggcombinefn::text END,
             CASE WHEN ag.aggserialfn <> 0 THEN 'SERIALFUNC = ' || ag.aggserialfn::text END,
             CASE WHEN ag.aggdeserialfn <> 0 THEN 'DESERIALFUNC = ' || ag.aggdeserialfn::text END,
             'INITCOND = ' || quote_literal(ag.agginitval),
             CASE WHEN ag.aggmtransfn <> 0 THEN 'MSFUNC = ' || ag.aggmtransfn::text END,
             CASE WHEN ag.aggminvtransfn <> 0 THEN 'MINVFUNC = ' || ag.aggminvtransfn::text END,
             CASE WHEN ag.aggmtranstype <> 0 THEN 'MSTYPE = ' || format_type(ag.aggmtranstype, NULL) END,
             CASE WHEN ag.aggmfinalfn <> 0 THEN 'MFINALFUNC = ' || ag.aggmfinalfn::text END,
             'MINITCOND = ' || quote_literal(ag.aggminitval),
             CASE WHEN ag.aggsortop <> 0 THEN 'SORTOP = ' || (SELECT 'OPERATOR(' || quote_ident(opn.nspname) || '.' || op.oprname || ')'
               FROM pg_operator AS op JOIN pg_namespace AS opn ON opn.oid = op.oprnamespace WHERE op.oid = ag.aggsortop) END,
             CASE p.proparallel WHEN 's' THEN 'PARALLEL = SAFE' WHEN 'r' THEN 'PARALLEL = RESTRICTED' END,
             CASE WHEN ag.aggkind = 'h' THEN 'HYPOTHETICAL' END], NULL)) END AS aggregate,
         (SELECT json_agg(DISTINCT jsonb_build_array(rn.nspname, rc.relname))
            FROM pg_depend AS dep ${referredRelation('dep', 'JOIN')}
            JOIN pg_namespace AS rn ON rn.oid = rc.relnamespace
           WHERE dep.classid = 'pg_proc'::regclass AND dep.objid = p.oid AND rc.relkind IN ('r', 'p', 'v', 'm', 'f')) AS "dependsOn"
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace AND ${inScope('n')}
    JOIN pg_language AS l ON l.oid = p.prolang
    LEFT JOIN pg_aggregate AS ag ON ag.aggfnoid = p.oid
    LEFT JOIN pg_description AS d ON d.classoid = 'pg_proc'::regclass AND d.objoid = p.oid
   WHERE (p.prokind = 'a' OR l.lanname NOT IN ('c', 'internal')) AND ${notOfExtension('pg_proc', 'p.oid')}
     -- the constructors of a range type come with it
     AND NOT EXISTS (SELECT FROM pg_depend AS i WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid AND i.deptype = 'i')
     AND $2::oid[] IS NOT DISTINCT FROM $2::oid[]
   ORDER BY n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)`);
