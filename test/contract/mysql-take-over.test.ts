/** H7 on the MySQL family: a former owner who is frozen in a transaction, as an account without SUPER. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lockMysqlEpoch, MysqlPool, openMysqlSession } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

let server: MysqlTestServer;
let database: MysqlTestDatabase;
let pool: MysqlPool;

beforeAll(async () => {
  // Shorter than the grace: the take-over has to hold out by itself.
  server = await startMysqlServer({ 'innodb-lock-wait-timeout': 1 });
  database = await server.createDatabase('CREATE TABLE rows_of_his (id int PRIMARY KEY)');
  pool = await MysqlPool.open(database.target, { applicationName: 'dbps test' });
  const control = new MysqlControl(pool);
  await control.install('orders');
  await control.raiseEpoch({ service: 'orders', epoch: 1 });
});
afterAll(async () => {
  await pool?.close();
  await database?.drop();
  await server?.stop();
});

test('H7: a former owner who is frozen in a transaction does not keep a take-over waiting for ever', async () => {
  const freeze = async (id: number) => {
    const frozen = await openMysqlSession(database.target, { applicationName: 'dbps orders apply' });
    await frozen.query('START TRANSACTION');
    await lockMysqlEpoch(frozen, { service: 'orders', epoch: 1 });
    await frozen.query('INSERT INTO rows_of_his VALUES (?)', [id]);
    return frozen;
  };
  const frozen = [await freeze(1), await freeze(2)];

  await new MysqlControl(pool, 1_500).raiseEpoch({ service: 'orders', epoch: 2 });

  expect(await new MysqlControl(pool).readEpoch('orders')).toBe(2);
  // His transactions are rolled back, and he finds his sessions gone.
  for (const session of frozen) {
    await expect(session.query('COMMIT')).rejects.toThrow();
    session.destroy();
  }
  expect(await database.query('SELECT * FROM rows_of_his')).toEqual([]);
});

test('what another account holds is waited for, and its session is left alone', async () => {
  const url = new URL(server.rootUrl);
  url.pathname = `/${database.name}`;
  const stranger = await database.connect(url.href);
  await stranger.query('START TRANSACTION');
  await stranger.query("SELECT epoch FROM dbps.epoch WHERE service = 'orders' LOCK IN SHARE MODE");
  let isTaken = false;
  const taking = new MysqlControl(pool, 100)
    .raiseEpoch({ service: 'orders', epoch: 3 })
    .then(() => (isTaken = true));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(isTaken).toBe(false);
  await stranger.query('COMMIT');
  await taking;
});
