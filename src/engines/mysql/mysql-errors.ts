/**
 * What the driver and the server say, mapped once to dbps's own errors. Connecting fails in terms of the target; anything else that
 * reaches the command line unhandled is described here too. Code that handles an error number itself sees the driver's error, unmapped.
 */
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError, DbpsError, RefusedError } from '../../model/errors.js';
import { isFenceError } from '../../model/fence-error.js';
import { NETWORK } from '../network-errors.js';

interface ServerError {
  readonly errno: number;
  readonly sqlState: string;
}

/** The server's own errors carry a number and an SQLSTATE; those of the driver and its socket do not. The driver has no name (`code`) for MariaDB's own. */
function isServerError(error: unknown): error is Error & ServerError {
  if (!(error instanceof Error)) return false;
  const { errno, sqlState } = error as { errno?: unknown; sqlState?: unknown };
  return typeof errno === 'number' && errno > 0 && typeof sqlState === 'string';
}

/** The server's error number, also when the error has been described already; undefined for anything else. */
export function errorNumber(error: unknown): number | undefined {
  if (isServerError(error)) return error.errno;
  return error instanceof DbpsError && isServerError(error.cause) ? error.cause.errno : undefined;
}

/** Shut down, killed, timed out while idle, aborted: the session is over. */
const LOST_NUMBERS = new Set([
  1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 4031,
]);
const LOST_CODES = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNABORTED',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'PROTOCOL_ENQUEUE_AFTER_QUIT',
]);
/** The driver gives these without a code. */
const LOST_MESSAGE = /closed state|Connection lost|Pool is closed|has been closed/i;

/** The connection is gone, which is no answer to a statement: whether one under way took effect is not known. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof DbpsError) return false;
  if (isServerError(error)) return LOST_NUMBERS.has(error.errno);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? LOST_CODES.has(code) : LOST_MESSAGE.test(error.message);
}

/** For what happened while connecting to `target`. A DbpsError (passwordCommand) passes as it is. */
export function connectError(error: unknown, target: ConnectionTarget): Error {
  if (error instanceof DbpsError) return error;
  if (isServerError(error)) {
    const described = fromServer(error, `${target.toString()}: `);
    const grant = error.errno === 1044 ? grantOn(target, error.message) : null;
    return grant === null
      ? described
      : new DatabaseError({ code: described.code, message: described.message, hint: grant, cause: error });
  }
  const { code } = error as { code?: string };
  const message = error instanceof Error ? error.message : String(error);
  const why = NETWORK[code ?? ''] ?? (/timeout/i.test(message) ? 'no answer in time' : message);
  return new DatabaseError({
    code: 'DBPS_E401',
    message: `${target.toString()}: ${why}`,
    hint: /TLS|SSL|certificate/i.test(`${why} ${code ?? ''}`)
      ? 'check tls in dbps.yaml and what the server offers'
      : 'check host and port, that the server runs and listens on that address (bind_address), and the network between',
    cause: error,
  });
}

/** The account may be one of several that match the user: the server's message says which. */
function grantOn({ database }: ConnectionTarget, message: string): string | null {
  const account = /for user ('(?:[^']|'')*'@'(?:[^']|'')*')/.exec(message)?.[1];
  if (account === undefined || database === '') return null;
  const name = `\`${database.replaceAll('`', '``')}\``;
  return `correct the database name, or: GRANT ALL ON ${name}.* TO ${account} WITH GRANT OPTION; (the database need not exist yet)`;
}

