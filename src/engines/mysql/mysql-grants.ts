/** What this account may do, from SHOW GRANTS: the one place where a server tells it whole. Pure but for the reading; what it shows of a password is dropped. */
import { coversSchema } from './mysql-accounts.js';
import type { MysqlQueryable } from './mysql-connection.js';

export interface Grant {
  readonly privileges: ReadonlySet<string>;
  /** null: on everything. A database may be a pattern. */
  readonly schema: string | null;
  readonly table: string | null;
}

export async function readOwnGrants(session: MysqlQueryable): Promise<readonly Grant[]> {
  const lines = (rows: readonly Readonly<Record<string, string | null>>[]) =>
    rows.map((row) => Object.values(row)[0] ?? '');
  const own = lines(await session.query({ sql: 'SHOW GRANTS FOR CURRENT_USER()' }));
  const roles = own.flatMap((line) => /^GRANT ([`'][^]*?) TO /.exec(line)?.[1] ?? []);
  // MySQL shows a role's privileges when it is named; MariaDB shows those of the role that is on.
  const byRoles =
    roles.length === 0
      ? []
      : await session
          .query({ sql: `SHOW GRANTS FOR CURRENT_USER() USING ${roles.join(', ')}` })
          .then(lines)
          .catch(() => []);
  return [...own, ...byRoles].flatMap((line) => parseGrant(line) ?? []);
}

const OBJECT = /^(?:\*|`((?:[^`]|``)*)`)\.(?:\*|`((?:[^`]|``)*)`)/;

/** `GRANT SELECT, INSERT ON `shop`.* TO …`; null for a role, a proxy or a routine. Privileges on columns count for nothing here. */
export function parseGrant(line: string): Grant | null {
  const match = /^GRANT ([A-Z][^]*?) ON (?:TABLE )?([`*][^]*?) TO /.exec(line);
  if (match === null) return null;
  const object = OBJECT.exec(match[2] ?? '');
  if (object === null) return null;
  const name = (text: string | undefined) => text?.replaceAll('``', '`') ?? null;
  const listed = (match[1] ?? '').replaceAll(/\([^)]*\)/g, '(columns)');
  const mayGrant = / WITH (?:[^`']* )?GRANT OPTION\b/.test(line.slice(match[0].length));
  return {
    privileges: new Set([
      ...listed
        .split(',')
        .map((privilege) => privilege.trim().toUpperCase())
        .map((privilege) => (privilege === 'ALL PRIVILEGES' ? 'ALL' : privilege)),
      ...(mayGrant ? ['GRANT OPTION'] : []),
    ]),
    schema: name(object[1]),
    table: name(object[2]),
  };
}

/** Privileges of whole servers that go by several names, and what ALL on a database does not hold. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  'REPLICATION SLAVE': ['REPLICATION SLAVE', 'REPLICATION REPLICA'],
  'REPLICATION CLIENT': ['REPLICATION CLIENT', 'BINLOG MONITOR'],
};

/** Of `wanted`, what is not granted: on the whole server (`where` null), or on a database or one table of it. */
export function missingPrivileges(
  grants: readonly Grant[],
  wanted: readonly string[],
  where: { readonly schema: string; readonly table?: string } | null,
): string[] {
  const applying = grants.filter((grant) => {
    if (grant.schema === null) return true;
    if (where === null || !coversSchema(grant.schema, where.schema)) return false;
    return grant.table === null || grant.table === where.table;
  });
  return wanted.filter((privilege) => {
    const names = ALIASES[privilege] ?? [privilege];
    return !applying.some(
      ({ privileges }) =>
        (privileges.has('ALL') && privilege !== 'GRANT OPTION') || names.some((name) => privileges.has(name)),
    );
  });
}
