/** Sessions on MySQL and MariaDB, all alike: values as the server's own text, dates and big numbers unrounded, settings pinned. */
import mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { OpenOptions } from '../engine.js';

/** What shapes values as text, or silently changes them, is the same in every session of dbps. */
const PINNED = [
  "SET SESSION time_zone = '+00:00'",
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
  'SET NAMES utf8mb4',
] as const;

export interface MysqlSessionOptions extends OpenOptions {
  readonly readOnly?: boolean;
}

export async function connectionOptions(
  target: ConnectionTarget,
  options: MysqlSessionOptions,
): Promise<mysql.ConnectionOptions> {
  const { tls } = target;
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    password: (await target.revealPassword()) ?? '',
    connectTimeout: options.connectTimeoutMs ?? 10_000,
    connectAttributes: { program_name: options.applicationName },
    charset: 'utf8mb4_general_ci',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    decimalNumbers: false,
    multipleStatements: false,
    ...(tls !== false && {
      ssl: {
        rejectUnauthorized: tls.verify,
        ...(tls.ca !== undefined && { ca: tls.ca }),
        ...(tls.cert !== undefined && { cert: tls.cert }),
        ...(tls.key !== undefined && { key: tls.key }),
      },
    }),
  };
}

/** One session of its own. The caller ends it. */
export async function openMysqlSession(
  target: ConnectionTarget,
  options: MysqlSessionOptions,
): Promise<mysql.Connection> {
  const connection = await mysql.createConnection(await connectionOptions(target, options));
  // A lost connection rejects the query under way; without a listener it would also end the process.
  connection.on('error', () => undefined);
  try {
    for (const statement of PINNED) await connection.query(statement);
    // A read-only *transaction* still lets MariaDB create tables; a read-only session does not.
    if (options.readOnly === true) await connection.query('SET SESSION TRANSACTION READ ONLY');
  } catch (error) {
    connection.destroy();
    throw error;
  }
  return connection;
}

/** What introspection and checks need of a session. */
export interface MysqlQueryable {
  query(options: {
    readonly sql: string;
    readonly values?: readonly unknown[];
  }): Promise<readonly Readonly<Record<string, string | null>>[]>;
}

/** Rows by lower-case name, every value as text: information_schema's case differs between versions. */
export function queryable(connection: mysql.Connection): MysqlQueryable {
  return {
    query: async ({ sql, values }) => {
      const [rows] = await connection.query({
        sql,
        values: values as unknown[],
        typeCast: (field) => field.buffer()?.toString('utf8') ?? null,
      });
      return (rows as Record<string, string | null>[]).map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value])),
      );
    },
  };
}
