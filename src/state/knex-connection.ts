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
            options:
              `-c idle_in_transaction_session_timeout=30s ${target.parameters['options'] ?? ''}`.trim(),
          }
        : mysqlConnection(target, connectTimeout),
    pool: { min: 0, max: options.poolSize ?? 3, idleTimeoutMillis: 10_000, ...prepareSessions(target) },
    acquireConnectionTimeout: connectTimeout + 5_000,
    // A library does not print.
    log: { warn: ignore, error: ignore, deprecate: ignore, debug: ignore },
  });
}

interface RawSession {
  query(sql: string, done: (error: Error | null) => void): unknown;
}

function prepareSessions(target: ConnectionTarget) {
  const [first, ...others] = sessionSettings(target.engine);
  if (first === undefined) return {};
  return {
    afterCreate: (session: RawSession, done: (error: Error | null, session: RawSession) => void) => {
      session.query([first, ...others].join('; '), (error) => done(error, session));
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
