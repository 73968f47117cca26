/** What triggers cannot capture: TRUNCATE fires none. Who may, is read here; what that means is judged by the pure half. */
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { PreflightCheck } from '../engine.js';
import { accountOf, coversSchema, readPrivileges } from './mysql-accounts.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { problem, type JudgementScope } from './mysql-preflight-judgement.js';

export interface CaptureBypasses {
  /** Accounts that may TRUNCATE, as they are written in REVOKE, with what they were granted it on. */
  readonly truncaters: readonly { readonly account: string; readonly on: string }[];
  /** False: only the privileges of this account could be read. */
  readonly seesOthers: boolean;
}

const SYSTEM =
  /^'(?:mysql\.sys|mysql\.session|mysql\.infoschema|mariadb\.sys|rdsadmin|cloudsqladmin|azure_superuser|root)'/;

export async function readCaptureBypasses(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<CaptureBypasses> {
  const [me] = await session.query({ sql: 'SELECT CURRENT_USER() AS account' });
  const self = accountOf(me?.['account'] ?? '');
  const schemas = [...new Set(relations.map((id) => parseRelationId(id).schema))];
  const privileges = await readPrivileges(session);
  return {
    seesOthers: privileges.some(({ account }) => account !== self),
    truncaters: privileges
      .filter(({ account, privilege }) => privilege === 'DROP' && account !== self && !SYSTEM.test(account))
      .filter((found) =>
        found.table === null
          ? schemas.some((schema) => coversSchema(found.schema, schema))
          : relations.includes(relationId(found.schema ?? '', found.table)),
      )
      .map(({ account, on }) => ({ account, on })),
  };
}

/** Nothing in the way of a move, but something that whoever chose triggers has to know. */
export function assessTriggerCapture(
  { truncaters, seesOthers }: CaptureBypasses,
  relations: readonly RelationId[],
  scope: JudgementScope,
): PreflightCheck {
  const who =
    truncaters.length > 0
      ? `${truncaters.map(({ account }) => account).join(', ')} may do it`
      : seesOthers
        ? 'no account but the server’s own may do it'
        : 'who may do it is not known: only the privileges of this account can be read';
  return problem('capture by triggers', scope, {
    code: 'TRG314',
    severity: truncaters.length > 0 || !seesOthers ? 'warning' : 'note',
    subject: relations.join(', '),
    message: `TRUNCATE fires no trigger, so it is not captured, and its rows stay on the other side until verify finds them; ${who}`,
    remedy:
      truncaters.length > 0
        ? truncaters.map(({ account, on }) => `REVOKE DROP ON ${on} FROM ${account};`).join(' ')
        : 'while the service moves, empty its relations with DELETE',
    data: { accounts: truncaters.map(({ account }) => account) },
  });
}
