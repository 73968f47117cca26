/** The state store's own connections, through knex so that the control tables may live on either engine. */
import createKnex, { type Knex } from 'knex';
import type { ConnectionTarget } from '../model/connection-target.js';
import { sessionSettings } from './dialect.js';

export interface StateConnectionOptions {
  readonly applicationName: string;
  readonly poolSize?: number;
  readonly connectTimeoutMs?: number;
}

/** Connects on first use. The caller destroys it. */
export function openKnex(target: ConnectionTarget, options: StateConnectionOptions): Knex {
  const connectTimeout = options.connectTimeoutMs ?? 10_000;
  return createKnex({
    client: target.engine === 'postgres' ? 'pg' : 'mysql2',
    connection:
      target.engine === 'postgres'
        ? {
            host: target.host,
            port: target.port,
            user: target.user,
            database: target.database,
            // Asked by the driver for each new connection: tokens expire.
            password: async () => (await target.revealPassword()) ?? '',
            ssl: tlsOptions(target) ?? false,
            application_name: options.applicationName,
            connectionTimeoutMillis: connectTimeout,
            keepAlive: true,
            // A frozen process must not keep the lease's row locked: what is done under that lock takes moments.
            options: `${STATE_SESSION} ${target.parameters['options'] ?? ''}`.trim(),
          }
        : mysqlConnection(target, connectTimeout),
    pool: { min: 0, max: options.poolSize ?? 3, idleTimeoutMillis: 10_000, ...prepareSessions(target) },
    acquireConnectionTimeout: connectTimeout + 5_000,
    // A library does not print.
    log: { warn: ignore, error: ignore, deprecate: ignore, debug: ignore },
  });
}

/** What roles and databases are set to is meant for applications. */
const STATE_SESSION = [
  'idle_in_transaction_session_timeout=30s',
  'statement_timeout=0',
  'lock_timeout=0',
  String.raw`default_transaction_isolation=read\ committed`,
  'default_transaction_read_only=off',
  'default_transaction_deferrable=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

interface RawSession {
  query(sql: string, done: (error: Error | null) => void): unknown;
}

function prepareSessions(target: ConnectionTarget) {
  const settings = sessionSettings(target.engine);
  return {
    afterCreate: (session: RawSession, done: (error: Error | null, session: RawSession) => void) => {
      const set = (at: number): void => {
        const statement = settings[at];
        if (statement === undefined) done(null, session);
        else session.query(statement, (error) => (error === null ? set(at + 1) : done(error, session)));
      };
      set(0);
    },
  };
}

/** This driver takes no function for a password: knex asks for the settings again when they are older than this. */
const PASSWORD_AGE_MS = 60_000;

function mysqlConnection(target: ConnectionTarget, connectTimeout: number) {
  return async () => {
    const readAt = Date.now();
    return {
      host: target.host,
      port: target.port,
      user: target.user,
      database: target.database,
      password: (await target.revealPassword()) ?? '',
      ssl: tlsOptions(target),
      connectTimeout,
      timezone: 'Z',
      supportBigNumbers: true,
      expirationChecker: () => Date.now() - readAt > PASSWORD_AGE_MS,
    };
  };
}

function ignore(): void {
  // Failures reject the query that met them.
}

function tlsOptions(target: ConnectionTarget) {
  const { tls } = target;
  if (tls === false) return undefined;
  return {
    rejectUnauthorized: tls.verify,
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.cert !== undefined && { cert: tls.cert }),
    ...(tls.key !== undefined && { key: tls.key }),
  };
}
