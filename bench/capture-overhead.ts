/**
 * What capturing costs the source: CPU of its server for each small transaction (three updates and an insert), with nothing captured, from the
 * log, and by triggers. In both captures a replicator of dbps follows until the last change has been brought over, to a server whose CPU is not
 * counted; what the log's sender, or reading the triggers' table, costs the source is.
 */
import fs from 'node:fs';
import type { Database, RelationMap } from '../src/engines/engine.js';
import { mysqlEngine } from '../src/engines/mysql/mysql-engine.js';
import { postgresEngine } from '../src/engines/postgres/postgres-engine.js';
import { BANK_MAPS, BANK_ROWS, BANK_SCHEMA, SMALL_TRANSACTIONS, type ApplyOptions } from './apply.js';
import { cpuSecondsBelow, median, print } from './measure.js';
import {
  MYSQL_BANK_MAPS,
  MYSQL_BANK_PROCEDURES,
  MYSQL_BANK_ROWS,
  MYSQL_BANK_SCHEMA,
} from './mysql-bank.js';
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
      work: async (transactions) => void (await query(url, SMALL_TRANSACTIONS(transactions))),
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
    for (const procedure of MYSQL_BANK_PROCEDURES) await mysqlQuery(servers.source, 'bank', procedure);
    const [row] = await mysqlQuery(servers.source, undefined, 'SELECT @@pid_file AS file');
    await measureSource(options, {
      engine: 'mysql',
      pid: Number(fs.readFileSync(String(row?.['file']), 'utf8')),
      maps: MYSQL_BANK_MAPS,
      work: async (transactions) =>
        void (await mysqlQuery(servers.source, 'bank', `CALL small_transactions(${transactions})`)),
      open: (side, capture) =>
        mysqlEngine.open(mysqlTarget(servers[side], 'bank'), { applicationName: 'dbps bench', capture }),
    });
  } finally {
    await servers.stop();
  }
}

async function measureSource(options: ApplyOptions, source: Source): Promise<void> {
  const transactions = Math.round(50_000 * options.scale);
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
