/**
 * What the driver and the server say, mapped once to dbps's own errors. Connecting fails in terms of the target; anything else that
 * reaches the command line unhandled is described here too. Code that handles an SQLSTATE itself sees the driver's error, unmapped.
 */
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError, DbpsError, RefusedError } from '../../model/errors.js';
import { isFenceError } from '../../model/fence-error.js';
import { NETWORK } from '../network-errors.js';

interface ServerError {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly routine?: string;
}

/** The server's own errors carry a severity and a five-character SQLSTATE. */
function isServerError(error: unknown): error is Error & ServerError {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return (
    error instanceof Error && typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && severity !== undefined
  );
}

/** The server's SQLSTATE, also when the error has been described already. */
export function sqlState(error: unknown): string | undefined {
  if (isServerError(error)) return error.code;
  return error instanceof DbpsError && isServerError(error.cause) ? error.cause.code : undefined;
}

const LOST = new Set(['ECONNRESET', 'EPIPE']);

/** For what happened while connecting to `target`. A DbpsError (passwordCommand) passes as it is. */
export function connectError(error: unknown, target: ConnectionTarget): Error {
  if (error instanceof DbpsError) return error;
  if (isServerError(error)) return fromServer(error, `${target.toString()}: `);
  const { code } = error as { code?: string };
  const message = error instanceof Error ? error.message : String(error);
  const why = NETWORK[code ?? ''] ?? (/timeout/i.test(message) ? 'no answer in time' : message);
  return new DatabaseError({
    code: 'DBPS_E401',
    message: `${target.toString()}: ${why}`,
    hint: /TLS|SSL|certificate/i.test(`${why} ${code ?? ''}`)
      ? 'check tls in dbps.yaml and what the server offers'
      : 'check host and port, that the server runs, and the network between',
    cause: error,
  });
}

/** For an error that nobody handled; null when it did not come from this driver or its socket. */
export function describeError(error: unknown): DbpsError | null {
  if (error instanceof DbpsError) return error;
  if (isServerError(error)) return fromServer(error, '');
  if (!(error instanceof Error)) return null;
  const { code, syscall } = error as { code?: string; syscall?: string };
  const isLost =
    (syscall !== undefined && LOST.has(code ?? '')) ||
    /^Connection terminated|^Client has encountered a connection error|Connection ended unexpectedly/.test(
      error.message,
    );
  if (isLost)
    return new DatabaseError({
      code: 'DBPS_E409',
      message: `the connection to the database was lost: ${error.message}`,
      hint: 'run the same command again: it goes on where it stopped',
      cause: error,
    });
  if (syscall !== undefined && NETWORK[code ?? ''] !== undefined) {
    const { address, port, hostname } = error as { address?: string; port?: number; hostname?: string };
    return new DatabaseError({
      code: 'DBPS_E401',
      message: `${address ?? hostname ?? 'the server'}${port === undefined ? '' : `:${port}`}: ${NETWORK[code ?? ''] ?? ''}`,
      hint: 'check host and port, that the server runs, and the network between',
      cause: error,
    });
  }
  return null;
}

/** For roles whose callers decide by error codes whether waiting may help: what the driver throws leaves as one of dbps's errors. */
export async function described<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw describeError(error) ?? error;
  }
}

interface Rule {
  readonly code: string;
  readonly hint: string;
}

/** First match wins: whole SQLSTATEs before their classes. */
const RULES: readonly (readonly [RegExp, Rule])[] = [
  [
    /^28/,
    { code: 'DBPS_E402', hint: 'check user and password, and that pg_hba.conf lets them in from here' },
  ],
  [/^3D000$/, { code: 'DBPS_E404', hint: 'correct the database name, or create it' }],
  [
    /^42501$/,
    {
      code: 'DBPS_E405',
      hint: 'dbps doctor lists the missing privileges with the statements that grant them',
    },
  ],
  [/^53300$/, { code: 'DBPS_E407', hint: 'free connections or raise max_connections' }],
  [/^53/, { code: 'DBPS_E408', hint: 'make room on the server, then run the same command again' }],
  [/^58030$/, { code: 'DBPS_E408', hint: 'the server could not read or write a file: see its log' }],
  [/^57P0[123]$|^08/, { code: 'DBPS_E409', hint: 'when the server is back, run the same command again' }],
  // A deadlock or serialisation failure: the same transaction may succeed the next time.
  [/^40/, { code: 'DBPS_E415', hint: 'dbps doctor lists long transactions; then run the command again' }],
  [/^25006$/, { code: 'DBPS_E413', hint: 'name the primary, not a replica' }],
  [
    /^55P03$|^57014$|^25P0[34]$/,
    { code: 'DBPS_E415', hint: 'dbps doctor lists long transactions; then run the command again' },
  ],
  [/^0A000$/, { code: 'DBPS_E406', hint: 'this server version or configuration cannot do it' }],
];

function fromServer(error: Error & ServerError, where: string): DbpsError {
  if (isFenceError(error))
    return new RefusedError({
      code: 'DBPS_E412',
      message: `${where}${error.hint ?? error.message}`,
      hint: 'dbps status',
      cause: error,
    });
  const rule = special(error) ?? RULES.find(([pattern]) => pattern.test(error.code))?.[1];
  const object = error.table === undefined ? '' : ` (${error.schema ?? ''}.${error.table})`;
  const detail =
    error.detail === undefined || /^Failing row|^Key \(/.test(error.detail) ? '' : `; ${error.detail}`;
  return new DatabaseError({
    code: rule?.code ?? 'DBPS_E414',
    message: `${where}${error.message}${object}${detail}${rule === undefined ? ` (${error.code})` : ''}`,
    hint: rule?.hint ?? error.hint ?? 'if the schema changed since the plan: dbps plan diff',
    cause: error,
  });
}

/** SQLSTATEs that mean several things. */
function special(error: Error & ServerError): Rule | undefined {
  if (error.code === '57P03') return { code: 'DBPS_E413', hint: 'wait until the server accepts connections' };
  if (/wal_level/.test(error.message))
    return { code: 'DBPS_E411', hint: 'ALTER SYSTEM SET wal_level = logical; then restart the server' };
  if (/replication slots are in use|max_wal_senders|max_replication_slots/.test(error.message))
    return {
      code: 'DBPS_E418',
      hint: 'raise max_replication_slots and max_wal_senders, or drop unused slots: dbps doctor',
    };
  return undefined;
}
