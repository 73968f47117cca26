/** What information_schema leaves out without a word, because this account has no right to see it. */
import type { UnsupportedObject } from '../../model/database-schema.js';
import type { MysqlQueryable } from './mysql-connection.js';
import type { MysqlFlavor } from './mysql-flavor.js';
import { missingPrivileges, readOwnGrants, type Grant } from './mysql-grants.js';
import { parseRelationId, type RelationId } from '../../model/relation-id.js';
import { quoteIdentifier } from './mysql-sql.js';

/** In the order in which they are told. */
const SHOWN_BY: readonly (readonly [what: string, privilege: string])[] = [
  ['relations without a grant of their own', 'SELECT'],
  ['what views read', 'SHOW VIEW'],
  ['triggers', 'TRIGGER'],
  ['routines', 'EXECUTE'],
  ['events', 'EVENT'],
];

/** MariaDB shows checks, and with them which columns hold JSON, to those alone who may do more than SELECT. */
const CHECKS_BY = ['INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER'];

/** @param reader the account that reads, as it is written in GRANT, and the server's product */
export async function readHidden(
  session: MysqlQueryable,
  reader: { readonly account: string; readonly product: string },
  schemas: readonly string[],
): Promise<readonly UnsupportedObject[]> {
  const grants = await readOwnGrants(session);
  const isMaria = reader.product.startsWith('MariaDB');
  return schemas.flatMap((schema) => hiddenOf(grants, reader.account, schema, isMaria) ?? []);
}

function hiddenOf(
  grants: readonly Grant[],
  account: string,
  schema: string,
  isMaria: boolean,
): UnsupportedObject | null {
  const privileges = SHOWN_BY.map(([, privilege]) => privilege);
  const missing = missingPrivileges(grants, privileges, { schema });
  if (missing.length === 0) return null;
  const hidden = SHOWN_BY.filter(([, privilege]) => missing.includes(privilege)).map(([what]) => what);
  const more = [...privileges.filter((privilege) => privilege !== 'SELECT'), ...CHECKS_BY];
  if (isMaria && missingPrivileges(grants, more, { schema }).length === more.length) hidden.push('checks');
  return {
    kind: 'hidden',
    name: schema,
    reason: `${account} does not see ${hidden.join(', ')} of it`,
    remedy: `GRANT ${missing.join(', ')} ON ${quoteIdentifier(schema)}.* TO ${account};`,
  };
}

/** Routines whose bodies this account may not see, and events that call them: without a body there is nothing to carry over. */
export function hiddenBodies(
  ids: readonly RelationId[],
  account: string,
  flavor: MysqlFlavor,
): UnsupportedObject[] {
  const schemas = new Set(ids.map((id) => parseRelationId(id).schema));
  return [...schemas].map((schema) => {
    const names = ids.filter((id) => parseRelationId(id).schema === schema).toSorted();
    return {
      kind: 'hidden',
      name: `routines of ${schema}`,
      reason: `${account} does not see the body of ${names.join(', ')}: what it touches is not known, and no service gets it`,
      remedy: `GRANT ${flavor.routineBodies} TO ${account};`,
    };
  });
}
