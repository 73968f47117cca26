/** Who may do what on this server, as far as this account may know; and accounts as this dialect writes them. */
import type { MysqlQueryable } from './mysql-connection.js';

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

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** Of every account where this one may read them (SELECT on the database mysql), else its own alone. */
export async function readPrivileges(session: MysqlQueryable): Promise<Privilege[]> {
  const rows = await session.query({
    sql: `SELECT grantee, privilege_type, NULL AS table_schema, NULL AS table_name FROM information_schema.user_privileges
          UNION ALL SELECT grantee, privilege_type, table_schema, NULL FROM information_schema.schema_privileges
          UNION ALL SELECT grantee, privilege_type, table_schema, table_name FROM information_schema.table_privileges`,
  });
  return rows.map((row) => {
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
