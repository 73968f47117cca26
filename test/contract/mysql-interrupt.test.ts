/** Called off: whoever reads is let go at once, and so is the server, also where it waits for a lock and where the session was just being opened. */
import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BulkSessions } from '../../src/engines/mysql/mysql-bulk-sessions.js';
import { MysqlPool, openMysqlSession } from '../../src/engines/mysql/mysql-connection.js';
import { endOwnSession, traceOf, type SessionTrace } from '../../src/engines/mysql/mysql-kill.js';
import { ADMIN, APPLICATION } from '../support/global-setup.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

let server: MysqlTestServer;
let database: MysqlTestDatabase;
let holder: mysql.Connection;
beforeAll(async () => {
  // What a program calls itself is seen with it only, and MariaDB has it off.
  server = await startMysqlServer({ performance_schema: 'ON' });
  database = await server.createDatabase('CREATE TABLE held (id int PRIMARY KEY)');
  holder = await database.connect();
  await holder.query('LOCK TABLES held WRITE');
});
afterAll(async () => {
  await holder.query('UNLOCK TABLES');
  await database.drop();
  await server.stop();
});

const READ = 'SELECT count(*) FROM held';
const waiting = async () =>
  (await server.query(`SELECT id FROM information_schema.processlist WHERE info = '${READ}'`)).length;
const waits = () => expect.poll(waiting, { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
const noneWaits = () => expect.poll(waiting, { timeout: 30_000, interval: 50 }).toBe(0);

test('sessions of a pool that reads: at work, and only just taken', async () => {
  const called = new AbortController();
  const pool = await MysqlPool.open(database.target, {
    applicationName: 'dbps',
    readOnly: true,
    signal: called.signal,
  });
  const ended = expect(pool.query(READ)).rejects.toThrow('off');
  await waits();
  const taken = expect(pool.query(READ)).rejects.toThrow('off');
  called.abort(new Error('called off'));
  await ended;
  await taken;
  await noneWaits();
  await pool.close();
});

test('a bulk session: while it waits for a lock, and while it is opened', async () => {
  const bulk = new BulkSessions(database.target, { applicationName: 'dbps' });
  const called = new AbortController();
  const ended = expect(bulk.use((session) => session.rows(READ), called.signal)).rejects.toThrow('off');
  await waits();
  const opening = expect(bulk.use((session) => session.rows(READ), called.signal)).rejects.toThrow('off');
  called.abort(new Error('called off'));
  await ended;
  await opening;
  await noneWaits();
  await bulk.close();
});

async function leavesOthersAlone(of: MysqlTestDatabase): Promise<void> {
  const numberOf = async (session: mysql.Connection): Promise<number> => {
    const [[row]] = (await session.query('SELECT CONNECTION_ID() AS id')) as unknown as [[{ id: string }]];
    return Number(row.id);
  };
  const own = await openMysqlSession(of.target, { applicationName: 'dbps' });
  const { id, port } = traceOf(own);
  const end = (trace: SessionTrace) => endOwnSession(trace, of.target, { applicationName: 'dbps' });
  // Of another account, and of the same account by another program: what a proxy would have told is a number of theirs.
  const application = await of.connect(of.applicationUrl);
  const program = await of.connect();
  for (const [session, user] of [
    [application, APPLICATION.user],
    [program, ADMIN.user],
  ] as const) {
    const theirs = await numberOf(session);
    await end({ id: theirs, port });
    const [[row]] = (await session.query('SELECT USER() AS user')) as unknown as [[{ user: string }]];
    expect(row.user).toContain(user);
    expect(await numberOf(session)).toBe(theirs);
  }
  expect(await numberOf(own)).toBe(id);
  await end({ id, port });
  await expect
    .poll(
      () =>
        numberOf(own).then(
          () => 'alive',
          () => 'ended',
        ),
      { timeout: 30_000 },
    )
    .toBe('ended');
  own.destroy();
}

test('a session of somebody else is left alone, whatever number a proxy has given', async () => {
  await leavesOthersAlone(database);
  const own = await openMysqlSession(database.target, { applicationName: 'dbps' });
  await endOwnSession(traceOf(own), database.target, { applicationName: 'dbps of another kind' });
  await own.query('SELECT 1');
  await own.end();
});

test('so it is on a server that shows nobody what programs call themselves', async () => {
  const bare = await startMysqlServer();
  const there = await bare.createDatabase();
  try {
    await leavesOthersAlone(there);
  } finally {
    await there.drop();
    await bare.stop();
  }
});
