/** The session that holds writers from closing to commit: who waits, who gives way, what a crash leaves, which write decides. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { queryable } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlIntrospector } from '../../src/engines/mysql/mysql-introspector.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { FENCE_SQLSTATE } from '../../src/model/fence-error.js';
import { COMMIT, HOLD, OWNER, REVERSE } from '../support/fence.js';
import { ADMIN } from '../support/global-setup.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import {
  mysqlFenceOver,
  stateOf,
  until,
  waitsForRow,
  type MysqlFenceUnderTest,
} from '../support/mysql-fence.js';
import { heldFenceSuite, type HeldFenceWorld } from './suites/held-fence.js';

const SCHEMA = `
CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, note varchar(40));
CREATE TABLE items (id bigint AUTO_INCREMENT PRIMARY KEY, order_id int, FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE reviews (id int PRIMARY KEY, order_id int, FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE events (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at)) (
  PARTITION p2025 VALUES LESS THAN (2026), PARTITION p2026 VALUES LESS THAN (2027));
INSERT INTO orders (note) VALUES ('a'), ('b');
`;

let server: MysqlTestServer;
let database: MysqlTestDatabase;
let under: MysqlFenceUnderTest;
let relations: string[];

beforeAll(async () => {
  server = await startMysqlServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await server.createDatabase(SCHEMA);
  relations = ['items', 'orders', 'events'].map((name) => `${database.name}.${name}`);
  under = await mysqlFenceOver(database);
});
afterEach(async () => {
  await under.fence.remove(
    { ...OWNER, epoch: (await under.control.readEpoch(OWNER.service)) ?? 1 },
    relations,
  );
  await under.close();
  await database.drop();
  await server.query('DROP DATABASE dbps');
});

const application = () => database.connect(database.applicationUrl);
const fenceStates = async () =>
  (await under.fence.observe(OWNER.service, relations)).map((state) => state.state);
const id = (name: string) => `${database.name}.${name}`;

const isAnybodyWaiting = () =>
  until(server, "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'");

const world = (): HeldFenceWorld => ({
  ...under,
  relations,
  target: database.target,
  through: (target) => mysqlFenceOver(database, target),
  writer: async () => {
    const connection = await application();
    return {
      attempt: (sql) => stateOf(connection.query(sql)),
      isWaiting: () => waitsForRow(server, connection),
    };
  },
  isFenceWaiting: isAnybodyWaiting,
  isTakeOverWaiting: isAnybodyWaiting,
  stopCommit: async () => {
    const administrator = await database.connect();
    await administrator.query('LOCK TABLES dbps.checkpoint WRITE');
    return {
      isReached: () =>
        until(
          server,
          "SELECT 1 FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock' AND info LIKE '%dbps.checkpoint%'",
        ),
      letGo: async () => void (await administrator.query('UNLOCK TABLES')),
    };
  },
});

heldFenceSuite(world, { open: 'open', holding: 'FOR UPDATE', idle: 'Sleep' });

test('H17: writers wait without an error while held, and go on after a rollback', async () => {
  const held = await under.fence.hold(OWNER, relations, { ...HOLD, sequences: [id('orders'), id('items')] });
  const writers = await Promise.all([application(), application(), application()]);
  const writes = [
    stateOf(writers[0].query("UPDATE orders SET note = 'x' WHERE id = 1")),
    stateOf(writers[1].query("INSERT INTO events VALUES (1, '2025-05-05')")),
    stateOf(writers[2].query('DELETE FROM orders WHERE id = 2')),
  ];
  for (const writer of writers) await waitsForRow(server, writer);
  // Readers and keys from relations that stay pass.
  const other = await application();
  await other.query('SELECT * FROM events');
  expect(held.heldMs()).toBeGreaterThan(0);
  expect(held.relations).toEqual(relations);
  expect(held.sequences.map(({ id: name, next }) => [name, next])).toEqual([
    [id('orders'), '3'],
    [id('items'), '1'],
  ]);
  const shape = await under.pool.use((connection) =>
    new MysqlIntrospector(queryable(connection), database.name).readRelations(relations),
  );
  expect(await held.fingerprint()).toBe(fingerprint(shape, relations));
  await held.rollback();
  await held.rollback();
  expect(await Promise.all(writes)).toEqual(['accepted', 'accepted', 'accepted']);
  expect(await fenceStates()).toEqual(['open', 'open', 'open']);
});

test('H17: what fires no trigger waits too: TRUNCATE and ALTER stand before the held relations', async () => {
  const held = await under.fence.hold(OWNER, relations, HOLD);
  const administrator = await database.connect();
  await administrator.query('SET SESSION lock_wait_timeout = 1');
  expect(await stateOf(administrator.query('TRUNCATE TABLE events'))).toBe('HY000');
  expect(await stateOf(administrator.query('ALTER TABLE events DROP PARTITION p2025'))).toBe('HY000');
  await held.rollback();
  expect(await stateOf(administrator.query('TRUNCATE TABLE events'))).toBe('accepted');
});

test('H17: when the runner dies the row is free with its session; nobody gets an error', async () => {
  const held = await under.fence.hold(OWNER, relations, HOLD);
  const writer = await application();
  const write = stateOf(writer.query("UPDATE orders SET note = 'x' WHERE id = 1"));
  await waitsForRow(server, writer);
  const [session] = await server.query(
    "SELECT id FROM information_schema.processlist WHERE user = ? AND id IN (SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_rows_locked > 0 AND trx_state = 'RUNNING')",
    [ADMIN.user],
  );
  await server.query(`KILL ${String(session?.['id'])}`);
  expect(await write).toBe('accepted');
  await expect(held.commit(COMMIT)).rejects.toMatchObject({ code: 'DBPS_E530' });
  expect(await under.fence.ownership(OWNER.service)).toBeNull();
});

test('H17: nothing is accepted after the commit, whatever snapshot or plan the writer had', async () => {
  await under.fence.arm(OWNER, relations, HOLD);
  const repeatable = await application();
  await repeatable.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  await repeatable.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
  await repeatable.query('SELECT * FROM orders');
  const prepared = await application();
  await prepared.query("PREPARE w FROM 'UPDATE orders SET note = ''p'' WHERE id = 1'");
  await prepared.query('EXECUTE w');
  const uncommitted = await application();
  await uncommitted.query('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED');

  const held = await under.fence.hold(OWNER, relations, HOLD);
  const waiting = [
    stateOf(repeatable.query("UPDATE orders SET note = 'r' WHERE id = 2")),
    stateOf(prepared.query('EXECUTE w')),
    stateOf(uncommitted.query("INSERT INTO orders (note) VALUES ('u')")),
  ];
  for (const writer of [repeatable, prepared, uncommitted]) await waitsForRow(server, writer);
  expect(await held.commit(COMMIT)).toBe('committed');
  expect(await Promise.all(waiting)).toEqual([FENCE_SQLSTATE, FENCE_SQLSTATE, FENCE_SQLSTATE]);
  // The snapshot is still the old one, and still it does not pass.
  expect(await stateOf(repeatable.query("INSERT INTO orders (note) VALUES ('again')"))).toBe(FENCE_SQLSTATE);
  await repeatable.query('ROLLBACK');
  expect(await fenceStates()).toEqual(['closed', 'closed', 'closed']);
  expect(await database.query('SELECT note FROM orders ORDER BY id')).toEqual([{ note: 'p' }, { note: 'b' }]);
});

test('H17: holding waits for whoever has written, and is its drain', async () => {
  await under.fence.arm(OWNER, relations, HOLD);
  const writer = await application();
  await writer.query('START TRANSACTION');
  await writer.query("INSERT INTO orders (note) VALUES ('mine')");
  let isHeld = false;
  const holding = under.fence.hold(OWNER, relations, HOLD).then((held) => {
    isHeld = true;
    return held;
  });
  await isAnybodyWaiting();
  // The transaction writes on: it has the row already.
  await writer.query("INSERT INTO orders (note) VALUES ('mine too')");
  expect(isHeld).toBe(false);
  await writer.query('COMMIT');
  const held = await holding;
  expect(await held.commit(COMMIT)).toBe('committed');
  expect(await database.query('SELECT count(*) AS n FROM orders')).toEqual([{ n: '4' }]);
});

test('H8: refusal, ownership, route and opposite checkpoint change in one transaction', async () => {
  await under.fence.arm(OWNER, relations, HOLD);
  const look = async () => ({
    fences: await fenceStates(),
    ownership: await under.fence.ownership(OWNER.service),
    checkpoint: (await under.control.readCheckpoint(OWNER.service, 'reverse'))?.applied,
    route: await server.query('SELECT owner, revision FROM dbps.route'),
  });
  const before = { fences: ['open', 'open', 'open'], ownership: null, checkpoint: undefined, route: [] };
  const held = await under.fence.hold(OWNER, relations, HOLD);
  await held.commit({
    ...COMMIT,
    peerRevision: 4,
    beforeCommit: async () => expect(await look()).toEqual(before),
  });
  expect(await look()).toEqual({
    fences: ['closed', 'closed', 'closed'],
    ownership: { owner: 'service', epoch: 1, revision: 5 },
    checkpoint: REVERSE.applied,
    route: [{ owner: 'service', revision: '5' }],
  });
});

test('H14: in a deadlock with writers the fence gives way, never the application', async () => {
  await under.fence.arm(OWNER, relations, HOLD);
  const first = await application();
  await first.query('START TRANSACTION');
  await first.query("UPDATE orders SET note = 'first' WHERE id = 1");
  const holding = under.fence.hold(OWNER, relations, HOLD);
  await isAnybodyWaiting();
  // Has row 2 locked when its trigger comes to the control row, behind the fence.
  const second = await application();
  const behind = stateOf(second.query("UPDATE orders SET note = 'second' WHERE id = 2"));
  await waitsForRow(server, second);
  expect(await stateOf(first.query("UPDATE orders SET note = 'first' WHERE id = 2"))).toBe('accepted');
  await first.query('COMMIT');
  expect(await behind).toBe('accepted');
  const held = await holding;
  expect(held.attempts).toBeGreaterThan(1);
  await held.rollback();
});
