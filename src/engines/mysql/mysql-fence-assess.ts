/** What could stop a fence, or let writers round it. Facts are read by `readFenceRisks`; `assessFenceRisks` judges them and is pure. */
import type { Finding } from '../../model/finding.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { FenceRequest, RelationAccess } from '../engine.js';
import {
  accountOf,
  coversSchema,
  readPrivileges,
  readRoleMembers,
  userOf,
  usersBehind,
  type Privilege,
  type RoleMember,
} from './mysql-accounts.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { assessCascades, readCascades, type Cascade } from './mysql-cascades.js';
import { isFenceTrigger } from './mysql-fence-body.js';
import { flavorOf, versionNumber } from './mysql-flavor.js';
import { readTables, readTriggers } from './mysql-fence-tables.js';
import { quoteRelation } from './mysql-sql.js';

export interface FenceRisks {
  readonly service: string;
  /** dbps's own account. */
  readonly self: string;
  /** The right to make triggers that run as another account, as GRANT calls it here. */
  readonly setDefiner: string;
  readonly relations: readonly RelationId[];
  readonly notInnodb: readonly { readonly id: RelationId; readonly engine: string }[];
  readonly privileges: readonly Privilege[];
  /** False: only the privileges of this account could be read. */
  readonly seesOthers: boolean;
  readonly members: readonly RoleMember[];
  /** Users that are connected to one of the databases, but for dbps's own account. */
  readonly connected: readonly string[];
  /** Triggers of the user's that run as somebody else. */
  readonly foreignTriggers: readonly {
    readonly name: string;
    readonly relation: RelationId;
    readonly definer: string;
  }[];
  readonly cascades: readonly Cascade[];
}

export async function readFenceRisks(session: MysqlQueryable, request: FenceRequest): Promise<FenceRisks> {
  const tables = await readTables(session, request.relations);
  const [me] = await session.query({
    sql: 'SELECT CURRENT_USER() AS account, USER() AS user, version() AS version',
  });
  const version = me?.['version'] ?? '';
  const self = me?.['account'] ?? '';
  const privileges = await readPrivileges(session);
  const schemas = [...new Set(request.relations.map((id) => parseRelationId(id).schema))];
  // A user from one host is one account: who connects as dbps does is no other account of that name.
  const sessions = await session.query({
    sql: 'SELECT DISTINCT user, host FROM information_schema.processlist WHERE db IN (?)',
    values: [schemas],
  });
  const others = sessions.filter(
    ({ user, host }) => `${user ?? ''}@${(host ?? '').replace(/:\d+$/, '')}` !== me?.['user'],
  );
  const triggers = await readTriggers(session, request.relations);
  return {
    service: request.service,
    self,
    setDefiner: flavorOf(version).setDefiner(versionNumber(version)),
    relations: request.relations,
    notInnodb: tables
      .filter((table) => !table.isTable || table.engine.toLowerCase() !== 'innodb')
      .map(({ id, engine }) => ({ id, engine })),
    privileges,
    seesOthers: privileges.some(({ account }) => account !== accountOf(self)),
    members: await readRoleMembers(session),
    connected: [...new Set(others.map((row) => row['user'] ?? ''))],
    foreignTriggers: triggers
      .filter((trigger) => !isFenceTrigger(trigger.name) && trigger.definer !== self)
      .map(({ name, relation, definer }) => ({ name, relation, definer })),
    cascades: await readCascades(session, request.relations),
  };
}

/** TRUNCATE and DROP fire no trigger; a trigger can be dropped; what is not logged reaches nobody. */
const BYPASSES: Readonly<Record<string, string>> = {
  DROP: 'may truncate and drop',
  TRIGGER: 'may drop triggers',
  SUPER: 'may do anything',
  'BINLOG ADMIN': 'may write past the log',
  BINLOG_ADMIN: 'may write past the log',
  SYSTEM_VARIABLES_ADMIN: 'may write past the log',
  SESSION_VARIABLES_ADMIN: 'may write past the log',
};

/** Any of these lets an account make a trigger that runs as another. */
const MAY_SET_DEFINER = new Set(['SUPER', 'SET USER', 'SET_USER_ID', 'SET_ANY_DEFINER']);

