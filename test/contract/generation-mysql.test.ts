/** Generated files of a service on the MySQL family: each loads into an empty database, and what is read back is what was planned. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import knex from 'knex';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { mysqlDdl } from '../../src/engines/mysql/mysql-ddl.js';
import { openMysqlSession, queryable } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlIntrospector } from '../../src/engines/mysql/mysql-introspector.js';
import { generateFiles } from '../../src/generation/generate-files.js';
import type { DatabaseSchema } from '../../src/model/database-schema.js';
import type { Plan } from '../../src/model/plan.js';
import { compareSchemas } from '../../src/model/schema-comparison.js';
import { makePlan } from '../../src/planning/make-plan.js';
import { debianProgram } from '../support/debian-program.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

const SCHEMA = `
CREATE TABLE users (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, email varchar(190) NOT NULL, name varchar(80) DEFAULT 'it''s \\\\ ? \`x\`',
  seen datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6), flags set('a','b'), state enum('new','old, ok') DEFAULT 'new',
  domain varchar(190) GENERATED ALWAYS AS (substring_index(email, '@', -1)) STORED, UNIQUE KEY users_email (email), KEY users_name (name(10)), FULLTEXT KEY users_text (name),
  token varbinary(5) NOT NULL DEFAULT 'x\\\\y', motto varchar(40) GENERATED ALWAYS AS (concat(name, ' it''s \\\\ "so"')) STORED,
  CONSTRAINT named CHECK (email <> ''), CONSTRAINT quoted CHECK (email <> 'o''\\\\b')) COMMENT='people' DEFAULT CHARSET=utf8mb4;
CREATE TABLE places (id int NOT NULL PRIMARY KEY, code char(36) NOT NULL DEFAULT (uuid()), sum int DEFAULT ((1 + 2) * 3), below int NOT NULL DEFAULT -5, bits bit(3) DEFAULT b'101', made timestamp NULL DEFAULT current_timestamp(),
  loc point NOT NULL /*!80003 SRID 4326 */, seen_name varchar(40) COMMENT 'as seen', KEY places_hidden (code) /*!80000 INVISIBLE */ /*M!100600 IGNORED */, SPATIAL KEY places_loc (loc), KEY places_seen (seen_name DESC, id) COMMENT 'it''s why') ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 STATS_PERSISTENT=1;
CREATE TABLE eight (id int NOT NULL PRIMARY KEY, t text /*!80017 , tags json DEFAULT ('{"a": 1}'), word text DEFAULT ('it''s'), name varchar(20) CHARACTER SET latin1 COLLATE latin1_bin, next int DEFAULT (id + 1) INVISIBLE, UNIQUE KEY eight_lower ((lower(name))),
  KEY eight_t (t(10) DESC), KEY eight_tags ((cast(tags->'$[*]' as char(20) array))), FULLTEXT KEY eight_text (t) WITH PARSER ngram, CONSTRAINT someday CHECK (id > 100) NOT ENFORCED */) COMMENT='MariaDB passes over most of it';
CREATE TABLE \`Order Items\` (\`order\` bigint unsigned NOT NULL, line int unsigned NOT NULL, user_id bigint unsigned, price decimal(10,2) NOT NULL DEFAULT 0.00 COMMENT 'net',
  PRIMARY KEY (\`order\`, line), CONSTRAINT items_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL);
CREATE TABLE log (id bigint NOT NULL, at date NOT NULL, body longtext, PRIMARY KEY (id, at)) PARTITION BY RANGE (year(at)) (PARTITION p0 VALUES LESS THAN (2026), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE SQL SECURITY INVOKER VIEW cheap_items AS SELECT * FROM \`Order Items\` WHERE price < 5 WITH LOCAL CHECK OPTION;
CREATE VIEW customer_items AS SELECT u.name, i.price FROM users u JOIN \`Order Items\` i ON i.user_id = u.id;
CREATE TRIGGER users_log AFTER INSERT ON users FOR EACH ROW BEGIN INSERT INTO log VALUES (NEW.id, curdate(), '{}'); SET @x = 1; END;
CREATE PROCEDURE clean(IN days int) BEGIN DELETE FROM log WHERE at < curdate() - INTERVAL days DAY; SELECT 1; END;
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO CALL clean(30);
SET SESSION sql_mode = 'PIPES_AS_CONCAT,ANSI_QUOTES', SESSION time_zone = '+05:30';
CREATE FUNCTION "glue"(a varchar(9), b varchar(9)) RETURNS varchar(18) DETERMINISTIC RETURN a || b;
CREATE EVENT morning ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 06:00:00' DISABLE DO CALL clean(1);
CREATE TRIGGER items_before BEFORE INSERT ON "Order Items" FOR EACH ROW SET NEW.price = NEW.price + length("glue"('a', 'b'));
SET SESSION sql_mode = DEFAULT, SESSION time_zone = DEFAULT;
`;

let server: MysqlTestServer;
let source: MysqlTestDatabase;
beforeAll(async () => {
  server = await startMysqlServer();
  source = await server.createDatabase(SCHEMA);
});
afterAll(async () => server?.stop());

