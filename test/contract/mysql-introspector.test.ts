import mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPrivateMariadb, type PrivateMariadb } from '../../src/demo/private-mariadb.js';
import { openMysqlSession, queryable } from '../../src/engines/mysql/mysql-connection.js';
import { mysqlDdl } from '../../src/engines/mysql/mysql-ddl.js';
import { MysqlIntrospector } from '../../src/engines/mysql/mysql-introspector.js';
import { ConnectionTarget } from '../../src/model/connection-target.js';
import type { DatabaseSchema, Relation } from '../../src/model/database-schema.js';
import { debianProgram } from '../support/debian-program.js';

const SCHEMA = `
CREATE TABLE users (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(190) NOT NULL, name VARCHAR(80) DEFAULT 'it''s',
  born DATE, seen DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), flags SET('a','b'), state ENUM('new','old, ok') DEFAULT 'new',
  is_admin TINYINT(1) NOT NULL DEFAULT 0, age INT(11), code CHAR(3) CHARACTER SET ascii COLLATE ascii_bin,
  domain VARCHAR(190) GENERATED ALWAYS AS (substring_index(email, '@', -1)) STORED, UNIQUE KEY users_email (email), KEY users_name (name(10)), FULLTEXT KEY users_text (name),
  CONSTRAINT age_positive CHECK (age > 0)) COMMENT='people' DEFAULT CHARSET=utf8mb4;
CREATE TABLE \`Order Items\` (\`order\` BIGINT UNSIGNED NOT NULL, line INT UNSIGNED NOT NULL, user_id BIGINT UNSIGNED, price DECIMAL(10,2) NOT NULL COMMENT 'net',
  PRIMARY KEY (\`order\`, line), CONSTRAINT items_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE old (id INT) ENGINE=MyISAM;
CREATE TABLE log (id BIGINT NOT NULL, at DATE NOT NULL, body JSON, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at)) (PARTITION p0 VALUES LESS THAN (2026), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE VIEW customer_items AS SELECT u.name, i.price FROM users u JOIN \`Order Items\` i ON i.user_id = u.id;
CREATE TRIGGER users_log AFTER INSERT ON users FOR EACH ROW INSERT INTO log VALUES (NEW.id, CURDATE(), '{}');
CREATE PROCEDURE clean(IN days INT) DELETE FROM log WHERE at < CURDATE() - INTERVAL days DAY;
`;

let server: PrivateMariadb;
let connection: mysql.Connection;
let schema: DatabaseSchema;

const relation = (name: string): Relation => {
  const found = schema.relations.find((r) => r.name === name);
  if (found === undefined) throw new Error(`no relation ${name}`);
  return found;
};

beforeAll(async () => {
  server = await startPrivateMariadb({
    program: debianProgram(['mariadbd', 'mysqld'], 'mariadb-server-core'),
  });
  const root = await mysql.createConnection({ uri: server.url(), multipleStatements: true });
  await root.query(`CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop; ${SCHEMA}`);
  await root.end();
  connection = await openMysqlSession(
    new ConnectionTarget({
      engine: 'mysql',
      host: server.host,
      port: server.port,
      user: server.user,
      database: 'shop',
      password: async () => server.password,
      tls: false,
      parameters: {},
    }),
    { applicationName: 'dbps test', readOnly: true },
  );
  schema = await new MysqlIntrospector(queryable(connection), 'shop').read({});
});

afterAll(async () => {
  await connection?.end();
  await server?.stop();
});

test('columns keep what their values depend on', () => {
  const column = (name: string) => relation('users').columns.find((c) => c.name === name);
  expect(column('id')).toMatchObject({
    type: 'bigint unsigned',
    baseType: 'bigint',
    autoIncrement: true,
    isNullable: false,
  });
  expect(column('age')).toMatchObject({ type: 'int', isNullable: true });
  expect(column('is_admin')).toMatchObject({ type: 'tinyint(1)', default: '0' });
  expect(column('name')).toMatchObject({ type: 'varchar(80)', default: "'it''s'" });
  expect(column('seen')).toMatchObject({ type: 'datetime(6)', onUpdate: 'current_timestamp(6)' });
  expect(column('state')).toMatchObject({ type: "enum('new','old, ok')", default: "'new'" });
  expect(column('domain')).toMatchObject({ generated: { stored: true } });
  expect(column('domain')?.default).toBeUndefined();
  expect(column('code')).toMatchObject({ characterSet: 'ascii', collation: 'ascii_bin' });
  expect(relation('users').comment).toBe('people');
});

test('keys, indexes, checks and references', () => {
  expect(relation('users').keys.map((k) => [k.kind, k.name, k.columns])).toEqual([
    ['primary', 'PRIMARY', ['id']],
    ['unique', 'users_email', ['email']],
  ]);
  expect(relation('users').indexes.find((i) => i.name === 'users_name')?.definition).toBe(
    'KEY `users_name` (`name`(10))',
  );
  expect(relation('users').indexes.find((i) => i.name === 'users_text')?.method).toBe('fulltext');
  expect(relation('users').checks).toMatchObject([{ name: 'age_positive', expression: '`age` > 0' }]);
  expect(relation('Order Items').foreignKeys).toMatchObject([
    {
      name: 'items_user',
      columns: ['user_id'],
      parent: 'shop.users',
      parentColumns: ['id'],
      onDelete: 'set null',
      onUpdate: 'cascade',
    },
  ]);
});

