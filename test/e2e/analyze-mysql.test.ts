/** `analyze --url mysql://…`: the same command, evidence and reports on a live server of the MySQL family. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dbps } from '../support/cli.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

let server: MysqlTestServer;
let database: MysqlTestDatabase;
beforeAll(async () => {
  server = await startMysqlServer({ performance_schema: 'ON' });
  await server.query("GRANT SELECT ON performance_schema.* TO 'dbps_admin'@'%'");
  database = await server.createDatabase(`
    CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(100) NOT NULL);
    CREATE TABLE customer_notes (id INT PRIMARY KEY, customer_id INT NOT NULL, note TEXT);
    CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT NOT NULL, batch_id INT NOT NULL);
    CREATE TABLE order_items (id INT PRIMARY KEY, order_id INT NOT NULL);
    CREATE TABLE batches (id INT PRIMARY KEY);`);
  const app = await database.connect(database.applicationUrl);
  for (let id = 1; id <= 20; id++) {
    await app.query('INSERT INTO customers VALUES (?, ?)', [id, `somebody${id}@home`]);
    await app.query('INSERT INTO orders VALUES (?, ?, ?)', [id, id, id + 1000]);
  }
  await app.query('SELECT c.email FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 7');
});
afterAll(async () => {
  await database?.drop();
  await server?.stop();
});

test('relations, workload, data and connections of the database that the URL names', async () => {
  const { code, stdout, stderr } = await dbps([
    'analyze',
    '--url',
    database.url,
    '--check-data',
    '--pool',
    '500',
    '--json',
  ]);
  expect(code, stderr).toBe(0);
  const { result, findings } = JSON.parse(stdout) as {
    result: {
      engine: string;
      schemas: string[];
      relationCount: number;
      references: { child: string; parent: string; hitRate?: number }[];
      services: { writes: { rows: number } | null; relations: string[] }[];
      connections: { most: number; fits: boolean };
      workload: { source: string };
    };
    findings: { code: string; subject: string }[];
  };
  expect(result).toMatchObject({
    engine: 'mysql',
    schemas: [database.name],
    relationCount: 5,
    workload: { source: 'performance_schema' },
    connections: { fits: false },
  });
  const id = (name: string) => `${database.name}.${name}`;
  expect(
    result.references.find(({ child, parent }) => child === id('orders') && parent === id('customers')),
  ).toMatchObject({
    hitRate: 1,
  });
  expect(findings.find(({ code: found }) => found === 'BND123')?.subject).toBe(
    `${id('orders')}.batch_id -> ${id('batches')}.id`,
  );
  const home = result.services.find(({ relations }) => relations.includes(id('orders')));
  expect(home?.writes?.rows).toBeGreaterThanOrEqual(20);
  expect(stdout).not.toContain('@home');
});