/** On MySQL, what an account with it owns or defines takes an account with it. */
const SYSTEM_USER = new Set(['SYSTEM_USER']);

/** Accounts of the server's own. */
const SYSTEM =
  /^'(?:mysql\.sys|mysql\.session|mysql\.infoschema|mariadb\.sys|rdsadmin|cloudsqladmin|azure_superuser)'/;

export function assessFenceRisks(risks: FenceRisks): Finding[] {
  const { service } = risks;
  const findings: Finding[] = risks.notInnodb.map(({ id, engine }) => ({
    code: 'TRG311',
    severity: 'error',
    subject: id,
    relation: id,
    service,
    message: `${id} is stored by ${engine === '' ? 'no table engine' : engine}: its writers cannot be made to wait`,
    remedy: `ALTER TABLE ${quoteRelation(id)} ENGINE=InnoDB;`,
  }));
  findings.push(...assessCascades(risks.cascades, service));
  findings.push(...assessTriggers(risks));
  findings.push(...assessAccounts(risks));
  return findings;
}

function assessTriggers(risks: FenceRisks): Finding[] {
  const mayDo = (account: string, privileges: ReadonlySet<string>) =>
    risks.privileges.some((found) => found.account === accountOf(account) && privileges.has(found.privilege));
  return risks.foreignTriggers.flatMap(({ name, relation, definer }): Finding[] => {
    const missing = [
      ...(mayDo(risks.self, MAY_SET_DEFINER) ? [] : [risks.setDefiner]),
      ...(mayDo(definer, SYSTEM_USER) && !mayDo(risks.self, SYSTEM_USER) ? [...SYSTEM_USER] : []),
    ];
    if (missing.length === 0) return [];
    return [
      {
        code: 'SEC304',
        severity: 'error',
        subject: `${relation} ${name}`,
        relation,
        service: risks.service,
        message: `trigger ${name} of ${relation} runs as ${definer}, and ${risks.self} may not make it anew so that it passes over what dbps applies`,
        remedy: `GRANT ${missing.join(', ')} ON *.* TO ${accountOf(risks.self)}; or make the trigger anew as ${risks.self}`,
      },
    ];
  });
}

function assessAccounts(risks: FenceRisks): Finding[] {
  const { service } = risks;
  if (!risks.seesOthers)
    return [
      {
        code: 'SEC305',
        severity: 'warning',
        subject: risks.self,
        service,
        message: `who could take the fence of ${service} away is not known: ${risks.self} sees only its own privileges`,
        remedy: `GRANT SELECT ON mysql.* TO ${accountOf(risks.self)};`,
      },
    ];
  const schemas = [...new Set(risks.relations.map((id) => parseRelationId(id).schema))];
  const covers = (privilege: Privilege): boolean =>
    privilege.table === null
      ? schemas.some((schema) => coversSchema(privilege.schema, schema))
      : risks.relations.includes(relationId(privilege.schema ?? '', privilege.table));
  const byAccount = new Map<string, Privilege[]>();
  for (const privilege of risks.privileges) {
    if (privilege.account === accountOf(risks.self) || SYSTEM.test(privilege.account)) continue;
    if (BYPASSES[privilege.privilege] === undefined || !covers(privilege)) continue;
    byAccount.set(privilege.account, [...(byAccount.get(privilege.account) ?? []), privilege]);
  }
  return [...byAccount]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([account, found]): Finding => {
      const how = [...new Set(found.map(({ privilege }) => BYPASSES[privilege]))].join(', ');
      const isServerWide = found.some(({ level }) => level === 'server');
      // Some account has to be able to do everything; it is an application's only when applications are connected by it.
      const users = usersBehind(userOf(account), risks.members);
      const isApplication = !isServerWide || risks.connected.some((user) => users.has(user));
      const remedies = isServerWide ? separate(account, schemas) : revoke(account, found);
      return isApplication
        ? {
            code: 'SEC303',
            severity: 'error',
            subject: account,
            service,
            message: `${account} cannot be fenced: it ${how}${isServerWide ? ', and is connected to the database now' : ''}`,
            remedy: remedies,
            data: { privileges: found.map(({ privilege, on }) => `${privilege} ON ${on}`) },
          }
        : {
            code: 'SEC302',
            severity: 'warning',
            subject: account,
            service,
            message: `${account} could take the fence of ${service} away: it ${how}`,
            remedy: 'Keep it for administration: no application may connect with it.',
          };
    });
}

