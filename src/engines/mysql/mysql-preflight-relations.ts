/** From facts about relations and privileges to checks; pure. */
import { parseRelationId, type RelationId } from '../../model/relation-id.js';
import type { CaptureMethod, PreflightCheck } from '../engine.js';
import { accountOf } from './mysql-accounts.js';
import { assessCascades, type Cascade } from './mysql-cascades.js';
import { flavorOf } from './mysql-flavor.js';
import { missingPrivileges, type Grant } from './mysql-grants.js';
import type { CodeInside, RelationFacts, ServerFacts } from './mysql-preflight-facts.js';
import { ok, problem, type JudgementScope } from './mysql-preflight-judgement.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

/** Of the whole server, to read its log. */
const REPLICATION = ['REPLICATION SLAVE', 'REPLICATION CLIENT'];
/** Of the relations that move. LOCK TABLES: while a trigger of the user's is made anew. */
const LEGACY = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'TRIGGER',
  'ALTER',
  'DROP',
  'CREATE',
  'INDEX',
  'REFERENCES',
  'LOCK TABLES',
];
/** Of the database that a service is given. */
const SERVICE = [...LEGACY, 'CREATE VIEW', 'SHOW VIEW', 'CREATE ROUTINE', 'ALTER ROUTINE', 'EVENT'];
/** Of the database `dbps`. */
const CONTROL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'ALTER', 'INDEX', 'REFERENCES'];
/** A database that is created holds the privilege for tables in it: these are not asked of single tables. */
const OF_DATABASES = new Set(['LOCK TABLES', 'EVENT', 'CREATE ROUTINE', 'ALTER ROUTINE']);

export function assessPrivileges(
  grants: readonly Grant[],
  server: ServerFacts,
  { role, capture }: { readonly role: 'source' | 'target'; readonly capture: CaptureMethod },
  relations: readonly RelationId[],
  scope: JudgementScope,
): PreflightCheck[] {
  const account = accountOf(server.account);
  const checks: PreflightCheck[] = [];
  const replication = capture === 'log' ? missingPrivileges(grants, REPLICATION, null) : [];
  checks.push(
    replication.length === 0
      ? ok(
          'replication privilege',
          capture === 'log' ? account : 'not needed: changes are captured by triggers',
        )
      : problem('replication privilege', scope, {
          code: 'SEC211',
          subject: account,
          message: `${account} may not read the log: ${replication.join(' and ')} ${replication.length === 1 ? 'is' : 'are'} missing (migration.capture: trigger does without)`,
          remedy: `GRANT ${replication.join(', ')} ON *.* TO ${account};`,
        }),
  );
  const control = missingPrivileges(grants, CONTROL, { schema: 'dbps' });
  checks.push(
    control.length === 0
      ? ok('control tables', 'may be kept in the database dbps')
      : problem('control tables', scope, {
          code: 'SEC212',
          subject: account,
          message: `${account} may not keep control tables in the database dbps: ${control.join(', ')} missing`,
          remedy: `GRANT ALL ON dbps.* TO ${account} WITH GRANT OPTION;`,
        }),
  );
  checks.push(...assessData(grants, server, role, relations, scope));
  const process = missingPrivileges(grants, ['PROCESS'], null);
  checks.push(
    process.length === 0
      ? ok('process privilege', account)
      : problem('process privilege', scope, {
          code: 'SEC214',
          severity: capture === 'trigger' ? 'error' : 'warning',
          subject: account,
          message: `${account} does not see other sessions: ${capture === 'trigger' ? 'capture by triggers cannot tell a transaction that is still open from one that was rolled back' : 'who holds up a cutover, and who still uses legacy, cannot be told'}`,
          remedy: `GRANT PROCESS ON *.* TO ${account};`,
        }),
  );
  checks.push(assessRouteReaders(grants, server, account, scope));
  if (server.product === 'MySQL') checks.push(assessLockHolders(grants, server, account, scope));
  return checks;
}

