/** Two private servers with the settings of the peers' study, and programs that talk to them. */
import { spawn } from 'node:child_process';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/demo/embedded-postgres.js';
import { ConnectionTarget } from '../src/model/connection-target.js';

export interface BenchServers {
  readonly source: EmbeddedPostgres;
  readonly target: EmbeddedPostgres;
  stop(): Promise<void>;
}

/** PostgreSQL 15 on both sides: what Debian's pgcopydb and psql of the same release speak best. */
export async function startServers(): Promise<BenchServers> {
  const settings = {
    shared_buffers: '1GB',
    maintenance_work_mem: '512MB',
    work_mem: '32MB',
    max_wal_size: '8GB',
    checkpoint_timeout: '15min',
    timezone: 'UTC',
  };
  const start = () => startEmbeddedPostgres({ package: 'embedded-postgres-15', settings });
  const [source, target] = await Promise.all([start(), start()]);
  return {
    source,
    target,
    stop: async () => {
      await Promise.all([source.stop(), target.stop()]);
    },
  };
}

export async function query<R extends pg.QueryResultRow>(url: string, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<R>(sql);
    return (Array.isArray(result) ? (result as unknown as pg.QueryResult<R>[]).at(-1) : result)?.rows ?? [];
  } finally {
    await client.end();
  }
}

export async function emptyDatabase(server: EmbeddedPostgres, name: string): Promise<string> {
  await query(server.url(), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await query(server.url(), `CREATE DATABASE ${name}`);
  await query(server.url(name), 'CHECKPOINT');
  return server.url(name);
}

export function targetOf(server: EmbeddedPostgres, database: string): ConnectionTarget {
  return new ConnectionTarget({
    engine: 'postgres',
    host: server.host,
    port: server.port,
    user: server.user,
    database,
    password: async () => server.password,
    tls: false,
    parameters: {},
  });
}

/** @throws with what it said when it fails. */
export function run(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...environment },
    });
    let said = '';
    child.stderr.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-4000)));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} exited ${code}: ${said}`)),
    );
  });
}

/** False, with a line that says how to get it, when a peer is not on this machine. */
export async function has(command: string, hint: string): Promise<boolean> {
  try {
    await run(command, ['--version']);
    return true;
  } catch {
    process.stdout.write(`${JSON.stringify({ skipped: command, hint })}\n`);
    return false;
  }
}

/** A few at a time, in order. */
export async function parallel(jobs: number, work: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = [...work];
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
    }),
  );
}
