/** Called off: whoever reads is let go at once, and so is the server, also where it waits for a lock and where the session was just being opened. */
import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BulkSessions } from '../../src/engines/mysql/mysql-bulk-sessions.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

let server: MysqlTestServer;
let database: MysqlTestDatabase;
let holder: mysql.Connection;
beforeAll(async () => {
  server = await startMysqlServer();
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
