/**
 * What capturing costs the source: CPU of its server for each small transaction (BEGIN, three updates, an insert, COMMIT, each sent by itself, by
 * four clients), with nothing captured, from the log, and by triggers. In both captures a replicator of dbps follows until the last change has been brought over, to a server whose CPU is not
 * counted; what the log's sender, or reading the triggers' table, costs the source is.
 */
import fs from 'node:fs';
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { Database, RelationMap } from '../src/engines/engine.js';
import { mysqlEngine } from '../src/engines/mysql/mysql-engine.js';
import { postgresEngine } from '../src/engines/postgres/postgres-engine.js';
import { BANK_MAPS, BANK_ROWS, BANK_SCHEMA, type ApplyOptions } from './apply.js';
import { cpuSecondsBelow, median, print } from './measure.js';
import { MYSQL_BANK_MAPS, MYSQL_BANK_ROWS, MYSQL_BANK_SCHEMA } from './mysql-bank.js';
import { mysqlQuery, mysqlTarget, startMysqlServers } from './mysql-servers.js';
import { Replay } from './replay.js';
import { emptyDatabase, query, startServers, targetOf } from './servers.js';

/** What both engines give this bench. */
interface Source {
  readonly engine: 'postgres' | 'mysql';
  /** Of the source's server. */
  readonly pid: number;
  readonly maps: readonly RelationMap[];
  work(transactions: number): Promise<void>;
  open(side: 'source' | 'target', capture: 'log' | 'trigger'): Promise<Database>;
}

const CLIENTS = 4;

interface Client {
  run(sql: string): Promise<unknown>;
  end(): Promise<void>;
}

let last = 0;

async function fromClients(transactions: number, connect: () => Promise<Client>): Promise<void> {
  const until = last + transactions;
  const pick = (of: number) => 1 + Math.floor(Math.random() * of);
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const client = await connect();
      while (last < until) {
        const [id, account, teller, branch] = [++last, pick(400_000), pick(100), pick(10)];
        await client.run('BEGIN');
        await client.run(`UPDATE accounts SET balance = balance + ${id} WHERE id = ${account}`);
        await client.run(`UPDATE tellers SET balance = balance + 1 WHERE id = ${teller}`);
        await client.run(`UPDATE branches SET balance = balance + 1 WHERE id = ${branch}`);
        await client.run(
          `INSERT INTO history VALUES (${id}, ${teller}, ${branch}, ${account}, 1, '2026-01-01', '')`,
        );
        await client.run('COMMIT');
      }
      await client.end();
    }),
  );
}

export async function benchCaptureOverhead(options: ApplyOptions): Promise<void> {
  await onPostgres(options);
  await onMysql(options);
}

async function onPostgres(options: ApplyOptions): Promise<void> {
  const servers = await startServers();
  try {
    for (const server of [servers.source, servers.target])
      await query(await emptyDatabase(server, 'bank'), `${BANK_SCHEMA} ${BANK_ROWS} ANALYZE`);
    const url = servers.source.url('bank');
    const [row] = await query<{ pid: string }>(url, "SELECT (pg_read_file('postmaster.pid')) AS pid");
    await measureSource(options, {
      engine: 'postgres',
      pid: Number(row?.pid.split('\n')[0]),
      maps: BANK_MAPS,
      work: (transactions) =>
        fromClients(transactions, async () => {
          const client = new pg.Client({ connectionString: url });
          await client.connect();
          return { run: (sql) => client.query(sql), end: () => client.end() };
        }),
      open: (side, capture) =>
        postgresEngine.open(targetOf(servers[side], 'bank'), { applicationName: 'dbps bench', capture }),
    });
  } finally {
    await servers.stop();
  }
}

async function onMysql(options: ApplyOptions): Promise<void> {
  const servers = await startMysqlServers();
  try {
    for (const server of [servers.source, servers.target]) {
      await mysqlQuery(server, undefined, 'CREATE DATABASE bank');
      await mysqlQuery(server, 'bank', MYSQL_BANK_SCHEMA + MYSQL_BANK_ROWS);
    }
    const [row] = await mysqlQuery(servers.source, undefined, 'SELECT @@pid_file AS file');
    await measureSource(options, {
      engine: 'mysql',
      pid: Number(fs.readFileSync(String(row?.['file']), 'utf8')),
      maps: MYSQL_BANK_MAPS,
      work: (transactions) =>
        fromClients(transactions, async () => {
          const { host, port, user, password } = servers.source;
          const client = await mysql.createConnection({ host, port, user, password, database: 'bank' });
          return { run: (sql) => client.query(sql), end: () => client.end() };
        }),
      open: (side, capture) =>
        mysqlEngine.open(mysqlTarget(servers[side], 'bank'), { applicationName: 'dbps bench', capture }),
    });
  } finally {
    await servers.stop();
  }
}

async function measureSource(options: ApplyOptions, source: Source): Promise<void> {
  const transactions = Math.round(20_000 * options.scale);
  const found: Record<string, number[]> = { bare: [], log: [], trigger: [] };
  // Pages are read, plans are made.
  await source.work(Math.ceil(transactions / 10));
  for (let round = 0; round < options.rounds; round++) {
    for (const capture of ['bare', 'log', 'trigger'] as const) {
      const costs = async (work: () => Promise<void>) => {
        const before = cpuSecondsBelow(source.pid);
        await work();
        found[capture]?.push(((cpuSecondsBelow(source.pid) - before) * 1e6) / transactions);
      };
      if (capture === 'bare') {
        await costs(() => source.work(transactions));
        continue;
      }
      const legacy = await source.open('source', capture);
      const service = await source.open('target', capture);
      try {
        const replay = new Replay(legacy, service, source.maps, `bank_${capture}`);
        await replay.install();
        await replay.prepare();
        const replicator = await replay.begin();
        await costs(async () => {
          await source.work(transactions);
          await replay.catchUp(replicator);
        });
        await replicator.stop();
        await replay.teardown();
      } finally {
        await Promise.all([legacy.close(), service.close()]);
      }
    }
  }
  const bare = found['bare'] ?? [];
  for (const [capture, own] of Object.entries(found))
    print({
      bench: 'capture-overhead',
      engine: source.engine,
      capture,
      transactions,
      cpuMicrosecondsPerTransaction: Math.round(median(own)),
      peer: 'bare',
      ratio: Number((median(own) / median(bare)).toFixed(2)),
      rounds: own.map((value) => Math.round(value)),
    });
}
