/** Ending a session of dbps on the server: it goes on with a statement whose client has gone, until it has something to send. */
import type { Socket } from 'node:net';
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import {
  openMysqlSession,
  queryable,
  type MysqlQueryable,
  type MysqlSessionOptions,
} from './mysql-connection.js';

/** What tells a session from others: the number that it was told, and its end of the line. */
export interface SessionTrace {
  readonly id: number;
  readonly port: number | undefined;
}

/** While it is open: afterwards its port is not known any more. */
export function traceOf(session: mysql.Connection): SessionTrace {
  const { stream } = (session as unknown as { readonly connection: { readonly stream: Socket } }).connection;
  return { id: session.threadId, port: stream.localPort };
}

/**
 * Behind a proxy the number that a session was told is the proxy's: the same number may be somebody else's on the server. What another account
 * or another program has opened is left alone. Nobody to ask: then the server notices by itself, at the latest when it has something to send.
 */
export async function endOwnSession(
  trace: SessionTrace,
  target: ConnectionTarget,
  options: MysqlSessionOptions,
): Promise<void> {
  const { signal: _, ...rest } = options;
  const session = await openMysqlSession(target, rest).catch(() => null);
  if (session === null) return;
  try {
    if (await isOwn(queryable(session), trace, options.applicationName))
      await session.query(`KILL ${Number(trace.id)}`);
  } catch {
    // Already gone: just what was wanted.
  } finally {
    session.destroy();
  }
}

async function isOwn(session: MysqlQueryable, { id, port }: SessionTrace, program: string): Promise<boolean> {
  const [found] = await session.query({
    sql: `SELECT host FROM information_schema.processlist
           WHERE id = ? AND user = SUBSTRING_INDEX(USER(), '@', 1)`,
    values: [id],
  });
  if (found === undefined) return false;
  const attributes = await session
    .query({
      sql: `SELECT attr_name, attr_value FROM performance_schema.session_account_connect_attrs
             WHERE processlist_id = ?`,
      values: [id],
    })
    .catch(() => []);
  const told = attributes.find(({ attr_name: name }) => name === 'program_name');
  if (attributes.length > 0) return told?.['attr_value'] === program;
  // Who sees no attributes (performance_schema is off, which is MariaDB's default) goes by the line: only this process has its end of it.
  return port !== undefined && (found['host'] ?? '').endsWith(`:${port}`);
}