/** MySQL says who holds a lock in performance_schema only; MariaDB to whoever has PROCESS. */
function assessLockHolders(
  grants: readonly Grant[],
  server: ServerFacts,
  account: string,
  scope: JudgementScope,
): PreflightCheck {
  const name = 'lock holders';
  if (server.settings.get('performance_schema') !== 'OFF') {
    if (missingPrivileges(grants, ['SELECT'], { schema: 'performance_schema' }).length === 0)
      return ok(name, 'may be seen');
    return problem(name, scope, {
      code: 'SEC216',
      severity: 'warning',
      subject: account,
      message: `${account} does not see who holds a lock: a take-over waits for a runner that is frozen in a transaction, and readers of legacy relations are seen only while their statements run`,
      remedy: `GRANT SELECT ON performance_schema.* TO ${account};`,
    });
  }
  return problem(name, scope, {
    code: 'SEC216',
    severity: 'warning',
    subject: 'performance_schema',
    message:
      'performance_schema is OFF: who holds a lock cannot be seen; a take-over waits for a runner that is frozen in a transaction, and readers of legacy relations are seen only while their statements run',
    remedy: 'in the server’s configuration, under [mysqld]: performance_schema = ON; restart needed',
  });
}

/** The router in an application reads dbps.route as the application's account. */
function assessRouteReaders(
  grants: readonly Grant[],
  server: ServerFacts,
  account: string,
  scope: JudgementScope,
): PreflightCheck {
  const name = 'route readers';
  const mayGrant = missingPrivileges(grants, ['GRANT OPTION'], { schema: 'dbps' }).length === 0;
  const mayGrantToAll =
    mayGrant &&
    server.product === 'MariaDB' &&
    server.version >= 101_100 &&
    missingPrivileges(grants, ['CREATE USER'], null).length === 0;
  if (mayGrantToAll) return ok(name, 'every account may be let read dbps.route');
  const seesAccounts = missingPrivileges(grants, ['SELECT'], { schema: 'mysql' }).length === 0;
  if (seesAccounts && mayGrant)
    return ok(name, 'the accounts that read the database are let read dbps.route');
  return problem(name, scope, {
    code: 'SEC215',
    severity: 'warning',
    subject: account,
    message: `${account} can let neither every account read dbps.route nor see which accounts would have to: applications with dbps/router do not learn of a cutover`,
    remedy: seesAccounts
      ? `GRANT ALL ON dbps.* TO ${account} WITH GRANT OPTION;`
      : `GRANT SELECT ON mysql.* TO ${account};`,
  });
}

function assessData(
  grants: readonly Grant[],
  server: ServerFacts,
  role: 'source' | 'target',
  relations: readonly RelationId[],
  scope: JudgementScope,
): PreflightCheck[] {
  const account = accountOf(server.account);
  const wanted = role === 'source' ? LEGACY : SERVICE;
  const schemas = [...new Set(relations.map((id) => parseRelationId(id).schema))];
  if (schemas.length === 0 && server.database !== '') schemas.push(server.database);
  const problems = schemas.flatMap((schema) => {
    const missing = missingPrivileges(grants, wanted, { schema });
    // Granted table by table will do as well, where there is nothing to be created.
    const here = relations.filter((id) => parseRelationId(id).schema === schema);
    const left = missing.filter(
      (privilege) =>
        OF_DATABASES.has(privilege) ||
        here.length === 0 ||
        here.some(
          (id) =>
            missingPrivileges(grants, [privilege], { schema, table: parseRelationId(id).name }).length > 0,
        ),
    );
    if (left.length === 0) return [];
    return [
      problem('privileges', scope, {
        code: 'SEC213',
        subject: `${account} on ${schema}`,
        message: `${account} lacks ${left.join(', ')} on ${schema}`,
        remedy: `GRANT ${left.join(', ')} ON ${quoteIdentifier(schema)}.* TO ${account};`,
        data: { missing: left },
      }),
    ];
  });
  return problems.length > 0 ? problems : [ok('privileges', `${account} on ${schemas.join(', ')}`)];
}

