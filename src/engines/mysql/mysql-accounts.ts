/** Who may do what on this server, as far as this account may know; and accounts as this dialect writes them. */
import type { MysqlQueryable } from './mysql-connection.js';

/**
 * What an application needs of a relation or a routine, and what is carried over. The others let an account round or remove a fence, or change the shape
 * under a copy, or can be granted on a whole database only (LOCK TABLES, CREATE TEMPORARY TABLES).
 */
export const FOR_APPLICATIONS: ReadonlySet<string> = new Set([
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'REFERENCES',
  'SHOW VIEW',
  'EXECUTE',
]);

export interface Privilege {
  /** `'shop_app'@'%'`, as it is written in GRANT. */
  readonly account: string;
  readonly privilege: string;
  /** What it was granted on, as it is written in REVOKE: `*.*`, `` `shop`.* ``, `` `shop`.`orders` ``. */
  readonly on: string;
  readonly level: 'server' | 'database' | 'table';
  readonly schema: string | null;
  readonly table: string | null;
}

/**
 * MariaDB shows a role as an account without a host, `'shop'@''`; GRANT and REVOKE know it as `'shop'` alone, and take the other for an
 * account that is not there. On MySQL a role is an account like any other.
 */
export const GRANTEE = `CASE WHEN VERSION() NOT LIKE '%mariadb%' OR grantee NOT LIKE '%_@''''' THEN grantee
  WHEN grantee = '''PUBLIC''@''''' THEN 'PUBLIC' ELSE LEFT(grantee, CHAR_LENGTH(grantee) - 3) END`;

/** Who has which role, by users' names; a role may be had by way of another. Empty where this account may not read it. */
export async function readRoleMembers(session: MysqlQueryable): Promise<readonly RoleMember[]> {
  for (const sql of [
    'SELECT role, user FROM mysql.roles_mapping',
    'SELECT from_user AS role, to_user AS user FROM mysql.role_edges',
  ]) {
    // Each flavour has one of the two.
    const rows = await session.query({ sql }).catch(() => null);
    if (rows !== null) return rows.map((row) => ({ role: row['role'] ?? '', user: row['user'] ?? '' }));
  }
  return [];
}

export interface RoleMember {
  readonly role: string;
  readonly user: string;
}

/** The user itself and whoever has it as a role. */
export function usersBehind(user: string, members: readonly RoleMember[]): ReadonlySet<string> {
  const found = new Set([user]);
  for (const name of found) for (const member of members) if (member.role === name) found.add(member.user);
  return found;
}

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** Of every account where this one may read them (SELECT on the database mysql), else its own alone. */
export async function readPrivileges(session: MysqlQueryable): Promise<Privilege[]> {
  const rows = await session.query({
    sql: `SELECT ${GRANTEE} AS grantee, privilege_type, NULL AS table_schema, NULL AS table_name FROM information_schema.user_privileges
          UNION ALL SELECT ${GRANTEE}, privilege_type, table_schema, NULL FROM information_schema.schema_privileges
          UNION ALL SELECT ${GRANTEE}, privilege_type, table_schema, table_name FROM information_schema.table_privileges`,
  });
  const found = rows.map((row): Privilege => {
    const schema = row['table_schema'] ?? null;
    const table = row['table_name'] ?? null;
    return {
      account: row['grantee'] ?? '',
      privilege: (row['privilege_type'] ?? '').toUpperCase(),
      schema,
      table,
      level: schema === null ? 'server' : table === null ? 'database' : 'table',
      on: schema === null ? '*.*' : `${quote(schema)}.${table === null ? '*' : quote(table)}`,
    };
  });
  return [...found, ...(await readRolesOfServer(session))];
}

/** MariaDB leaves out of user_privileges what a role may do on the whole server. */
async function readRolesOfServer(session: MysqlQueryable): Promise<readonly Privilege[]> {
  const rows = await session
    .query({
      sql: "SELECT user, select_priv, drop_priv, trigger_priv, super_priv FROM mysql.user WHERE is_role = 'Y'",
    })
    // MySQL's roles are accounts; or this account sees only its own privileges.
    .catch(() => []);
  return rows.flatMap((row) =>
    ['SELECT', 'DROP', 'TRIGGER', 'SUPER']
      .filter((privilege) => row[`${privilege.toLowerCase()}_priv`] === 'Y')
      .map((privilege): Privilege => ({
        account: `'${(row['user'] ?? '').replaceAll("'", "''")}'`,
        privilege,
        on: '*.*',
        level: 'server',
        schema: null,
        table: null,
      })),
  );
}

/** A grant on a database may be a pattern: `shop\_%`. */
export function coversSchema(granted: string | null, schema: string): boolean {
  if (granted === null) return true;
  const pattern = granted.replaceAll(
    /\\([%_\\])|([%_])|([.*+?^${}()|[\]\\])/g,
    (_all, literal, wild, special) =>
      literal !== undefined
        ? `\\${String(literal)}`.replace('\\_', '_').replace('\\%', '%')
        : wild === '%'
          ? '.*'
          : wild === '_'
            ? '.'
            : `\\${String(special)}`,
  );
  return new RegExp(`^${pattern}$`, 's').test(schema);
}

/** `dbps@10.0.0.5` as CURRENT_USER() gives it → `'dbps'@'10.0.0.5'`. */
export function accountOf(currentUser: string): string {
  const at = currentUser.lastIndexOf('@');
  const text = (part: string) => `'${part.replaceAll("'", "''")}'`;
  return at < 0 ? text(currentUser) : `${text(currentUser.slice(0, at))}@${text(currentUser.slice(at + 1))}`;
}

/** The user's name in a grantee: `'shop_app'@'%'` → `shop_app`. */
export function userOf(account: string): string {
  return /^'((?:[^']|'')*)'(?:@|$)/.exec(account)?.[1]?.replaceAll("''", "'") ?? account;
}
