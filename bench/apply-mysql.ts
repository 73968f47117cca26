/**
 * Applying a backlog of changes on MariaDB, against the server's own replication (one thread, its default): the same two kinds of transactions
 * as on PostgreSQL. Both read the same log from the same place, both write to a server of their own that began equal and keeps a log of what it
 * applies; the clock runs until a marker row behind the last change is there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { mysqlEngine } from '../src/engines/mysql/mysql-engine.js';
import type { ApplyOptions } from './apply.js';
import { measure } from './measure.js';
import { MYSQL_BANK_MAPS, MYSQL_BANK_PROCEDURES, MYSQL_BANK_ROWS, MYSQL_BANK_SCHEMA } from './mysql-bank.js';
import {
  mysqlQuery,
  mysqlTarget,
  startMysqlServer,
  startMysqlServers,
  type MysqlBenchServers,
} from './mysql-servers.js';
import { Replay } from './replay.js';

type Server = MysqlBenchServers['source'];

export async function benchApplyMysql(options: ApplyOptions): Promise<void> {
  const servers = await startMysqlServers();
  const replica = await startMysqlServer({ 'log-slave-updates': 1, 'replicate-wild-do-table': 'bank.%' });
  try {
    const { source, target } = servers;
    for (const server of [source, target, replica]) {
      await mysqlQuery(server, undefined, 'CREATE DATABASE bank');
      await mysqlQuery(server, 'bank', MYSQL_BANK_SCHEMA + MYSQL_BANK_ROWS);
    }
    for (const procedure of MYSQL_BANK_PROCEDURES) await mysqlQuery(source, 'bank', procedure);
    const open = { applicationName: 'dbps bench' };
    const legacy = await mysqlEngine.open(mysqlTarget(source, 'bank'), open);
    const service = await mysqlEngine.open(mysqlTarget(target, 'bank'), open);
    const own = new Replay(legacy, service, MYSQL_BANK_MAPS, 'bank');
    await own.install();
    await own.prepare();
    const [at] = await mysqlQuery(source, undefined, 'SHOW MASTER STATUS');
    await mysqlQuery(
      replica,
      undefined,
      `CHANGE MASTER TO master_host = '${source.host}', master_port = ${source.port}, master_user = '${source.user}',
         master_password = '${source.password}', master_log_file = '${String(at?.['File'])}', master_log_pos = ${Number(at?.['Position'])}`,
    );
    let markers = 0;
    const native = async () => {
      markers++;
      await mysqlQuery(source, 'bank', `INSERT INTO marker VALUES (${markers})`);
      await mysqlQuery(replica, undefined, 'START SLAVE');
      while ((await mysqlQuery(replica, 'bank', `SELECT 1 FROM marker WHERE id = ${markers}`)).length === 0) {
        const [status] = await mysqlQuery(replica, undefined, 'SHOW SLAVE STATUS');
        const error = [status?.['Last_IO_Error'], status?.['Last_SQL_Error']].join('').trim();
        if (error !== '') throw new Error(`native replication: ${error}`);
        await sleep(10);
      }
      await mysqlQuery(replica, undefined, 'STOP SLAVE');
    };
    const checksums = async (server: Server) =>
      JSON.stringify(
        await mysqlQuery(server, 'bank', 'CHECKSUM TABLE accounts, tellers, branches, history EXTENDED'),
      );
    const check = async () => {
      const expected = await checksums(source);
      for (const server of [target, replica])
        if ((await checksums(server)) !== expected) throw new Error('a copy and the source differ');
    };
    const total = Math.round(200_000 * options.scale);
    for (const [name, call] of [
      ['small transactions', `CALL small_transactions(${total / 4})`],
      ['large transactions', `CALL large_transactions(${total / 1000})`],
    ] as const)
      await measure({
        bench: 'apply-mysql',
        measure: name,
        rows: total,
        rounds: options.rounds,
        peer: 'native',
        contenders: [
          { name: 'native', prepare: async () => void (await mysqlQuery(source, 'bank', call)), run: native },
          { name: 'dbps', run: async () => ({ ...(await own.apply()) }), check },
        ],
      });
    await own.teardown();
    await Promise.all([legacy.close(), service.close()]);
  } finally {
    await Promise.all([servers.stop(), replica.stop()]);
  }
}