export function assessRelations(
  relations: readonly RelationFacts[],
  server: ServerFacts,
  scope: JudgementScope,
): PreflightCheck[] {
  const problems = relations.flatMap(({ id, found }): PreflightCheck[] => {
    const about = { subject: id, relation: id };
    if (found === null)
      return [
        {
          name: 'relations',
          outcome: 'unknown',
          detail: `${id} is not there, or ${accountOf(server.account)} may not see it`,
        },
      ];
    const checks: PreflightCheck[] = [];
    if (!found.isTable || found.engine.toLowerCase() !== 'innodb')
      checks.push(
        problem('storage engine', scope, {
          ...about,
          code: 'TRG311',
          message: `${id} is stored by ${found.engine === '' ? 'no table engine' : found.engine}, without transactions: its writers cannot be made to wait`,
          remedy: `ALTER TABLE ${quoteRelation(id)} ENGINE=InnoDB;`,
        }),
      );
    if (!found.hasKey)
      checks.push(
        problem('row identity', scope, {
          ...about,
          code: 'RPL201',
          message: `${id} has no primary key and no unique key on NOT NULL columns: nothing identifies a row`,
          remedy: `ALTER TABLE ${quoteRelation(id)} ADD PRIMARY KEY over columns that tell its rows apart; where none do: ALTER TABLE ${quoteRelation(id)} ADD COLUMN row_id bigint unsigned NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY;`,
        }),
      );
    return checks;
  });
  const n = relations.length;
  return problems.length > 0
    ? problems
    : [ok('relations', `${n} of ${n} stored by InnoDB, with a key that identifies their rows`)];
}

export function assessEngineCascades(cascades: readonly Cascade[], scope: JudgementScope): PreflightCheck[] {
  const findings = assessCascades(cascades, scope.service);
  if (findings.length === 0) return [ok('cascades', 'no key lets the storage engine change rows by itself')];
  return findings.map((finding) => ({
    name: 'cascades',
    outcome: 'problem',
    detail: finding.message,
    finding,
  }));
}

export function assessCodeInside(
  { writers, unseen }: CodeInside,
  server: ServerFacts,
  grants: readonly Grant[],
  schemas: readonly string[],
  scope: JudgementScope,
): PreflightCheck[] {
  const name = 'code in the database';
  const account = accountOf(server.account);
  const seesAll = missingPrivileges(grants, ['SHOW_ROUTINE'], null).length === 0;
  const hidden = schemas.flatMap((schema) => {
    const missing = missingPrivileges(grants, seesAll ? ['EVENT'] : ['EXECUTE', 'EVENT'], { schema });
    if (missing.length === 0) return [];
    const what = missing.map((privilege) => (privilege === 'EVENT' ? 'events' : 'routines'));
    return [
      {
        what: `${what.join(' and ')} of ${schema}`,
        remedy: `GRANT ${missing.join(', ')} ON ${quoteIdentifier(schema)}.* TO ${account};`,
      },
    ];
  });
  if (unseen.length > 0)
    hidden.push({
      what: `the body of ${unseen.toSorted().join(', ')}`,
      remedy: `GRANT ${flavorOf(server.versionText).routineBodies} TO ${account};`,
    });
  if (writers.length === 0 && hidden.length === 0)
    return [ok(name, 'none that stays writes to the relations')];
  const blind = hidden.map(({ what, remedy }) =>
    problem(name, scope, {
      code: 'SEC217',
      severity: 'warning',
      subject: `${account} ${what}`,
      message: `${account} does not see ${what}: what writes to the relations there cannot be told, and no service gets it`,
      remedy,
    }),
  );
  const staying = writers.map((writer) =>
    problem(name, scope, {
      code: 'TRG313',
      severity: 'warning',
      subject: writer.name,
      message: `${writer.kind} ${writer.name}, which stays, writes to ${writer.writes.join(', ')}: from the cutover on it is refused`,
      remedy:
        writer.kind === 'event'
          ? `ALTER EVENT ${quoteRelation(writer.name)} DISABLE; at the cutover, and do its work in the service`
          : `rewrite ${writer.name} so that it does without ${writer.writes.join(', ')}`,
      data: { writes: writer.writes },
    }),
  );
  return [...blind, ...staying];
}