/** For an error that nobody handled; null when it did not come from this driver or its socket. */
export function describeError(error: unknown): DbpsError | null {
  if (error instanceof DbpsError) return error;
  if (isServerError(error)) return fromServer(error, '');
  if (isLost(error))
    return new DatabaseError({
      code: 'DBPS_E409',
      message: `the connection to the database was lost: ${(error as Error).message}`,
      hint: 'run the same command again: it goes on where it stopped',
      cause: error,
    });
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

const WAITED: Rule = {
  code: 'DBPS_E415',
  hint: 'dbps doctor lists long transactions; then run the command again',
};
const LOST: Rule = {
  code: 'DBPS_E409',
  hint: 'when the server is back, run the same command again: it goes on where it stopped',
};
const DENIED: Rule = {
  code: 'DBPS_E402',
  hint: "check user and password, and that the account's host part lets it in from here (SELECT user, host FROM mysql.user)",
};
const ENCRYPTED: Rule = {
  code: 'DBPS_E402',
  hint: 'the server takes encrypted connections only: end the URL in ?sslmode=require, or set tls: true, which also checks who answers',
};
const MISSING: Rule = {
  code: 'DBPS_E405',
  hint: 'dbps doctor lists the missing privileges with the statements that grant them',
};
const FULL: Rule = {
  code: 'DBPS_E408',
  hint: 'make room on the server, then run the same command again',
};
const CROWDED: Rule = {
  code: 'DBPS_E407',
  hint: 'free connections, or raise max_connections or the limit of the account',
};
const CANNOT: Rule = { code: 'DBPS_E406', hint: 'this server version or configuration cannot do it' };
const READ_ONLY: Rule = { code: 'DBPS_E413', hint: 'name the primary, not a replica' };

const RULES: ReadonlyMap<number, Rule> = new Map<number, Rule>([
  // ER_ACCESS_DENIED_ERROR and its kin; a host that may not connect, a locked or expired account.
  ...[1045, 1130, 1129, 1251, 1275, 1698, 1820, 1862, 3118, 3878, 4151].map((n) => [n, DENIED] as const),
  [1049, { code: 'DBPS_E404', hint: 'correct the database name, or create it' }],
  [
    1044,
    {
      code: 'DBPS_E405',
      hint: 'correct the database name, or grant what is missing: dbps doctor prints the statements',
    },
  ],
  ...[1095, 1141, 1142, 1143, 1227, 1370, 1410, 1447, 3619].map((n) => [n, MISSING] as const),
  [
    1419,
    {
      code: 'DBPS_E405',
      hint: 'with binary logging on, triggers take SET GLOBAL log_bin_trust_function_creators = ON; (no restart), or the privilege SUPER',
    },
  ],
  [
    1449,
    {
      code: 'DBPS_E405',
      hint: 'a trigger, view or routine runs as an account that is gone: create that account, or define the object anew',
    },
  ],
  ...[1040, 1203, 1226].map((n) => [n, CROWDED] as const),
  ...[1021, 1026, 1037, 1038, 1041, 1114, 1135].map((n) => [n, FULL] as const),
  ...[1020, 1205, 1206, 1213, 1317, 1613, 1614, 1907, 1969, 3024, 3058, 3572].map(
    (n) => [n, WAITED] as const,
  ),
  ...[...LOST_NUMBERS].map((n) => [n, LOST] as const),
  ...[1836, 3100].map((n) => [n, READ_ONLY] as const),
  ...[1193, 1235, 1273, 1286, 1524, 1305].map((n) => [n, CANNOT] as const),
  [
    1153,
    {
      code: 'DBPS_E408',
      hint: 'SET GLOBAL max_allowed_packet = 1073741824; (new sessions have it, no restart), then run it again',
    },
  ],
]);

/** Error numbers that mean several things, by the server's words. */
function special({ errno, message }: Error & ServerError): Rule | undefined {
  // ER_SECURE_TRANSPORT_REQUIRED, whose number is not the same in MariaDB.
  if (/require_secure_transport/.test(message)) return ENCRYPTED;
  if (errno === 1290) return /read.only/i.test(message) ? READ_ONLY : CANNOT;
  if (errno === 1792) return READ_ONLY;
  // "Got error 28 from storage engine", "Error writing file (Errcode: 28)": no space left on device.
  if ([3, 1030].includes(errno)) return /\b28\b/.test(message) ? FULL : undefined;
  return undefined;
}

function fromServer(error: Error & ServerError, where: string): DbpsError {
  if (isFenceError(error))
    return new RefusedError({
      code: 'DBPS_E412',
      message: `${where}${error.message}`,
      hint: 'dbps status',
      cause: error,
    });
  const rule = special(error) ?? RULES.get(error.errno);
  return new DatabaseError({
    code: rule?.code ?? 'DBPS_E414',
    // Duplicate and constraint errors quote values of rows.
    message: `${where}${withoutValues(error)}${rule === undefined ? ` (${error.errno})` : ''}`,
    hint: rule?.hint ?? 'if the schema changed since the plan: dbps plan diff',
    cause: error,
  });
}

function withoutValues({ errno, message }: Error & ServerError): string {
  return [1062, 1586].includes(errno) ? message.replace(/entry '.*' for key/s, 'entry for key') : message;
}

/** The account may not do that, or may not come in at all. */
export const isDenied = (error: unknown): boolean =>
  [1044, 1045, 1142, 1227, 1698].includes((error as { errno?: number }).errno ?? 0);
