/** The applier goes on without the replica role only where it lacks the privilege: no other failure is taken for that. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApplySession } from '../../src/engines/postgres/postgres-sink-apply.js';
import { ConnectionTarget } from '../../src/model/connection-target.js';
import { ADMIN } from '../support/global-setup.js';
import { OWNER } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { startProxy, type Proxy } from '../support/proxy.js';

let database: TestDatabase;
let proxy: Proxy;
let target: ConnectionTarget;

beforeAll(async () => {
  database = await createTestDatabase('service');
  proxy = await startProxy(database.target.host, database.target.port);
  target = new ConnectionTarget({
    engine: 'postgres',
    host: '127.0.0.1',
    port: proxy.port,
    user: ADMIN.user,
    database: database.name,
    password: async () => ADMIN.password,
    tls: false,
    parameters: {},
  });
});
afterAll(async () => {
  await proxy.close();
  await database.drop();
});

const roleOf = async (session: Awaited<ReturnType<typeof openApplySession>>) =>
  (await session.query<{ role: string }>("SELECT current_setting('session_replication_role') AS role")).rows;

test('without the privilege it applies as an ordinary session', async () => {
  const session = await openApplySession(target, OWNER);
  expect(await roleOf(session)).toEqual([{ role: 'origin' }]);
  await session.end();
});

test('a connection lost while asking is a lost connection', async () => {
  proxy.cutOnce('session_replication_role', 'after');
  await expect(openApplySession(target, OWNER)).rejects.toMatchObject({ code: 'DBPS_E409' });
  expect(proxy.cuts).toBe(1);
});