function revoke(account: string, found: readonly Privilege[]): string {
  const byObject = new Map<string, string[]>();
  for (const { on, privilege } of found) byObject.set(on, [...(byObject.get(on) ?? []), privilege]);
  return [...byObject]
    .map(
      ([on, privileges]) => `REVOKE ${[...new Set(privileges)].sort().join(', ')} ON ${on} FROM ${account};`,
    )
    .join(' ');
}

function separate(account: string, schemas: readonly string[]): string {
  const application = `'app'@'%'`;
  return [
    `Give the application an account of its own: CREATE USER ${application} IDENTIFIED BY '…';`,
    ...schemas.map(
      (schema) => `GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON \`${schema}\`.* TO ${application};`,
    ),
    `and connect with that instead of ${account}.`,
  ].join(' ');
}

/**
 * Who touches the relations now: by the metadata locks of sessions where the server shows them, else by the statements that are running. Those do not
 * tell whose program they are: what runs as dbps's own account is dbps's then, as its runner asks about the very same relations.
 */
export async function readAccess(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<RelationAccess[]> {
  if (relations.length === 0) return [];
  await readTables(session, relations);
  return (await readMetadataLocks(session, relations)) ?? (await readRunning(session, relations));
}

const LOCKS = `
SELECT l.object_schema, l.object_name, t.processlist_user AS user, t.processlist_id AS id, t.processlist_command AS command,
       LEFT(COALESCE(t.processlist_info, ''), 100) AS info, COALESCE(a.attr_value, '') AS program
  FROM performance_schema.metadata_locks l
  JOIN performance_schema.threads t ON t.thread_id = l.owner_thread_id
  LEFT JOIN performance_schema.session_connect_attrs a ON a.processlist_id = t.processlist_id AND a.attr_name = 'program_name'
 WHERE l.object_type = 'TABLE' AND t.processlist_id <> CONNECTION_ID() AND t.processlist_user IS NOT NULL
   AND COALESCE(a.attr_value, '') NOT LIKE 'dbps%' AND (l.object_schema, l.object_name) IN`;

/** @returns null where the server does not show them: without performance_schema, or without its instrument. */
async function readMetadataLocks(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<RelationAccess[] | null> {
  const names = relations.map((id) => parseRelationId(id));
  try {
    const [instrument] = await session.query({
      sql: `SELECT enabled FROM performance_schema.setup_instruments WHERE name = 'wait/lock/metadata/sql/mdl' AND @@performance_schema = 1`,
    });
    if (instrument?.['enabled'] !== 'YES') return null;
    const rows = await session.query({
      sql: `${LOCKS} (${names.map(() => '(?, ?)').join(', ')}) ORDER BY 1, 2, 3`,
      values: names.flatMap(({ schema, name }) => [schema, name]),
    });
    return rows.map((row) => ({
      relation: relationId(row['object_schema'] ?? '', row['object_name'] ?? ''),
      user: row['user'] ?? '',
      detail: `connection ${row['id'] ?? ''}, ${row['command'] ?? ''}: ${row['info'] ?? ''}`,
    }));
  } catch {
    return null;
  }
}

async function readRunning(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<RelationAccess[]> {
  const rows = await session.query({
    sql: `SELECT id, user, db, command, LEFT(info, 2000) AS info FROM information_schema.processlist
           WHERE user <> LEFT(USER(), CHAR_LENGTH(USER()) - LOCATE('@', REVERSE(USER()))) AND info IS NOT NULL ORDER BY id`,
  });
  return relations.flatMap((relation) => {
    const { schema, name } = parseRelationId(relation);
    const mentions = new RegExp(
      `(?:^|[^\\w$])${name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?:[^\\w$]|$)`,
      'iu',
    );
    return rows
      .filter((row) => {
        const info = row['info'] ?? '';
        return mentions.test(info) && (row['db'] === schema || info.includes(schema));
      })
      .map((row) => ({
        relation,
        user: row['user'] ?? '',
        detail: `connection ${row['id'] ?? ''}, ${row['command'] ?? ''}: ${(row['info'] ?? '').slice(0, 100)}`,
      }));
  });
}
