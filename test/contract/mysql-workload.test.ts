/** What a MySQL-family server has counted; digests and accounts are kept only where performance_schema is on. */
import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveUses, nameResolver } from '../../src/analysis/workload.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { mysqlStatementReader } from '../../src/engines/mysql/mysql-statement-reader.js';
import { MysqlWorkload } from '../../src/engines/mysql/mysql-workload.js';
import type { ServerWorkload } from '../../src/engines/usage.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { ADMIN } from '../support/global-setup.js';
import { relation, schemaOf } from '../support/schema.js';

async function read(database: MysqlTestDatabase): Promise<ServerWorkload> {
  const pool = await MysqlPool.open(database.target, { applicationName: 'test', readOnly: true });
  try {
    return await new MysqlWorkload(pool).read();
  } finally {
    await pool.close();
  }
}

describe('where performance_schema is on', () => {
  let server: MysqlTestServer;
  let database: MysqlTestDatabase;
  let app: mysql.Connection;

  beforeAll(async () => {
    server = await startMysqlServer({
      performance_schema: 'ON',
      max_connections: 50,
      performance_schema_digests_size: 1000,
    });
    // What a given server counted before may have filled its table.
    await server.query('TRUNCATE TABLE performance_schema.events_statements_summary_by_digest');
    if (!server.isMaria) await server.query(`REVOKE SELECT ON performance_schema.* FROM '${ADMIN.user}'@'%'`);
    database = await server.createDatabase(
      'CREATE TABLE customers (id INT PRIMARY KEY, name TEXT); CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT)',
    );
    app = await database.connect(database.applicationUrl);
  });
  const use = async () => {
    for (let id = 1; id <= 3; id++) {
      await app.query('INSERT INTO customers VALUES (?, ?)', [id, `secret${id}`]);
      await app.query('INSERT INTO orders VALUES (?, ?), (?, ?)', [id, id, id + 100, id]);
    }
    await app.query('SELECT c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 2');
  };
  afterAll(async () => {
    await database?.drop();
    await server?.stop();
  });

  test('what the account may not read is a gap; its remedy opens it', async () => {
    const workload = await read(database);
    expect(workload.source).toBeNull();
    const [gap] = workload.gaps.filter(({ what }) => what === 'statements');
    expect(gap?.remedy).toBe(`GRANT SELECT ON performance_schema.* TO '${ADMIN.user}'@'%'`);
    await server.query(gap?.remedy ?? '');
    const [users, ...others] = (await read(database)).gaps;
    expect(others).toEqual([]);
    // MariaDB remembers no accounts by default: this remedy too does what it says.
    if (users !== undefined) await server.query(users.remedy);
    await use();
    expect((await read(database)).gaps).toEqual([]);
  });

  test('digests with database, calls and account; readable as statements', async () => {
    const { source, statements, statementsForMs } = await read(database);
    expect(source).toBe('performance_schema');
    expect(statementsForMs).toBeTypeOf('number');
    const own = statements.filter(({ schema }) => schema === database.name);
    const orders = own.find(({ sql }) => /^INSERT INTO `orders`/.test(sql));
    expect(orders).toMatchObject({ calls: 3, schema: database.name, user: 'shop_app' });
    expect(JSON.stringify(own)).not.toContain('secret');
    expect(own.some(({ sql }) => /^(?:SET|SHOW|CREATE)/.test(sql))).toBe(false);

    const schema = schemaOf(
      [
        relation(`${database.name}.customers: id, name`),
        relation(`${database.name}.orders: id, customer_id`),
      ],
      { engine: 'mysql', database: database.name },
    );
    const join = own.find(({ sql }) => /`orders`.*JOIN/.test(sql));
    const [use] = await mysqlStatementReader.read([join?.sql ?? '']);
    const resolved = resolveUses(
      [{ text: '', calls: 1, totalMs: 0, use: use as NonNullable<typeof use> }],
      nameResolver(schema, database.name),
    );
    expect(resolved[0]?.reads).toEqual([`${database.name}.customers`, `${database.name}.orders`]);
  });

  test('rows written, connections', async () => {
    const { writes, maxConnections, usedConnections } = await read(database);
    const rows = new Map(writes?.relations.map((found) => [found.relation, found.rows]));
    expect(rows.get(`${database.name}.orders`)).toBe(6);
    expect(writes?.forMs).toBeTypeOf('number');
    expect(maxConnections).toBe(50);
    expect(usedConnections).toBeGreaterThan(0);
  });

  test('a full table of digests leaves statements out: that is said, until it is emptied', async () => {
    const [row] = await server.query('SELECT @@performance_schema_digests_size AS size');
    const size = Number(row?.['size']);
    // A name of its own makes a statement of its own.
    for (let i = 0; i < size + 20; i++) await app.query(`SELECT 1 AS n${i}`);
    const told = async () =>
      (await read(database)).gaps.filter(({ reason }) => reason.includes('the workload is a part only'));
    const [gap] = await told();
    expect(gap?.what).toBe('statements');
    expect(gap?.reason).toMatch(new RegExp(`keeps ${size} different statements.* [0-9]+ calls of others`));
    await server.query(/^TRUNCATE TABLE \S+/.exec(gap?.remedy ?? '')?.[0] ?? 'missing statement');
    expect(await told()).toEqual([]);
  });
});

test('where performance_schema is off, that is said', async () => {
  const server = await startMysqlServer({ performance_schema: 'OFF' }, { exactly: true });
  try {
    const database = await server.createDatabase('CREATE TABLE a (id INT PRIMARY KEY)');
    const workload = await read(database);
    expect(workload).toMatchObject({ source: null, statements: [], writes: null });
    expect(workload.gaps[0]?.reason).toContain('performance_schema is off');
    await database.drop();
  } finally {
    await server.stop();
  }
});
