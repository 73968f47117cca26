/** The same schema read live and from mariadb-dump gives the same model for everything that boundaries are drawn from. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { analyzeBoundaries } from '../../src/analysis/analyze.js';
import { MysqlPool, queryable } from '../../src/engines/mysql/mysql-connection.js';
import { readDumpText } from '../../src/engines/dump-text.js';
import { mysqlDumpReader } from '../../src/engines/mysql/mysql-dump-reader.js';
import { MysqlIntrospector } from '../../src/engines/mysql/mysql-introspector.js';
import type { DatabaseSchema } from '../../src/model/database-schema.js';
import { makePlan } from '../../src/planning/make-plan.js';
import { debianProgram } from '../support/debian-program.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

const SCHEMA = `
CREATE TABLE countries (code CHAR(2) PRIMARY KEY, name VARCHAR(80) NOT NULL) COMMENT='reference data';
CREATE TABLE customers (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(190) NOT NULL COMMENT 'personal data', name VARCHAR(80) DEFAULT 'it''s',
  born DATE, seen DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), state ENUM('new','old, ok') DEFAULT 'new', flags SET('a','b'),
  is_admin TINYINT(1) NOT NULL DEFAULT 0, age INT(11), country CHAR(2), domain VARCHAR(190) GENERATED ALWAYS AS (substring_index(email, '@', -1)) STORED,
  UNIQUE KEY customers_email (email), KEY customers_name (name(10)), FULLTEXT KEY customers_text (name), CONSTRAINT age_positive CHECK (age > 0),
  CONSTRAINT customers_country FOREIGN KEY (country) REFERENCES countries (code) ON UPDATE CASCADE ON DELETE SET NULL);
CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer_id BIGINT UNSIGNED NOT NULL, parent_id BIGINT UNSIGNED, total DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  body JSON, CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id), CONSTRAINT orders_parent FOREIGN KEY (parent_id) REFERENCES orders (id));
CREATE TABLE \`Order Items\` (\`order\` BIGINT UNSIGNED NOT NULL, line INT UNSIGNED NOT NULL, price DECIMAL(10,2) NOT NULL, note MEDIUMTEXT, raw VARBINARY(16),
  PRIMARY KEY (\`order\`, line), CONSTRAINT items_order FOREIGN KEY (\`order\`) REFERENCES orders (id) ON DELETE CASCADE);
CREATE TABLE tags (id INT PRIMARY KEY, name VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin UNIQUE);
CREATE TABLE order_tags (order_id BIGINT UNSIGNED NOT NULL, tag_id INT NOT NULL, PRIMARY KEY (order_id, tag_id), KEY (tag_id),
  FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE, FOREIGN KEY (tag_id) REFERENCES tags (id) ON DELETE CASCADE);
CREATE TABLE log (id BIGINT NOT NULL, at DATE NOT NULL, body TEXT, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at)) (PARTITION p0 VALUES LESS THAN (2026), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE TABLE old (id INT, place GEOMETRY) ENGINE=MyISAM;
CREATE VIEW customer_orders AS SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id;
CREATE VIEW big_orders AS SELECT * FROM customer_orders WHERE total > 100;
CREATE TRIGGER customers_log AFTER INSERT ON customers FOR EACH ROW INSERT INTO log VALUES (NEW.id, CURDATE(), NEW.email);
CREATE PROCEDURE clean(IN days INT) DELETE FROM log WHERE at < CURDATE() - INTERVAL days DAY;
CREATE FUNCTION spent(c BIGINT) RETURNS DECIMAL(10,2) READS SQL DATA RETURN (SELECT SUM(total) FROM orders WHERE customer_id = c);
CREATE FUNCTION worth(c BIGINT) RETURNS DECIMAL(10,2) READS SQL DATA RETURN Spent (c) * 2;
CREATE PROCEDURE tidy() BEGIN CALL clean(7); INSERT INTO log (id, at) SELECT 1, CURDATE(); END;
CREATE VIEW worthy AS SELECT id FROM customers WHERE spent(id) > 10;
CREATE TRIGGER tags_clean AFTER DELETE ON tags FOR EACH ROW CALL clean(30);
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM \`Order Items\` WHERE price = 0;
`;

let server: MysqlTestServer;
let database: MysqlTestDatabase;
let live: DatabaseSchema;
let dump: DatabaseSchema;
let directory: string;

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-parity-'));
  server = await startMysqlServer();
  database = await server.createDatabase(SCHEMA);
  const pool = await MysqlPool.open(database.target, { applicationName: 'parity', readOnly: true });
  try {
    live = await pool.use((connection) =>
      new MysqlIntrospector(queryable(connection), database.name).read({ schemas: [database.name] }),
    );
  } finally {
    await pool.close();
  }
  const account = new URL(server.rootUrl);
  const { stdout, stderr, status } = spawnSync(
    debianProgram(['mariadb-dump', 'mysqldump'], 'mariadb-client'),
    [
      '--no-defaults',
      `--host=${account.hostname}`,
      `--port=${account.port}`,
      `--user=${decodeURIComponent(account.username)}`,
      '--no-data',
      '--routines',
      '--events',
      '--triggers',
      database.name,
    ],
    {
      encoding: 'utf8',
      env: { ...process.env, MYSQL_PWD: decodeURIComponent(account.password) },
      maxBuffer: 64 << 20,
    },
  );
  if (status !== 0) throw new Error(stderr);
  const file = path.join(directory, 'dump.sql');
  fs.writeFileSync(file, stdout);
  dump = await mysqlDumpReader.read({ name: file, text: readDumpText(file) });
});
afterAll(async () => {
  await database?.drop();
  await server?.stop();
  fs.rmSync(directory, { recursive: true, force: true });
});

const sorted = <T>(list: readonly T[]): T[] =>
  [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

/** What analysis looks at; columns of views have types only where the server resolved them. */
const relations = (schema: DatabaseSchema): unknown =>
  sorted(
    schema.relations.map((relation) => ({
      id: relation.id,
      kind: relation.kind,
      comment: relation.comment ?? null,
      columns: relation.columns.map((column) =>
        relation.kind === 'view'
          ? column.name
          : {
              name: column.name,
              type: column.type,
              baseType: column.baseType,
              isNullable: column.isNullable,
              autoIncrement: column.autoIncrement ?? false,
              isGenerated: column.generated !== undefined,
              comment: column.comment ?? null,
            },
      ),
      keys: sorted(relation.keys.map(({ name, kind, columns }) => ({ name, kind, columns }))),
      foreignKeys: sorted(
        relation.foreignKeys.map(({ name, columns, parent, parentColumns, onDelete, onUpdate }) => ({
          name,
          columns,
          parent,
          parentColumns,
          onDelete,
          onUpdate,
        })),
      ),
      indexes: sorted(
        relation.indexes.map(({ name, isUnique, isPrimary, method, columns }) => ({
          name,
          isUnique,
          isPrimary,
          method,
          columns,
        })),
      ),
      triggers: sorted(
        relation.triggers.map(({ name, timing, events, reads, writes }) => ({
          name,
          timing,
          events,
          reads: sorted(reads),
          writes: sorted(writes),
        })),
      ),
      reads: sorted(relation.reads),
      isPartitioned: relation.partitionBy !== undefined,
    })),
  );

