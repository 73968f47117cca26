/**
 * A private MariaDB server from Debian's mariadb-server-core, in a temporary directory on a free port: row log with GTIDs, full row
 * image. Works as root (the server drops to an account); stops with this process, even on SIGKILL.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort } from './embedded-postgres.js';

export interface PrivateMariadb {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  url(database?: string): string;
  stop(): Promise<void>;
}

export interface PrivateMariadbOptions {
  /** The server program: found by whoever calls, since only they know how to ask for it. */
  readonly program: string;
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** Where distributions keep what the server reads at its start: beside the program, or in /usr/share. */
function shareOf(program: string): string {
  const prefix = path.dirname(path.dirname(fs.realpathSync(program)));
  const folders = [path.join(prefix, 'share'), '/usr/share'].flatMap((share) =>
    ['mysql', 'mariadb'].map((name) => path.join(share, name)),
  );
  const found = folders.find((folder) => fs.existsSync(path.join(folder, BOOTSTRAP[0] as string)));
  if (found === undefined)
    throw new Error(`${program} is there, and ${BOOTSTRAP[0]} is in none of ${folders.join(', ')}`);
  return found;
}

const BOOTSTRAP = [
  'mysql_system_tables.sql',
  'mysql_performance_tables.sql',
  'mysql_system_tables_data.sql',
  'maria_add_gis_sp_bootstrap.sql',
  'mysql_sys_schema.sql',
];

let serverId = 1;

function account(): { readonly name: string; readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const rows = fs
    .readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const row = rows.find((r) => r[0] === 'mysql') ?? rows.find((r) => r[0] === 'nobody');
  if (row === undefined)
    throw new Error('running as root, and neither "mysql" nor "nobody" is in /etc/passwd');
  return { name: row[0] as string, uid: Number(row[2]), gid: Number(row[3]) };
}

export async function startPrivateMariadb(options: PrivateMariadbOptions): Promise<PrivateMariadb> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-mariadb-'));
  const data = path.join(directory, 'data');
  // A server clears its folder for temporary tables when it starts: never one that others use.
  const temporary = path.join(directory, 'tmp');
  for (const folder of [data, temporary]) fs.mkdirSync(folder);
  const as = account();
  fs.chmodSync(directory, 0o755);
  if (as !== null) for (const file of [directory, data, temporary]) fs.chownSync(file, as.uid, as.gid);
  const user = as === null ? [] : [`--user=${as.name}`];

  const share = shareOf(options.program);
  // The server's own bootstrap SQL: no shell script, no help tables.
  const sql = [
    'CREATE DATABASE IF NOT EXISTS mysql;',
    'USE mysql;',
    'SET @auth_root_socket = NULL;',
    ...BOOTSTRAP.map((file) => fs.readFileSync(path.join(share, file), 'utf8')),
  ].join('\n');
  const bootstrap = spawnSync(
    options.program,
    [
      '--no-defaults',
      '--bootstrap',
      `--datadir=${data}`,
      `--tmpdir=${temporary}`,
      ...user,
      '--log-warnings=0',
      '--enforce-storage-engine=',
      '--innodb-log-file-size=16M',
      `--lc-messages-dir=${share}`,
    ],
    { input: sql, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (bootstrap.status !== 0)
    throw new Error(`mariadbd could not be set up: ${bootstrap.stderr.slice(-2000)}`);

  const password = randomBytes(12).toString('hex');
  const init = path.join(directory, 'init.sql');
  fs.writeFileSync(
    init,
    [
      'SET SESSION sql_log_bin = 0;',
      `ALTER USER root@localhost IDENTIFIED BY '${password}';`,
      `CREATE USER IF NOT EXISTS root@'127.0.0.1' IDENTIFIED BY '${password}';`,
      "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;",
      '',
    ].join('\n'),
    { mode: 0o644 },
  );
  const port = await freePort();
  const settings = {
    'log-bin': 'binlog',
    'binlog-format': 'ROW',
    'binlog-row-image': 'FULL',
    'binlog-row-metadata': 'FULL',
    'server-id': serverId++,
    'gtid-strict-mode': 1,
    'local-infile': 1,
    'bind-address': '127.0.0.1',
    tmpdir: temporary,
    socket: path.join(directory, 's.sock'),
    'pid-file': path.join(directory, 'pid'),
    'innodb-flush-log-at-trx-commit': 0,
    'sync-binlog': 0,
    'innodb-buffer-pool-size': '128M',
    'character-set-server': 'utf8mb4',
    'performance-schema': 'OFF',
    'init-file': init,
    ...options.settings,
  };
  const server = spawn(
    '/bin/sh',
    [
      '-c',
      '"$@" & p=$!; read _; kill $p 2>/dev/null; wait $p',
      'dbps',
      options.program,
      '--no-defaults',
      `--datadir=${data}`,
      `--port=${port}`,
      ...user,
      ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    ],
    // In a session of its own: a Ctrl-C at the terminal would end the shell, and nobody would read the pipe any more.
    { cwd: directory, stdio: ['pipe', 'ignore', 'pipe'], detached: true },
  );
  const { stdin, stderr } = server;
  let log = '';
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`mariadbd did not start in 60 s: ${log.slice(-2000)}`)),
      60_000,
    );
    const settle = (error?: Error) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve();
    };
    stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-20_000);
      if (/ready for connections/.test(log)) settle();
      else if (/\[ERROR\].*Aborting/.test(log))
        settle(new Error(`mariadbd did not start: ${log.slice(-2000)}`));
    });
    server.once('close', () => settle(new Error(`mariadbd ended at once: ${log.slice(-2000)}`)));
  });
  stderr.resume();
  server.unref();
  (stderr as unknown as { unref?: () => void }).unref?.();
  (stdin as unknown as { unref?: () => void }).unref?.();

  return {
    host: '127.0.0.1',
    port,
    user: 'root',
    password,
    url: (database = '') => `mysql://root:${password}@127.0.0.1:${port}/${database}`,
    stop: () =>
      new Promise((resolve) => {
        const finish = () => {
          fs.rmSync(directory, { recursive: true, force: true });
          resolve();
        };
        if (server.exitCode !== null || server.signalCode !== null) {
          finish();
          return;
        }
        // Referenced again, or a process with nothing else to do would end here before the server has; `close` would wait for a pipe
        // that no longer counts.
        server.ref();
        server.once('exit', finish);
        stdin.end();
      }),
  };
}
