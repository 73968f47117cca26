/** Copying rows from one MariaDB to another: against files written and read by the servers themselves (the bound), and mydumper with myloader. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { RelationMap } from '../src/engines/engine.js';
import { MysqlCaptureObserver } from '../src/engines/mysql/mysql-change-source.js';
import { MysqlPool } from '../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../src/engines/mysql/mysql-control.js';
import { normaliseType } from '../src/engines/mysql/mysql-flavor.js';
import { MysqlSinkFactory } from '../src/engines/mysql/mysql-sink.js';
import { MysqlSnapshot } from '../src/engines/mysql/mysql-snapshot.js';
import { copyRelations } from '../src/migration/copier.js';
import { measure, type Contender } from './measure.js';
import {
  MYSQL_CREATE,
  MYSQL_TABLES,
  mysqlFill,
  mysqlQuery,
  mysqlTarget,
  startMysqlServers,
} from './mysql-servers.js';
import type { CopyOptions } from './copy.js';
import { has, parallel, run } from './servers.js';

const JOBS = 2;
const OWNER = { service: 'shop', epoch: 1 } as const;
const OPTIONS = { applicationName: 'dbps bench', poolSize: 4 } as const;

export async function benchCopyMysql(options: CopyOptions): Promise<void> {
  const servers = await startMysqlServers();
  // Both servers write and read here, under accounts of their own.
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-bench-'));
  fs.chmodSync(scratch, 0o777);
  try {
    const { source, target } = servers;
    const { sql, rows } = mysqlFill(options.scale);
    await mysqlQuery(source, undefined, 'CREATE DATABASE shop');
    await mysqlQuery(source, 'shop', MYSQL_CREATE + sql);
    const maps = await mapsOf();
    const prepare = async () => {
      await mysqlQuery(
        target,
        undefined,
        'DROP DATABASE IF EXISTS dbps; DROP DATABASE IF EXISTS t1; CREATE DATABASE t1; PURGE BINARY LOGS BEFORE NOW()',
      );
      await mysqlQuery(target, 't1', MYSQL_CREATE);
    };
    const check = async () => {
      const counts = MYSQL_TABLES.map((table) => `(SELECT COUNT(*) FROM ${table})`).join(' + ');
      const [found] = await mysqlQuery(target, 't1', `SELECT ${counts} AS n`);
      if (Number(found?.['n']) !== rows) throw new Error(`${String(found?.['n'])} rows arrived, not ${rows}`);
    };
    const login = (server: typeof source) => [
      '-h',
      server.host,
      '-P',
      String(server.port),
      '-u',
      server.user,
      '-p',
      server.password,
    ];
    const contenders: Contender[] = [
      {
        name: 'OUTFILE and LOAD DATA (the bound)',
        prepare,
        check,
        run: () =>
          parallel(
            JOBS,
            MYSQL_TABLES.map((table) => async () => {
              const file = path.join(scratch, table);
              fs.rmSync(file, { force: true });
              await mysqlQuery(
                source,
                'shop',
                `SELECT * INTO OUTFILE '${file}' CHARACTER SET utf8mb4 FROM ${table}`,
              );
              await mysqlQuery(
                target,
                't1',
                `SET foreign_key_checks = 0; LOAD DATA INFILE '${file}' INTO TABLE ${table} CHARACTER SET utf8mb4`,
              );
            }),
          ),
      },
      { name: 'dbps', prepare, check, run: copy },
    ];
    if (await has('mydumper', 'apt-get install mydumper'))
      contenders.push({
        name: 'mydumper -r, myloader',
        prepare,
        check,
        run: async () => {
          const dump = path.join(scratch, 'mydumper');
          fs.rmSync(dump, { recursive: true, force: true });
          await run('mydumper', [
            ...login(source),
            '-B',
            'shop',
            '-t',
            String(JOBS),
            '-r',
            '100000',
            '-o',
            dump,
          ]);
          // With the target's log on, as for everybody else here.
          await run('myloader', [...login(target), '-B', 't1', '-t', String(JOBS), '-o', '-e', '-d', dump]);
        },
      });
    await measure({
      bench: 'copy-mysql',
      measure: 'data only',
      rows,
      rounds: options.rounds,
      peer: contenders.at(-1)?.name ?? '',
      contenders,
    });

    async function mapsOf(): Promise<readonly RelationMap[]> {
      const columns = await mysqlQuery(
        source,
        undefined,
        `SELECT table_name AS relation, column_name AS name, column_type AS type FROM information_schema.columns
          WHERE table_schema = 'shop' ORDER BY ordinal_position`,
      );
      return MYSQL_TABLES.map((table) => ({
        source: `shop.${table}`,
        target: `t1.${table}`,
        columns: columns
          .filter((column) => column['relation'] === table)
          .map((column) => {
            const [name, type] = [String(column['name']), normaliseType(String(column['type']))];
            return { name, target: name, sourceType: type, targetType: type };
          }),
        key: ['id'],
        leaves: [`shop.${table}`],
        hasOtherUniqueness: false,
      }));
    }

    async function copy(): Promise<Readonly<Record<string, unknown>>> {
      const [from, to] = [mysqlTarget(source, 'shop'), mysqlTarget(target, 't1')];
      const [legacy, pool] = await Promise.all([MysqlPool.open(from, OPTIONS), MysqlPool.open(to, OPTIONS)]);
      const snapshot = new MysqlSnapshot(from, OPTIONS, new MysqlCaptureObserver(legacy, from));
      const control = new MysqlControl(pool);
      await control.install(OWNER.service);
      await control.raiseEpoch(OWNER);
      const stream = { service: OWNER.service, direction: 'forward' } as const;
      const sink = await new MysqlSinkFactory(pool, to, OPTIONS).open({ stream, owner: OWNER, maps });
      const cpu = process.cpuUsage();
      const outcome = await copyRelations({
        service: OWNER.service,
        owner: OWNER,
        maps,
        snapshot,
        sink,
        ddlRunner: { run: async () => undefined },
        statements: [],
        later: (a, b) => (a > b ? a : b),
        chunkRows: options.chunkRows,
        jobs: JOBS,
        emit: () => undefined,
        signal: new AbortController().signal,
        now: () => Date.now(),
        at: async () => undefined,
      });
      const { user, system } = process.cpuUsage(cpu);
      await sink.close();
      await snapshot.close();
      await pool.close();
      await legacy.close();
      return { cpuSeconds: (user + system) / 1e6, megabytes: Math.round(outcome.bytes / 1e6) };
    }
  } finally {
    await servers.stop();
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}
