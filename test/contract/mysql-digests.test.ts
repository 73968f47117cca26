/** MySQL from 9.6 on hashes rows only with a component; older servers and MariaDB have the functions built in. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlPreflight } from '../../src/engines/mysql/mysql-preflight.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

let server: MysqlTestServer;
let database: MysqlTestDatabase;
beforeAll(async () => {
  server = await startMysqlServer();
  database = await server.createDatabase();
});
afterAll(async () => {
  await database?.drop();
  await server?.stop();
});

async function digests() {
  const pool = await MysqlPool.open(database.target, { applicationName: 'dbps test', readOnly: true });
  try {
    const checks = await new MysqlPreflight(pool, database.target).checks({ role: 'source', relations: [] });
    return checks.find(({ name }) => name === 'digests');
  } finally {
    await pool.close();
  }
}

test('a server that cannot hash rows is told, and the statement given mends it', async () => {
  const isThere = await server.query("SELECT SHA1('')").then(
    () => true,
    () => false,
  );
  const before = await digests();
  expect(before?.outcome).toBe(isThere ? 'ok' : 'problem');
  if (isThere) return;
  expect(before?.finding?.code).toBe('VRF310');
  await server.query(/^[^;]+;/.exec(before?.finding?.remedy ?? '')?.[0] ?? 'missing statement');
  expect((await digests())?.outcome).toBe('ok');
});
