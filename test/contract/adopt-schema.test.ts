/** A schema planned on another engine loads there, and what was read back is what the plan says. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openMysqlSession, queryable } from '../../src/engines/mysql/mysql-connection.js';
import { createMysqlSchema, mysqlDdl } from '../../src/engines/mysql/mysql-ddl.js';
import { MysqlIntrospector } from '../../src/engines/mysql/mysql-introspector.js';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { createSchema, postgresDdl } from '../../src/engines/postgres/postgres-ddl.js';
import { PostgresIntrospector } from '../../src/engines/postgres/postgres-introspector.js';
import type { DatabaseSchema, Relation } from '../../src/model/database-schema.js';
import { adoptSchema } from '../../src/planning/adopt-schema.js';
import { SHOP_SCHEMA } from '../../src/demo/shop-schema.js';
import { startMysqlServer, type MysqlTestServer } from '../support/mariadb.js';
import { createTestDatabase } from '../support/postgres.js';

const POSTGRES = `${SHOP_SCHEMA}
CREATE DOMAIN price AS numeric(12,2) CHECK (VALUE >= 0);
CREATE TABLE "Odd Types" (
  "order" smallint, line uuid DEFAULT gen_random_uuid(), flag boolean NOT NULL DEFAULT true, cost price DEFAULT 1.50, wide numeric,
  r real, d double precision, day date DEFAULT CURRENT_DATE, at timestamp(3) DEFAULT now(), t time, span interval, tags text[] DEFAULT '{}',
  doc jsonb DEFAULT '{"a": 1}', raw bytea, bits bit(9), c char(3), v varchar(20) NOT NULL DEFAULT 'it''s', host inet,
  doubled integer GENERATED ALWAYS AS ("order" * 2) STORED, shout text GENERATED ALWAYS AS (upper((v)::text)) STORED,
  PRIMARY KEY ("order", v), CHECK (flag OR v <> 'x'), CHECK (v IN ('it''s', 'b', 'c')), CHECK (to_tsvector('simple', v) IS NOT NULL));
CREATE INDEX ON "Odd Types" (day DESC); CREATE INDEX ON "Odd Types" (lower(v)); CREATE UNIQUE INDEX partial_key ON "Odd Types" (line) WHERE flag;
CREATE INDEX long_text ON users (name);
COMMENT ON COLUMN "Odd Types".line IS '${'ü'.repeat(1500)}';
COMMENT ON INDEX long_text IS 'by name';
`;

const MYSQL = `
CREATE TABLE users (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(190) NOT NULL, name VARCHAR(80) DEFAULT 'it''s',
  seen DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), flags SET('a','b') DEFAULT '', state ENUM('new','old, ok') NOT NULL DEFAULT 'new',
  is_admin TINYINT(1) NOT NULL DEFAULT 0, age INT, y YEAR, t TIME(3), b BIT(9), raw VARBINARY(16), up TIMESTAMP NULL,
  UNIQUE KEY users_email (email), KEY by_name (name), FULLTEXT KEY users_text (name));
CREATE TABLE items (\`order\` INT NOT NULL AUTO_INCREMENT, line SMALLINT UNSIGNED NOT NULL, user_id BIGINT UNSIGNED, price DECIMAL(10,2) NOT NULL DEFAULT 0.50 COMMENT 'net',
  note MEDIUMTEXT, PRIMARY KEY (\`order\`, line), KEY by_name (price), CONSTRAINT items_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE);
`;

let server: MysqlTestServer;
beforeAll(async () => {
  server = await startMysqlServer();
});
afterAll(async () => server?.stop());

const shape = (relation: Relation) => ({
  id: relation.id,
  columns: relation.columns.map((c) => ({
    name: c.name,
    type: c.type,
    isNullable: c.isNullable,
    default: c.default?.replace(/^\((.*)\)$/, '$1').toLowerCase(),
    autoIncrement: c.autoIncrement,
    identity: c.identity,
    sequence: c.sequence,
    comment: c.comment,
  })),
  keys: relation.keys,
  indexes: relation.indexes.map((index) => index.definition).sort(),
  foreignKeys: relation.foreignKeys
    .map((key) => ({ name: key.name, parent: key.parent, onDelete: key.onDelete, onUpdate: key.onUpdate }))
    .sort((a, b) => (a.name < b.name ? -1 : 1)),
});
const shapes = (schema: DatabaseSchema) =>
  JSON.parse(
    JSON.stringify(Object.fromEntries(schema.relations.map((relation) => [relation.id, shape(relation)]))),
  ) as Record<string, unknown>;

describe('PostgreSQL on the MySQL family', () => {
  test('loads, and reads back as planned', async () => {
    const source = await createTestDatabase('legacy', POSTGRES);
    const place = await server.createDatabase();
    const pool = await SessionPool.open(source.target, { applicationName: 'dbps test' });
    const read = await new PostgresIntrospector(pool).read({});
    await pool.close();
    const adopted = adoptSchema(read, 'mysql', { public: place.name }, { mysql: mysqlDdl.adopt });
    for (const { sql } of createMysqlSchema(adopted.schema)) await place.query(sql);
    const session = await openMysqlSession(place.target, { applicationName: 'dbps test', readOnly: true });
    const there = await new MysqlIntrospector(queryable(session), place.name).read({});
    await session.end();
    expect(shapes(there)).toEqual(shapes(adopted.schema));
    const said = adopted.notes
      .map((note) => `${note.kind} ${note.subject}: ${note.what}`.replaceAll('public.', ''))
      .sort();
    await expect(said.join('\n') + '\n').toMatchFileSnapshot('../fixtures/adopted-by-mysql.txt');
    await place.drop();
    await source.drop();
  });
});

describe('the MySQL family on PostgreSQL', () => {
  test('loads, and reads back as planned', async () => {
    const source = await server.createDatabase(MYSQL);
    const place = await createTestDatabase('service');
    const session = await openMysqlSession(source.target, { applicationName: 'dbps test', readOnly: true });
    const read = await new MysqlIntrospector(queryable(session), source.name).read({});
    await session.end();
    const adopted = adoptSchema(
      read,
      'postgres',
      { [source.name]: 'public' },
      { postgres: postgresDdl.adopt },
    );
    for (const { sql, stage } of createSchema(adopted.schema))
      if (stage !== 'validate') await place.query(sql);
    const pool = await SessionPool.open(place.target, { applicationName: 'dbps test' });
    const there = await new PostgresIntrospector(pool).read({});
    await pool.close();
    expect(shapes(there)).toEqual(shapes(adopted.schema));
    const said = adopted.notes
      .map((note) => `${note.kind} ${note.subject}: ${note.what}`.replaceAll(`${source.name}.`, ''))
      .sort();
    await expect(said.join('\n') + '\n').toMatchFileSnapshot('../fixtures/adopted-by-postgres.txt');
    await place.drop();
    await source.drop();
  });
});
