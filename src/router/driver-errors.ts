/** What an error of a knex driver (pg, mysql2) says about the statement's fate. */
import { isFenceError } from '../model/fence-error.js';

/**
 * `fenced`: refused by a fence, nothing was done.
 * `moved`: refused in a way that a side that lost the ownership refuses (sequence fenced, relation retired, read-only); nothing was done.
 * `lost`: the connection went away; whether an autocommitted statement or a COMMIT took effect is not known.
 * `deadlock`: the server chose it to end a circle of waits and took all of its transaction back; nothing was done. Definitions that dbps makes on
 * tables in use may be the other end of the circle.
 * `other`: the application's own business.
 */
export type Fate = 'fenced' | 'moved' | 'lost' | 'deadlock' | 'other';

const DEADLOCK = new Set(['40P01', 'ER_LOCK_DEADLOCK']);

/** nextval behind a fenced MAXVALUE; a retired relation or schema; a server turned read-only. */
const MOVED = new Set([
  '2200H',
  '42P01',
  '3F000',
  '25006',
  'ER_NO_SUCH_TABLE',
  'ER_TABLEACCESS_DENIED_ERROR',
  'ER_READ_ONLY_MODE',
]);
/** Server shut down, crashed or is starting; connection exceptions. */
const LOST_STATES = new Set([
  '57P01',
  '57P02',
  '57P03',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '08P01',
  '08S01',
]);
const LOST_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'ER_SERVER_SHUTDOWN',
  'ER_CONNECTION_KILLED',
  'ER_CLIENT_INTERACTION_TIMEOUT',
]);
/** node-postgres and mysql2 give these without a code; knex puts the statement and a dash before them. */
const LOST_MESSAGE =
  /(^| - )(Connection terminated|Client has encountered a connection error|Client was closed|timeout expired|Connection ended|Can't add new command when connection is in closed state)[^\n]*$/;

export function fateOf(error: unknown): Fate {
  if (isFenceError(error)) return 'fenced';
  if (typeof error !== 'object' || error === null) return 'other';
  const { code, sqlState, errno, message } = error as Readonly<Record<string, unknown>>;
  // MariaDB's own number for a session that was killed; mysql2 has no code for it.
  if (errno === 1927) return 'lost';
  for (const state of [code, sqlState]) {
    if (typeof state !== 'string') continue;
    if (DEADLOCK.has(state)) return 'deadlock';
    if (MOVED.has(state)) return 'moved';
    if (LOST_STATES.has(state) || LOST_CODES.has(state)) return 'lost';
  }
  return code === undefined && typeof message === 'string' && LOST_MESSAGE.test(message) ? 'lost' : 'other';
}

/**
 * The database has no route (yet, or any more): dbps's table or schema is not there. To an account without a privilege in `dbps` a server of the
 * MySQL family does not say whether a table is there: it denies what does not exist.
 */
export function isRouteTableMissing(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return (
    code === '42P01' ||
    code === '3F000' ||
    code === 'ER_NO_SUCH_TABLE' ||
    code === 'ER_BAD_DB_ERROR' ||
    isRouteDenied(error)
  );
}

/** Either there is no route, or the account lacks `GRANT SELECT ON dbps.route`. */
export function isRouteDenied(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === 'ER_TABLEACCESS_DENIED_ERROR' || code === 'ER_DBACCESS_DENIED_ERROR';
}