test('views, triggers and routines say which relations they touch', () => {
  expect(relation('customer_items')).toMatchObject({
    kind: 'view',
    reads: ['shop.Order Items', 'shop.users'],
  });
  expect(relation('users').triggers).toMatchObject([
    { name: 'users_log', timing: 'after', writes: ['shop.log'] },
  ]);
  expect(schema.routines).toMatchObject([
    { id: 'shop.clean', kind: 'procedure', signature: '(int(11))', writes: ['shop.log'] },
  ]);
});

test('partitions and engines are seen', () => {
  expect(relation('log')).toMatchObject({ kind: 'table' });
  expect(relation('log').partitionBy).toMatch(
    /^RANGE \(year\(`at`\)\) ?\(PARTITION `p0` VALUES LESS THAN \(2026\)/,
  );
  expect(relation('old').options).toContain('ENGINE=MyISAM');
});

test('what is read can be written again: a second database reads the same', async () => {
  const renamed = JSON.parse(
    JSON.stringify(schema)
      .replaceAll('`shop`', '`copy`')
      .replaceAll('"shop.', '"copy.')
      .replaceAll('"shop"', '"copy"'),
  ) as DatabaseSchema;
  const plan = {
    name: 'all',
    schema: renamed,
    relations: [],
    detached: [],
    order: 1,
    targetEngine: 'mysql',
    schemaMap: {},
    fingerprint: '',
    estimatedRows: 0,
    bytes: 0,
  } as const;
  const root = await mysql.createConnection({ uri: server.url() });
  for (const { sql } of mysqlDdl.createService(plan)) await root.query(sql);
  await root.end();
  const again = await new MysqlIntrospector(queryable(connection), 'copy').read({});
  const comparable = (s: DatabaseSchema) => ({
    ...s,
    relations: s.relations.map((r) => ({ ...r, estimatedRows: null, bytes: null })),
  });
  expect(comparable(again)).toEqual(comparable(renamed));
});

test('the session cannot write', async () => {
  await expect(connection.query('CREATE TABLE shop.forbidden (id INT)')).rejects.toThrow(/READ ONLY/);
});

/** What an account that has just these rights reads. */
async function readAs(...grants: readonly string[]): Promise<DatabaseSchema> {
  const root = await mysql.createConnection({ uri: server.url(), multipleStatements: true });
  await root.query(`CREATE USER 'an alyst'@'%' IDENTIFIED BY 'x'`);
  for (const grant of grants) await root.query(`GRANT ${grant} TO 'an alyst'@'%'`);
  const session = await mysql.createConnection({
    host: server.host,
    port: server.port,
    user: 'an alyst',
    password: 'x',
    charset: 'utf8mb4_bin',
  });
  try {
    return await new MysqlIntrospector(queryable(session), 'shop').read({});
  } finally {
    await session.end();
    await root.query("DROP USER 'an alyst'@'%'");
    await root.end();
  }
}

const keysOf = ({ relations }: DatabaseSchema) =>
  relations.map(({ id, keys, indexes, foreignKeys, partitionBy }) => ({
    ...{ id, keys, indexes, foreignKeys, partitionBy },
  }));
const hiddenIn = ({ unsupported }: DatabaseSchema) => unsupported.filter(({ kind }) => kind === 'hidden');

test('an account that may only SELECT reads the same keys and their rules; what it cannot see is told', async () => {
  const read = await readAs('SELECT ON shop.*');
  expect(keysOf(read)).toEqual(keysOf(schema));
  expect(read.relations.flatMap(({ foreignKeys }) => foreignKeys)).toMatchObject([
    { name: 'items_user', onDelete: 'set null', onUpdate: 'cascade' },
  ]);
  const remedy = 'SHOW VIEW, TRIGGER, EXECUTE, EVENT ON `shop`.*';
  expect(hiddenIn(read)).toEqual([
    {
      kind: 'hidden',
      name: 'shop',
      reason: "'an alyst'@'%' does not see what views read, triggers, routines, events, checks of it",
      remedy: `GRANT ${remedy} TO 'an alyst'@'%';`,
    },
  ]);
  // With what was given as the remedy it sees that there is a routine, and not what it does: nobody can be given it then.
  const listed = await readAs(`SELECT, ${remedy}`);
  expect(hiddenIn(listed)).toEqual([
    {
      kind: 'hidden',
      name: 'routines of shop',
      reason:
        "'an alyst'@'%' does not see the body of shop.clean: what it touches is not known, and no service gets it",
      remedy: "GRANT SELECT ON mysql.proc TO 'an alyst'@'%';",
    },
  ]);
  expect(listed.routines.filter(({ definition }) => definition === '')).toEqual([]);
  const mended = await readAs(`SELECT, ${remedy}`, 'SELECT ON mysql.proc');
  expect(hiddenIn(mended)).toEqual([]);
  expect(mended.routines).toEqual(
    schema.routines.map((routine) => ({ ...routine, grants: expect.anything() as unknown })),
  );
  const shapes = ({ relations }: DatabaseSchema) => relations.map((one) => ({ ...one, grants: [] }));
  expect(shapes(mended)).toEqual(shapes(schema));
  expect(hiddenIn(schema)).toEqual([]);
});

test('an account with a right to one table is told that it sees a part', async () => {
  const read = await readAs('SELECT ON shop.users');
  expect(read.relations.map(({ id }) => id)).toEqual(['shop.users']);
  expect(read.unsupported[0]?.reason).toContain('does not see relations without a grant of their own');
});

test('an account with every right to a pattern of databases sees all', async () => {
  const read = await readAs('ALL ON `sho_`.*', 'SELECT ON mysql.proc');
  expect(read.unsupported).toEqual(schema.unsupported);
});