const routines = (schema: DatabaseSchema): unknown =>
  sorted(
    schema.routines.map(({ name, kind, reads, writes, isOpaque }) => ({
      name,
      kind,
      reads: sorted(reads),
      writes: sorted(writes),
      isOpaque,
    })),
  );

test('relations', () => {
  expect(relations(dump)).toEqual(relations(live));
});

test('routines and events with what they touch', () => {
  expect(routines(dump)).toEqual(routines(live));
});

test('both give the same boundaries, byte for byte but for sizes and grants', () => {
  const bare = (schema: DatabaseSchema) => {
    const { services, crossings, references, placements, verdict } = analyzeBoundaries({
      schema: {
        ...schema,
        relations: schema.relations.map((relation) => ({
          ...relation,
          estimatedRows: null,
          bytes: null,
          grants: [],
        })),
      },
      pins: { services: {}, together: [], apart: [], shared: [] },
      granularity: 0.5,
    });
    return JSON.stringify({ services, crossings, references, placements, verdict });
  };
  expect(bare(dump)).toBe(bare(live));
});

test('who calls which routine is seen in both, whatever case a name is written in', () => {
  for (const schema of [live, dump]) {
    const id = (name: string) => `${schema.schemas[0]}.${name}`;
    const calls = Object.fromEntries(schema.routines.map((routine) => [routine.name, routine.calls]));
    expect(calls).toMatchObject({
      worth: [id('spent')],
      tidy: [id('clean')],
      clean: [],
      spent: [],
      nightly: [],
    });
    expect(schema.relations.find(({ name }) => name === 'worthy')?.calls).toEqual([id('spent')]);
    const triggers = schema.relations.flatMap(({ triggers: all }) => all);
    expect(triggers.find(({ name }) => name === 'tags_clean')?.calls).toEqual([id('clean')]);
  }
});

test('a routine, a trigger or a view that reaches another service through what it calls crosses', () => {
  for (const schema of [live, dump]) {
    const own = schema.schemas[0] ?? '';
    const services = {
      people: ['countries', 'customers', 'tags', 'old'],
      sales: ['orders', 'Order Items', 'order_tags', 'log'],
    };
    const plan = makePlan(
      schema,
      {
        defaultSchema: own,
        exclude: [],
        shared: [],
        references: [],
        services: Object.entries(services).map(([name, relations]) => ({
          name,
          targetEngine: 'mysql',
          targetSchema: name,
          relations: relations.map((relation) => ({ id: `${own}.${relation}` })),
        })),
      },
      '2026-01-01T00:00:00.000Z',
    );
    const found = plan.findings.map(({ code, subject }) => `${code} ${subject}`);
    expect(found).toContain(`BND403 ${own}.worthy`);
    expect(found).toContain(`TRG401 tags_clean on ${own}.tags`);
    const sales = plan.services.find(({ name }) => name === 'sales');
    expect(sales?.schema.routines.map(({ name }) => name).sort()).toEqual([
      'clean',
      'nightly',
      'spent',
      'tidy',
      'worth',
    ]);
    const people = plan.services.find(({ name }) => name === 'people');
    expect(people?.schema.routines).toEqual([]);
    expect(people?.schema.relations.flatMap(({ triggers }) => triggers)).toEqual([]);
  }
});
