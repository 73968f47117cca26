/** Foreign keys and counters around a fence of the MySQL family, and the end of the relations. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { MysqlRetirement, retiredName } from '../../src/engines/mysql/mysql-retirement.js';
import { FENCE_SQLSTATE } from '../../src/model/fence-error.js';
import { COMMIT, CLOSE, HOLD, OWNER } from '../support/fence.js';
import { APPLICATION } from '../support/global-setup.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { mysqlFenceOver, stateOf, type MysqlFenceUnderTest } from '../support/mysql-fence.js';

const SCHEMA = `
CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, user_id int,
  CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE);
CREATE TABLE items (id tinyint unsigned AUTO_INCREMENT PRIMARY KEY, order_id int,
  CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE reviews (id int PRIMARY KEY, order_id int, CONSTRAINT reviews_order FOREIGN KEY (order_id) REFERENCES orders (id));
INSERT INTO users VALUES (1);
INSERT INTO orders (user_id) VALUES (1), (1);
INSERT INTO items (order_id) VALUES (1);
`;
const BACK = { ...CLOSE, ownership: { owner: 'legacy', epoch: 1, revision: 9 } } as const;

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
  relations = ['orders', 'items'].map((name) => `${database.name}.${name}`);
  under = await mysqlFenceOver(database);
});
afterEach(async () => {
  await under.fence.remove(OWNER, relations);
  await under.close();
  await database.drop();
  await server.query('DROP DATABASE dbps');
});

const id = (name: string) => `${database.name}.${name}`;
const keys = async () =>
  (
    await database.query(
      `SELECT CONCAT(table_name, ' ', constraint_name, ' ', delete_rule) AS k FROM information_schema.referential_constraints
        WHERE constraint_schema = ? ORDER BY 1`,
      [database.name],
    )
  ).map((row) => row['k']);

test('crossing keys go in small steps, and come back as they were; inner ones stay', async () => {
  const before = await keys();
  expect(await under.fence.detachKeys(OWNER, relations, 'crossing')).toEqual([
    `${id('orders')} orders_user`,
    `${id('reviews')} reviews_order`,
  ]);
  expect(await keys()).toEqual(before.filter((key) => String(key).startsWith('items')));
  expect(await under.fence.detachKeys(OWNER, relations, 'crossing')).toEqual([]);
  expect(await under.fence.attachKeys(OWNER, relations, 'crossing')).toEqual([]);
  expect(await keys()).toEqual(before);
});

test('a key that rows break by now comes back for new rows, and is told until they are mended', async () => {
  await under.fence.detachKeys(OWNER, relations, 'crossing');
  await database.query('INSERT INTO reviews VALUES (1, 999)');
  const broken = [{ relation: id('reviews'), name: 'reviews_order' }];
  expect(await under.fence.attachKeys(OWNER, relations, 'crossing')).toMatchObject(broken);
  expect(await under.fence.attachKeys(OWNER, relations, 'crossing')).toMatchObject(broken);
  await expect(database.query('INSERT INTO reviews VALUES (2, 998)')).rejects.toThrow(/foreign key/);
  // In this dialect: the query finds the rows, and that is all there is to do.
  const [told] = await under.fence.attachKeys(OWNER, relations, 'crossing');
  const rows = await database.query(/SELECT .*;/.exec(told?.remedy ?? '')?.[0] ?? 'missing query');
  expect(rows).toEqual([expect.objectContaining({ order_id: 999 })]);
  await database.query('DELETE FROM reviews');
  expect(await under.fence.attachKeys(OWNER, relations, 'crossing')).toEqual([]);
});

test('H13: keys among the relations are looked at after an applier that checked none', async () => {
  const held = await under.fence.hold(OWNER, relations, HOLD);
  await held.commit(COMMIT);
  await under.fence.prepareApplier(OWNER, relations);
  await under.pool.session(async (applier) => {
    await applier.query('SET SESSION foreign_key_checks = 0');
    await applier.query('INSERT INTO items (id, order_id) VALUES (77, 4711)');
  });
  await under.fence.open(OWNER, relations, BACK);
  expect(await under.fence.attachKeys(OWNER, relations, 'inner')).toMatchObject([
    { relation: id('items'), name: 'items_order', error: expect.stringContaining('orders') as string },
  ]);
  await database.query('INSERT INTO orders (id, user_id) VALUES (4711, 1)');
  expect(await under.fence.attachKeys(OWNER, relations, 'inner')).toEqual([]);
});

test('H16: a counter goes on beyond the other side, in place, and only when it must', async () => {
  const peer = { id: 'x', increment: '1', minimum: '1', maximum: '2147483647', cache: '1' };
  const next = async () => {
    const held = await under.fence.hold(OWNER, relations, { ...HOLD, sequences: relations });
    await held.rollback();
    return held.sequences.map((sequence) => sequence.next);
  };
  expect(await next()).toEqual(['3', '2']);
  await under.fence.advanceSequences(OWNER, [
    { id: id('orders'), peer: { ...peer, next: '5000' }, clients: 0 },
    { id: id('items'), peer: { ...peer, next: '2' }, clients: 0 },
  ]);
  expect(await next()).toEqual(['5000', '2']);
  // Values that sessions of the other side (one with cached sequences) may still hold.
  await under.fence.advanceSequences(OWNER, [
    { id: id('orders'), peer: { ...peer, next: '5000', cache: '10' }, clients: 3 },
  ]);
  expect(await next()).toEqual(['5030', '2']);
  // A key that was changed does not move the counter.
  await database.query('UPDATE orders SET id = 9000 WHERE id = 2');
  expect(await next()).toEqual(['9001', '2']);
  await expect(
    under.fence.advanceSequences(OWNER, [{ id: id('items'), peer: { ...peer, next: '300' }, clients: 0 }]),
  ).rejects.toMatchObject({ code: 'DBPS_E336' });
});

test('an opening that loses its wait for the row to a refused writer is tried again', async () => {
  await (await under.fence.hold(OWNER, relations, HOLD)).commit(COMMIT);
  // The refused statement is undone, the lock that it took to be refused is not, as long as its transaction lasts.
  const writer = await database.connect(database.applicationUrl);
  await writer.query('START TRANSACTION');
  expect(await stateOf(writer.query('INSERT INTO orders (user_id) VALUES (1)'))).toBe(FENCE_SQLSTATE);
  await server.query('SET GLOBAL innodb_lock_wait_timeout = 1');
  // Sessions of the pool keep the timeout that they began with.
  const fresh = await mysqlFenceOver(database);
  try {
    let isOver = false;
    const opened = fresh.fence.open(OWNER, relations, BACK).finally(() => (isOver = true));
    const waiting = "SELECT trx_id AS id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";
    const waits = new Set<unknown>();
    while (waits.size < 2 && !isOver) {
      for (const { id: transaction } of await server.query(waiting)) waits.add(transaction);
      await new Promise((resolve) => setTimeout(resolve, 120));
    }
    await writer.query('ROLLBACK');
    await opened;
    expect(waits.size).toBe(2);
    await writer.query('INSERT INTO orders (user_id) VALUES (1)');
  } finally {
    await server.query('SET GLOBAL innodb_lock_wait_timeout = 50');
    await fresh.close();
  }
});

test('relations are closed to everybody, renamed together, and dropped with nothing left; a crash between is found', async () => {
  const retirement = new MysqlRetirement(under.pool);
  await server.query(`GRANT SELECT ON \`${database.name}\`.\`items\` TO '${APPLICATION.user}'@'%'`);
  await server.query(
    `CREATE ROLE shop_role; GRANT SELECT, DELETE ON \`${database.name}\`.\`items\` TO shop_role`,
  );
  await server.query("GRANT SELECT ON mysql.* TO 'dbps_admin'@'%'");
  try {
    await under.fence.detachKeys(OWNER, relations, 'crossing');
    const retired = await retirement.retire(OWNER, relations);
    expect(retired.map(({ relation, renamedTo }) => [relation, renamedTo])).toEqual([
      [id('items'), id('dbps_retired_items')],
      [id('orders'), id('dbps_retired_orders')],
    ]);
    expect(Date.parse(retired[0]?.at ?? '')).toBeGreaterThan(Date.now() - 60_000);
    const reader = await database.connect(database.applicationUrl);
    expect(await stateOf(reader.query('SELECT * FROM orders'))).toBe('42S02');
    expect(
      await server.query('SELECT 1 FROM mysql.tables_priv WHERE db = ? AND table_name = ?', [
        database.name,
        'items',
      ]),
    ).toEqual([]);
    // Run again, as after a crash.
    expect(await retirement.retire(OWNER, relations)).toEqual(retired);

    await database.query(
      'CREATE TABLE late (id int PRIMARY KEY, order_id int, FOREIGN KEY (order_id) REFERENCES dbps_retired_orders (id))',
    );
    await expect(retirement.drop(OWNER)).rejects.toMatchObject({
      code: 'DBPS_E340',
      message: expect.stringContaining('late') as string,
    });
    await database.query('DROP TABLE late');
    await retirement.drop(OWNER);
    await retirement.drop(OWNER);
    expect(await retirement.retired(OWNER.service)).toEqual([]);
    expect((await database.query('SHOW TABLES')).map((row) => Object.values(row)[0]).sort()).toEqual([
      'reviews',
      'users',
    ]);
  } finally {
    await server.query("DROP ROLE shop_role; REVOKE SELECT ON mysql.* FROM 'dbps_admin'@'%'");
  }
});

test('names of retired relations stay within what the server takes', () => {
  expect(retiredName('orders')).toBe('dbps_retired_orders');
  expect(retiredName('x'.repeat(64))).toHaveLength('dbps_retired_'.length + 40);
  expect(retiredName('x'.repeat(64))).not.toBe(retiredName('y'.repeat(64)));
});
