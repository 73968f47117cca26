/** Roles that the service's grants and policies name, with a place for the passwords that dbps never sees. */
import type { Ddl } from '../engines/engine.js';
import type { ServicePlan } from '../model/plan.js';

export function rolesSql(service: ServicePlan, roles: readonly string[], ddl: Pick<Ddl, 'quote'>): string {
  if (roles.length === 0) return `-- No grant or policy of ${service.name} names a role.`;
  if (service.targetEngine === 'mysql') return accountsSql(service, roles);
  const variable = (role: string) => `${role.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')}_password`;
  const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
  return [
    `-- Run by psql on the database of ${service.name}, before its application connects:`,
    `--   psql ${roles.map((role) => `-v ${variable(role)}=…`).join(' ')} -f roles.sql`,
    ...roles.flatMap((role) => [
      '',
      `SELECT 'CREATE ROLE ${ddl.quote(role).replaceAll("'", "''")} NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${literal(role)}) \\gexec`,
      `ALTER ROLE ${ddl.quote(role)} LOGIN PASSWORD :'${variable(role)}';`,
    ]),
  ].join('\n');
}

/** Grants name accounts there with their host, quoted. */
function accountsSql(service: ServicePlan, accounts: readonly string[]): string {
  return [
    `-- Run on the server of ${service.name}, before its application connects; put a password in each place:`,
    ...accounts.flatMap((account) => [
      '',
      `CREATE USER IF NOT EXISTS ${account} ACCOUNT LOCK;`,
      `ALTER USER ${account} IDENTIFIED BY '…' ACCOUNT UNLOCK;`,
    ]),
  ].join('\n');
}
