/**
 * A MySQL-family server for one test file: a private MariaDB in a temporary directory, or the server that DBPS_TEST_MYSQL_URL names (as
 * an account that may create accounts and databases); a file that starts a second one gets that of DBPS_TEST_MYSQL_URL_2. What such a server lets be set while it runs is set
 * as a test asks, and put back; who asks for no log or no performance_schema gets DBPS_TEST_MYSQL_URL_BARE, one that was started without both. dbps works as an account without SUPER; the
 * application has nothing but row writes.
 */
import { randomBytes } from 'node:crypto';
import mysql from 'mysql2/promise';
import { startPrivateMariadb } from '../../src/demo/private-mariadb.js';
import { ConnectionTarget } from '../../src/model/connection-target.js';
import { debianProgram } from './debian-program.js';
import { ADMIN, APPLICATION } from './global-setup.js';

export interface MysqlTestServer {
  readonly isMaria: boolean;
  readonly host: string;
  readonly port: number;
  /** As the account that may do everything: to set a stage, never for dbps itself. */
  readonly rootUrl: string;
  /** One statement as that account. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  createDatabase(sql?: string): Promise<MysqlTestDatabase>;
  /** dbps's account on this server, with `database` (need not exist). */
  target(database: string): ConnectionTarget;
  stop(): Promise<void>;
}

export interface MysqlTestDatabase {
  readonly name: string;
  /** As the account that dbps runs as. */
  readonly target: ConnectionTarget;
  readonly url: string;
  /** As the application. */
  readonly applicationUrl: string;
  /** One statement as dbps's account. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** A connection of its own, closed by `drop`; as dbps's account unless another URL is given. */
  connect(url?: string): Promise<mysql.Connection>;
  drop(): Promise<void>;
}

/** What dbps's account may do on the whole server; everything else is granted per database. */
const SERVER_WIDE = ['REPLICATION SLAVE', 'REPLICATION CLIENT', 'PROCESS', 'CREATE USER', 'RELOAD'];

/** Servers given from outside are handed out in turn: a file that asks for two gets two. */
const GIVEN = ['DBPS_TEST_MYSQL_URL', 'DBPS_TEST_MYSQL_URL_2'].flatMap((name) => process.env[name] ?? []);
let handedOut = 0;

/** Numbers for INSERT … SELECT: MariaDB's sequence tables, written out where the server is none. */
const forMysql = (sql: string, isSince82: boolean): string =>
  sql
    .replace(/^SHOW MASTER STATUS$/, (said) => (isSince82 ? 'SHOW BINARY LOG STATUS' : said))
    // It always says at least as much as that.
    .replace(/^SET GLOBAL binlog_row_metadata = NO_LOG$/, 'SET GLOBAL binlog_row_metadata = MINIMAL')
    .replace(/^RESET MASTER$/, (said) => (isSince82 ? 'RESET BINARY LOGS AND GTIDS' : said))
    .replace(
      /\bseq_(\d+)_to_(\d+)\b(?!\.)/g,
      (name, from, to) =>
        `(WITH RECURSIVE s (seq) AS (SELECT ${from} UNION ALL SELECT seq + 1 FROM s WHERE seq < ${to}) SELECT seq FROM s) AS ${name}`,
    );

type Settings = Readonly<Record<string, string | number>>;

/** Taken only by a server that starts. */
const BARE = process.env['DBPS_TEST_MYSQL_URL_BARE'];
const isBare = (settings: Settings): boolean =>
  'skip-log-bin' in settings || settings['performance_schema'] === 'OFF';

/** What a running server refuses to be set: unknown to it (MariaDB's in MySQL), read-only while it runs, not a value of its. */
const NOT_NOW = [1193, 1238, 1231];

/** @returns what puts the settings back. */
async function set(
  query: MysqlTestServer['query'],
  settings: Settings,
  isMaria: boolean,
): Promise<() => Promise<void>> {
  const before: [string, unknown][] = [];
  for (const [asked, wanted] of Object.entries(settings)) {
    const inDays = !isMaria && asked === 'expire-logs-days';
    const name = inDays ? 'binlog_expire_logs_seconds' : asked.replaceAll('-', '_');
    const value = inDays ? Number(wanted) * 86_400 : wanted;
    try {
      const [row] = await query(`SELECT @@global.${name} AS now`);
      await query(`SET GLOBAL ${name} = ?`, [value]);
      before.unshift([name, row?.['now']]);
    } catch (error) {
      if (!NOT_NOW.includes((error as { errno?: number }).errno ?? 0)) throw error;
    }
  }
  return async () => {
    for (const [name, value] of before)
      // Numbers are read as text where they are large.
      await query(`SET GLOBAL ${name} = ?`, [/^\d+$/.test(String(value)) ? Number(value) : value]);
  };
}