async function read(database: MysqlTestDatabase): Promise<DatabaseSchema> {
  const session = await openMysqlSession(database.target, { applicationName: 'dbps test', readOnly: true });
  try {
    return await new MysqlIntrospector(queryable(session), database.name).read({});
  } finally {
    await session.end();
  }
}

async function asShown(database: MysqlTestDatabase, table: string): Promise<unknown> {
  const [row] = await database.query(`SHOW CREATE TABLE \`${table}\``);
  // Counters are set at the cutover; the default action may be written or not.
  return String(row?.['Create Table']).replace(/ AUTO_INCREMENT=\d+| ON UPDATE NO ACTION/g, '');
}

async function settingsOf(database: MysqlTestDatabase, of: string): Promise<unknown> {
  const [row] = await database.query(`SHOW CREATE ${of}`);
  // MySQL does not know this mode any more, and it says nothing of a body.
  const modes = String(row?.['sql_mode']).replace('NO_AUTO_CREATE_USER,', '');
  return [modes, row?.['time_zone'], /STARTS '[^']*'/.exec(String(row?.['Create Event']))?.[0]];
}

/** With no grants of the test's own on the whole database, so that those found are those of the plan. */
async function emptyTarget(): Promise<MysqlTestDatabase> {
  const target = await server.createDatabase();
  await server.query(`REVOKE ALL PRIVILEGES ON \`${target.name}\`.* FROM 'shop_app'@'%'`);
  return target;
}

async function planInto(target: MysqlTestDatabase): Promise<Plan> {
  const schema = await read(source);
  return makePlan(
    schema,
    {
      defaultSchema: source.name,
      exclude: [],
      services: [
        {
          name: 'all',
          targetEngine: 'mysql',
          targetSchema: target.name,
          relations: schema.relations.filter((r) => r.kind === 'table').map((r) => ({ id: r.id })),
        },
      ],
      shared: [],
      references: [],
    },
    '2026-01-01T00:00:00.000Z',
  );
}

test('schema.sql loads by the command line client and gives the planned schema', async () => {
  const target = await emptyTarget();
  const plan = await planInto(target);
  const made = plan.findings.find(({ code }) => code === 'SEC404')?.data?.['code'] as readonly string[];
  expect(made.map((one) => one.split(' ')[0])).toEqual(
    'event event function function procedure trigger trigger view'.split(' '),
  );
  const sql = generateFiles(plan, { ddl: () => mysqlDdl }).find(
    (file) => file.path === 'all/schema.sql',
  )?.contents;
  const { username, password } = new URL(target.url);
  const loaded = spawnSync(
    debianProgram(['mariadb', 'mysql'], 'mariadb-client-core'),
    ['-h', server.host, '-P', String(server.port), '-u', decodeURIComponent(username), target.name],
    { input: sql, encoding: 'utf8', env: { ...process.env, MYSQL_PWD: decodeURIComponent(password) } },
  );
  expect(loaded.stderr).toBe('');
  expect(compareSchemas(plan.services[0]?.schema as DatabaseSchema, await read(target))).toEqual([]);
  // In the server's own words too: what introspection got wrong twice in the same way would be equal above.
  for (const table of ['users', 'places', 'eight', 'Order Items'])
    expect(await asShown(target, table)).toBe(await asShown(source, table));
  // What a body means depends on the session that made it.
  for (const of of [
    'FUNCTION glue',
    'EVENT morning',
    'TRIGGER items_before',
    'TRIGGER users_log',
    'PROCEDURE clean',
  ])
    expect(await settingsOf(target, of), of).toEqual(await settingsOf(source, of));
  expect((await target.query("SELECT `glue`('a', 'b') AS it"))[0]?.['it']).toBe('ab');
  await target.drop();
});

test('the knex migrations give the planned schema, and take it away again', async () => {
  const target = await emptyTarget();
  const plan = await planInto(target);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-generate-'));
  for (const file of generateFiles(plan, { ddl: () => mysqlDdl }).filter(({ path: at }) =>
    at.startsWith('all/migrations/'),
  ))
    fs.writeFileSync(path.join(directory, path.basename(file.path)), file.contents);
  const client = knex({ client: 'mysql2', connection: target.url, pool: { min: 0, max: 1 } });
  const migrations = { directory, loadExtensions: ['.mjs'], schemaName: target.name };
  await client.migrate.latest(migrations);
  const there = await read(target);
  const own = (schema: DatabaseSchema) => ({
    ...schema,
    relations: schema.relations.filter((relation) => !relation.name.startsWith('knex_')),
    sequences: schema.sequences.filter((sequence) => !sequence.name.startsWith('knex_')),
  });
  expect(compareSchemas(plan.services[0]?.schema as DatabaseSchema, own(there))).toEqual([]);
  await client.migrate.rollback(migrations, true);
  expect(own(await read(target)).relations).toEqual([]);
  // Rights outlive what they were given on, unless they are taken back.
  expect(
    await server.query(`SELECT grantee, table_name FROM information_schema.table_privileges
      WHERE table_schema = '${target.name}' AND grantee LIKE '''shop_app''%'`),
  ).toEqual([]);
  await client.destroy();
  fs.rmSync(directory, { recursive: true });
  await target.drop();
});
