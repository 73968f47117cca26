/** What is written in one transaction of a MySQL-family server, as `analyze --observe` sees it in the binary log, and that nothing of the watching stays. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { observe } from '../../src/app/observe.js';
import type { Database } from '../../src/engines/engine.js';
import { loadEngine } from '../../src/engines/registry.js';
import { relationId } from '../../src/model/relation-id.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

let server: MysqlTestServer;
let database: MysqlTestDatabase;
let neighbour: MysqlTestDatabase;
let roles: Database;

beforeAll(async () => {
  server = await startMysqlServer({ 'log-bin': 'log', 'binlog-format': 'ROW' });
  database = await server.createDatabase(
    'CREATE TABLE orders (id INT PRIMARY KEY, note TEXT); CREATE TABLE keyless (id INT); CREATE TABLE `Order; drop--` (id INT)',
  );
  neighbour = await server.createDatabase('CREATE TABLE other (id INT PRIMARY KEY)');
  await server.query('CREATE DATABASE IF NOT EXISTS dbps');
  await server.query('CREATE TABLE dbps.checkpoint (id INT)');
  roles = await (await loadEngine('mysql')).open(database.target, { applicationName: 'dbps' });
});
afterAll(async () => {
  await roles?.close();
  await neighbour?.drop();
  await database?.drop();
  await server?.stop();
});

const id = (name: string) => relationId(database.name, name);
const readers = async () =>
  (await server.query('SHOW PROCESSLIST')).filter((row) => /Binlog Dump/.test(String(row['Command'])));

test('committed transactions of this database, each with what it wrote; nothing stays', async () => {
  const session = await database.connect();
  await session.query('BEGIN');
  await session.query('INSERT INTO keyless VALUES (50)');
  const watch = await roles.changes.watch?.({ signal: new AbortController().signal, pollMs: 20 });
  if (watch === undefined) throw new Error('this engine cannot watch');
  try {
    expect(watch.made).toContain('reader of the binary log from');
    expect(await readers()).toHaveLength(1);
    // Open when the watch began: it is in the log from its commit on.
    await session.query("INSERT INTO orders VALUES (1, 'BEGIN; INSERT INTO keyless')");
    await session.query('COMMIT');
    await session.query('BEGIN');
    await session.query('INSERT INTO keyless VALUES (7)');
    await session.query('ROLLBACK');
    await server.query(`INSERT INTO ${neighbour.name}.other VALUES (1)`);
    await session.query('BEGIN');
    await session.query("UPDATE orders SET note = 'y'");
    await session.query('INSERT INTO `Order; drop--` VALUES (1)');
    await session.query('DELETE FROM keyless');
    await session.query('COMMIT');
    await server.query(
      `START TRANSACTION; INSERT INTO dbps.checkpoint VALUES (1); INSERT INTO ${database.name}.orders VALUES (2, ''); INSERT INTO ${database.name}.keyless VALUES (2); COMMIT`,
    );
    await session.query('TRUNCATE orders');
    const seen: (readonly string[])[] = [];
    for await (const transactions of watch) {
      seen.push(...transactions.map(({ writes }) => writes));
      if (seen.length >= 3) break;
    }
    expect(seen).toEqual([
      [id('keyless'), id('orders')],
      [id('Order; drop--'), id('keyless'), id('orders')].sort(),
      [id('orders')],
    ]);
  } finally {
    await watch.close();
  }
  for (let left = 1; left > 0; left = (await readers()).length);
});

test('observe counts what was written together, for so long, and ends at once when it is called off', async () => {
  let isOver = false;
  const session = await database.connect();
  const writing = (async () => {
    for (let number = 100; !isOver; number++) {
      await session.query('BEGIN');
      await session.query(`INSERT INTO orders VALUES (${number}, '')`);
      await session.query(`INSERT INTO keyless VALUES (${number})`);
      await session.query('COMMIT');
    }
  })();
  const { seen, transactions } = await observe({
    target: database.target,
    forMs: 1000,
    emit: () => undefined,
    signal: new AbortController().signal,
  });
  isOver = true;
  await writing;
  expect(transactions).toBeGreaterThan(0);
  expect(seen).toEqual([{ writes: [id('keyless'), id('orders')], times: transactions }]);

  const stop = new AbortController();
  const quiet = observe({
    target: database.target,
    forMs: 3_600_000,
    emit: (event) => {
      if (event.type === 'progress') stop.abort();
    },
    signal: stop.signal,
  });
  await expect(quiet).rejects.toMatchObject({ name: 'AbortError' });
  for (let left = 1; left > 0; left = (await readers()).length);
});

test('a statement instead of rows is refused, not left out', async () => {
  const watch = await roles.changes.watch?.({ signal: new AbortController().signal, pollMs: 20 });
  if (watch === undefined) throw new Error('this engine cannot watch');
  try {
    await server.query("SET SESSION binlog_format = 'STATEMENT'");
    await server.query(`INSERT INTO ${database.name}.orders VALUES (90000, '')`);
    await server.query("SET SESSION binlog_format = 'ROW'");
    const next = async () => {
      for await (const transactions of watch) if (transactions.length > 0) return transactions;
      return [];
    };
    await expect(next()).rejects.toMatchObject({ code: 'DBPS_E359' });
  } finally {
    await watch.close();
  }
});

test('an account that may not read the log is told what to grant', async () => {
  await server.query("CREATE USER watcher@'%' IDENTIFIED BY 'w'");
  await server.query(`GRANT SELECT ON ${database.name}.* TO watcher@'%'`);
  try {
    const { target } = database;
    const { ConnectionTarget } = await import('../../src/model/connection-target.js');
    const poor = new ConnectionTarget({
      engine: 'mysql',
      host: target.host,
      port: target.port,
      user: 'watcher',
      password: async () => 'w',
      database: database.name,
      tls: false,
      parameters: {},
    });
    await expect(
      observe({
        target: poor,
        forMs: 100,
        emit: () => undefined,
        signal: new AbortController().signal,
      }),
    ).rejects.toMatchObject({
      code: 'DBPS_E405',
      hint: expect.stringContaining('GRANT REPLICATION SLAVE') as string,
    });
  } finally {
    await server.query("DROP USER watcher@'%'");
  }
});

test('a server without a log is refused with the setting', async () => {
  const bare = await startMysqlServer({ 'skip-log-bin': '' }, { exactly: true });
  try {
    const shop = await bare.createDatabase('CREATE TABLE t (id INT PRIMARY KEY)');
    await expect(
      observe({
        target: shop.target,
        forMs: 100,
        emit: () => undefined,
        signal: new AbortController().signal,
      }),
    ).rejects.toMatchObject({ code: 'DBPS_E359', hint: expect.stringContaining('log_bin') as string });
    await shop.drop();
  } finally {
    await bare.stop();
  }
});
