/** Who may read where a service lives: applications do (dbps/router), as accounts of their own. */
import type mysql from 'mysql2/promise';
import { accountOf, coversSchema, readPrivileges } from './mysql-accounts.js';
import { queryable } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';

/** Says PUBLIC is no such account, or that this one may not grant to it: 1410 on MariaDB without CREATE USER, unless somebody has before. */
const NOT_GRANTED = new Set([1064, 1133, 1141, 1142, 1044, 1227, 1410]);
const NOTHING_TO_REVOKE = new Set([...NOT_GRANTED, 1147, 1269, 1959]);

const quietly = (known: ReadonlySet<number>) => (error: unknown) => {
  if (!known.has(errorNumber(error) ?? 0)) throw error;
  return false;
};

/**
 * MariaDB lets everybody read one table. Where that cannot be had, each account that is seen to read this database is granted it; whoever is not
 * seen has to be granted it by hand (SEC215).
 */
export async function grantRoute(connection: mysql.Connection): Promise<void> {
  const grant = (account: string) =>
    connection
      .query(`GRANT SELECT ON dbps.route TO ${account}`)
      .then(() => true)
      .catch(quietly(NOT_GRANTED));
  if (await grant('PUBLIC')) return;
  for (const account of await readersOfThisDatabase(connection)) await grant(account);
}

/** Before the table goes: a server keeps the grants on what is dropped. */
export async function revokeRoute(connection: mysql.Connection): Promise<void> {
  const readers = (await readPrivileges(queryable(connection)))
    .filter(({ schema, table }) => schema === 'dbps' && table === 'route')
    .map(({ account }) => account);
  for (const account of new Set(['PUBLIC', ...readers]))
    await connection.query(`REVOKE SELECT ON dbps.route FROM ${account}`).catch(quietly(NOTHING_TO_REVOKE));
}

async function readersOfThisDatabase(connection: mysql.Connection): Promise<ReadonlySet<string>> {
  const session = queryable(connection);
  const [me] = await session.query({ sql: 'SELECT DATABASE() AS name, CURRENT_USER() AS account' });
  const database = me?.['name'] ?? '';
  return new Set(
    (await readPrivileges(session))
      // Who may read every database reads this one too.
      .filter(({ level, privilege, schema, account }) => {
        if (level === 'server' || privilege !== 'SELECT' || account === accountOf(me?.['account'] ?? ''))
          return false;
        return level === 'database' ? coversSchema(schema, database) : schema === database;
      })
      .map(({ account }) => account),
  );
}