/** `exactly`: a server as asked, if need be a private one where another was given. */
export async function startMysqlServer(
  settings: Settings = {},
  { exactly = false }: { readonly exactly?: boolean } = {},
): Promise<MysqlTestServer> {
  const shared = GIVEN.length === 0 ? undefined : GIVEN[handedOut++ % GIVEN.length];
  const given = !isBare(settings) ? shared : (BARE ?? (exactly ? undefined : shared));
  const server =
    given !== undefined
      ? { rootUrl: given, stop: async () => undefined }
      : await startPrivateMariadb({
          program: debianProgram(['mariadbd', 'mysqld'], 'mariadb-server-core'),
          settings: { 'log-bin-trust-function-creators': 1, ...settings },
        }).then((started) => ({ rootUrl: started.url(), stop: () => started.stop() }));
  const at = new URL(server.rootUrl);
  const host = at.hostname;
  const port = Number(at.port);
  const root = await mysql.createConnection({
    host,
    port,
    user: decodeURIComponent(at.username),
    password: decodeURIComponent(at.password),
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    multipleStatements: true,
  });
  root.on('error', () => undefined);
  const [[about]] = (await root.query('SELECT VERSION() AS version')) as unknown as [[{ version: string }]];
  const isMaria = about.version.includes('MariaDB');
  const isSince82 = !/^8\.[01]\./.test(about.version);
  const fit = (sql: string): string => (isMaria ? sql : forMysql(sql, isSince82));
  const asRoot = async (sql: string, values?: unknown[]) => {
    const [rows] = await root.query(fit(sql), values);
    return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
  };
  if (given !== undefined) await root.query('DROP DATABASE IF EXISTS dbps');
  const putBack = given === undefined ? async () => undefined : await set(asRoot, settings, isMaria);
  // What a sequence is written out as is deeper than the server lets a query go.
  if (!isMaria) await root.query('SET GLOBAL cte_max_recursion_depth = 100000');
  for (const { user, password } of [ADMIN, APPLICATION]) {
    await asRoot(`CREATE USER IF NOT EXISTS '${user}'@'%' IDENTIFIED BY ${root.escape(password)}`);
  }
  await asRoot(`GRANT ${SERVER_WIDE.join(', ')} ON *.* TO '${ADMIN.user}'@'%'`);
  // What SEC215 asks for: MySQL has no PUBLIC, so dbps has to see whom it lets read dbps.route.
  if (!isMaria) {
    await asRoot(`GRANT SELECT ON mysql.* TO '${ADMIN.user}'@'%'`);
    // And SEC216.
    await asRoot(`GRANT SELECT ON performance_schema.* TO '${ADMIN.user}'@'%'`);
  }
  for (const database of ['`dbps`', '`t\\_%`'])
    await asRoot(`GRANT ALL ON ${database}.* TO '${ADMIN.user}'@'%' WITH GRANT OPTION`);

  const urlOf = (account: typeof ADMIN | typeof APPLICATION, database: string) =>
    `mysql://${account.user}:${encodeURIComponent(account.password)}@${host}:${port}/${database}`;
  const target = (database: string) =>
    new ConnectionTarget({
      engine: 'mysql',
      host,
      port,
      user: ADMIN.user,
      database,
      password: async () => ADMIN.password,
      tls: false,
      parameters: {},
    });

  return {
    isMaria,
    host,
    port,
    rootUrl: server.rootUrl,
    query: asRoot,
    target,
    createDatabase: async (sql) => {
      const name = `t_${randomBytes(6).toString('hex')}`;
      await asRoot(`CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`);
      await asRoot(
        `GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON \`${name}\`.* TO '${APPLICATION.user}'@'%'`,
      );
      const url = urlOf(ADMIN, name);
      const open: mysql.Connection[] = [];
      const connect = async (to = url) => {
        const account = new URL(to);
        const connection = await mysql.createConnection({
          host,
          port,
          user: decodeURIComponent(account.username),
          password: decodeURIComponent(account.password),
          database: account.pathname.slice(1),
          dateStrings: true,
          supportBigNumbers: true,
          bigNumberStrings: true,
          multipleStatements: true,
        });
        connection.on('error', () => undefined);
        if (!isMaria) {
          const query = connection.query.bind(connection) as (sql: unknown, values?: unknown) => unknown;
          Object.assign(connection, {
            query: (sql: unknown, values?: unknown) =>
              query(typeof sql === 'string' ? fit(sql) : sql, values),
          });
        }
        open.push(connection);
        return connection;
      };
      const owner = await connect();
      if (sql !== undefined) await owner.query(sql);
      return {
        name,
        url,
        applicationUrl: urlOf(APPLICATION, name),
        target: target(name),
        connect,
        query: async (text, values) => {
          const [rows] = await owner.query(text, values);
          return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
        },
        drop: async () => {
          await Promise.all(open.map((connection) => connection.end().catch(() => undefined)));
          await asRoot(`DROP DATABASE IF EXISTS \`${name}\``);
          // A test may have taken it away already.
          await asRoot(`REVOKE ALL ON \`${name}\`.* FROM '${APPLICATION.user}'@'%'`).catch(
            (error: unknown) => {
              if ((error as { errno?: number }).errno !== 1141) throw error;
            },
          );
        },
      };
    },
    stop: async () => {
      await putBack();
      await root.end().catch(() => root.destroy());
      await server.stop();
    },
  };
}
