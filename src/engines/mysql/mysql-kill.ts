/** Ending a session of dbps on the server: it goes on with a statement whose client has gone, until it has something to send. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import {
  openMysqlSession,
  queryable,
  type MysqlQueryable,
  type MysqlSessionOptions,
} from './mysql-connection.js';

/**
 * Behind a proxy the number that a session was told is the proxy's: the same number may be somebody else's on the server. What another account
 * or another program has opened is left alone. Nobody to ask: then the server notices by itself, at the latest when it has something to send.
 */
export async function endOwnSession(
  id: number,
  target: ConnectionTarget,
  options: MysqlSessionOptions,
): Promise<void> {
  const { signal: _, ...rest } = options;
  const session = await openMysqlSession(target, rest).catch(() => null);
  if (session === null) return;
  try {
    if (await isOwn(queryable(session), id, options.applicationName))
      await session.query(`KILL ${Number(id)}`);
  } catch {
    // Already gone: just what was wanted.
  } finally {
    session.destroy();
  }
}

async function isOwn(session: MysqlQueryable, id: number, program: string): Promise<boolean> {
  const [found] = await session.query({
    sql: `SELECT 1 AS found FROM information_schema.processlist
           WHERE id = ? AND user = SUBSTRING_INDEX(USER(), '@', 1)`,
    values: [id],
  });
  if (found === undefined) return false;
  // Who sees no attributes (performance_schema is off, which is MariaDB's default) goes by the account.
  const attributes = await session
    .query({
      sql: `SELECT attr_name, attr_value FROM performance_schema.session_account_connect_attrs
             WHERE processlist_id = ?`,
      values: [id],
    })
    .catch(() => []);
  const told = attributes.find(({ attr_name: name }) => name === 'program_name');
  return attributes.length === 0 || told?.['attr_value'] === program;
}
