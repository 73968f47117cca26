import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPrivateMariadb, type PrivateMariadb } from '../../src/demo/private-mariadb.js';
import { MysqlPool, lockMysqlEpoch } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { ConnectionTarget } from '../../src/model/connection-target.js';
import { debianProgram } from '../support/debian-program.js';

let server: PrivateMariadb;
let pool: MysqlPool;
let control: MysqlControl;

beforeAll(async () => {
  server = await startPrivateMariadb({
    program: debianProgram(['mariadbd', 'mysqld'], 'mariadb-server-core'),
  });
  pool = await MysqlPool.open(
    new ConnectionTarget({
      engine: 'mysql',
      host: server.host,
      port: server.port,
      user: server.user,
      database: '',
      password: async () => server.password,
      tls: false,
      parameters: {},
    }),
    { applicationName: 'dbps test' },
  );
  control = new MysqlControl(pool);
});

afterAll(async () => {
  await pool?.close();
  await server?.stop();
});

test('two first commands at once leave one control schema', async () => {
  await Promise.all([control.install('orders'), control.install('orders'), control.install('users')]);
  expect(await control.readEpoch('orders')).toBe(0);
  expect(await control.readEpoch('users')).toBe(0);
  expect(await control.readEpoch('nobody')).toBeNull();
});

test('H7: a take-over waits for the open transactions of the former owner, and refuses the next', async () => {
  await control.raiseEpoch({ service: 'orders', epoch: 1 });
  let release = () => undefined as void;
  const isHeld = new Promise<void>((resolve) => (release = resolve));
  let taken = false;
  const zombie = pool.ownedTransaction({ service: 'orders', epoch: 1 }, async () => isHeld);
  // The lock is taken by the first statement: a second session sees it as soon as that has run.
  await pool.transaction((connection) => lockMysqlEpoch(connection, { service: 'orders', epoch: 1 }));
  const takeOver = control.raiseEpoch({ service: 'orders', epoch: 2 }).then(() => (taken = true));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(taken).toBe(false);
  release();
  await zombie;
  await takeOver;
  await expect(control.writeBarrier({ service: 'orders', epoch: 1 }, 'late')).rejects.toMatchObject({
    code: 'DBPS_E301',
  });
  await control.writeBarrier({ service: 'orders', epoch: 2 }, 'in time');
});

test('the last service takes the control schema with it', async () => {
  await control.remove({ service: 'orders', epoch: 2 });
  expect(await control.isInstalled()).toBe(true);
  await control.remove({ service: 'users', epoch: 0 });
  expect(await control.isInstalled()).toBe(false);
  await control.remove({ service: 'users', epoch: 0 }).catch(() => undefined);
  expect(await pool.query("SHOW DATABASES LIKE 'dbps'")).toEqual([]);
});
