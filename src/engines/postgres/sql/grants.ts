import { asJson, inScope, notOfExtension, userRelations } from './scope.js';

export interface GrantRow {
  readonly object: 'relation' | 'routine' | 'schema';
  readonly oid: string;
  readonly name: string;
  readonly column: string | null;
  readonly grantee: string;
  readonly privilege: string;
  readonly isGrantable: boolean;
}

const exploded = (acl: string, owner: string): string =>
  `CROSS JOIN LATERAL aclexplode(${acl}) AS x WHERE x.grantee <> ${owner}`;
const fields = `CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee) END AS grantee,
  x.privilege_type AS privilege, x.is_grantable AS "isGrantable"`;

/** What an owner may do with its own is not a grant. Routines and schemas start with the built-in default (PUBLIC may execute). */
export const GRANTS = asJson(`
  SELECT * FROM (
    SELECT 'relation' AS object, c.oid::text AS oid, c.relname AS name, NULL::text AS column, ${fields}
      FROM ${userRelations(`'r', 'p', 'v', 'm', 'f', 'S'`)} ${exploded('c.relacl', 'c.relowner')}
    UNION ALL
    SELECT 'relation', c.oid::text, c.relname, a.attname, ${fields}
      FROM ${userRelations(`'r', 'p', 'v', 'm', 'f'`)}
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
      ${exploded('a.attacl', 'c.relowner')}
    UNION ALL
    SELECT 'routine', p.oid::text, p.proname, NULL, ${fields}
      FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace AND ${inScope('n')}
       AND ${notOfExtension('pg_proc', 'p.oid')}
      ${exploded(`coalesce(p.proacl, acldefault('f', p.proowner))`, 'p.proowner')}
    UNION ALL
    SELECT 'schema', n.oid::text, n.nspname, NULL, ${fields}
      FROM pg_namespace AS n ${exploded('n.nspacl', 'n.nspowner')} AND ${inScope('n')}
  ) AS g ORDER BY object, name, "column" NULLS FIRST, grantee, privilege`);
