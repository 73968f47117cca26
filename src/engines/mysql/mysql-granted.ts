/**
 * What accounts may do with the relations and routines of schemas, as far as it is carried over to a service's database. A right to a whole database counts for
 * each of its relations or routines; what is granted on both levels counts once.
 */
import type { Grant } from '../../model/database-schema.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import { FOR_APPLICATIONS, GRANTEE } from './mysql-accounts.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';

export interface Granted {
  onRelation(id: RelationId): readonly Grant[];
  /** @param type as information_schema writes it: `PROCEDURE`, `FUNCTION`. */
  onRoutine(type: string, id: RelationId): readonly Grant[];
}

const SQL = `
  SELECT 'DATABASE' AS level, table_schema AS db, NULL AS name, ${GRANTEE} AS grantee, privilege_type, is_grantable
    FROM information_schema.schema_privileges WHERE table_schema IN (?)
  UNION ALL
  SELECT 'TABLE', table_schema, table_name, ${GRANTEE}, privilege_type, is_grantable
    FROM information_schema.table_privileges WHERE table_schema IN (?)`;

/** Single routines are in the grant tables alone, which an account may read or not. A role of MariaDB has no host. */
const ROUTINES_SQL = `
  SELECT routine_type AS level, db, routine_name AS name, 'EXECUTE' AS privilege_type,
         IF(VERSION() LIKE '%mariadb%' AND host = '', QUOTE(user), CONCAT(QUOTE(user), '@', QUOTE(host))) AS grantee,
         IF(FIND_IN_SET('Grant', proc_priv) > 0, 'YES', 'NO') AS is_grantable
    FROM mysql.procs_priv WHERE db IN (?) AND FIND_IN_SET('Execute', proc_priv) > 0`;

/** Error numbers: no right to the table, or to a column of it. */
const NOT_ALLOWED = new Set([1142, 1143]);

export async function readGranted(session: MysqlQueryable, schemas: readonly string[]): Promise<Granted> {
  const rows = [
    ...(await session.query({ sql: SQL, values: [schemas, schemas] })),
    ...(await session.query({ sql: ROUTINES_SQL, values: [schemas] }).catch((error: unknown) => {
      if (!NOT_ALLOWED.has(errorNumber(error) ?? 0)) throw error;
      return [];
    })),
  ];
  const granted = new Map<string, Grant[]>();
  for (const row of rows) {
    const schema = row['db'] ?? '';
    const level = (row['level'] ?? '').toUpperCase();
    const key = `${level} ${row['name'] == null ? schema : relationId(schema, row['name'])}`;
    const grant: Grant = {
      grantee: row['grantee'] ?? '',
      privilege: row['privilege_type'] ?? '',
      isGrantable: row['is_grantable'] === 'YES',
    };
    granted.set(key, [...(granted.get(key) ?? []), grant]);
  }
  const on = (level: string, id: RelationId, applies: (privilege: string) => boolean): readonly Grant[] => {
    const grants = [
      ...(granted.get(`${level} ${id}`) ?? []),
      ...(granted.get(`DATABASE ${parseRelationId(id).schema}`) ?? []),
    ].filter(({ privilege }) => applies(privilege));
    return [...new Map(grants.map((grant) => [`${grant.privilege} ${grant.grantee}`, grant])).values()];
  };
  return {
    onRelation: (id) => on('TABLE', id, (p) => p !== 'EXECUTE' && FOR_APPLICATIONS.has(p)),
    onRoutine: (type, id) => on(type, id, (p) => p === 'EXECUTE'),
  };
}
