import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { analyze } from '../../../src/app/analyze.js';
import { personalColumns } from '../../../src/analysis/personal-data.js';
import { readStatementLog, type LoggedStatement } from '../../../src/analysis/statement-log.js';
import { adviseStore } from '../../../src/analysis/store-advice.js';
import { detectDialect } from '../../../src/engines/offline.js';
import { relation } from '../../support/schema.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-analyze-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const found = path.join(folder, name);
  fs.writeFileSync(found, text);
  return found;
}

async function statements(text: string): Promise<LoggedStatement[]> {
  const found: LoggedStatement[] = [];
  // In odd pieces: a line may be cut anywhere.
  const pieces = (async function* () {
    for (let at = 0; at < text.length; at += 13) yield text.slice(at, at + 13);
  })();
  for await (const statement of readStatementLog(pieces)) found.push(statement);
  return found;
}

describe('statement logs', () => {
  test('PostgreSQL: process, user, duration, several lines', async () => {
    const log = `2026-11-22 08:00:01.123 UTC [4711] app@shop LOG:  statement: BEGIN
2026-11-22 08:00:01.200 UTC [4711] app@shop LOG:  duration: 1.5 ms  statement: UPDATE orders
\tSET state = 'paid'
2026-11-22 08:00:01.300 UTC [4712] job@shop LOG:  execute <unnamed>: SELECT 1 FROM products
2026-11-22 08:00:01.301 UTC [4712] job@shop DETAIL:  parameters: $1 = '2'
`;
    expect(await statements(log)).toEqual([
      { sql: 'BEGIN', session: '4711', user: 'app' },
      { sql: "UPDATE orders\n\tSET state = 'paid'", session: '4711', user: 'app', ms: 1.5 },
      { sql: 'SELECT 1 FROM products', session: '4712', user: 'job' },
    ]);
  });

  test('PostgreSQL: what was only parsed or bound was not carried out', async () => {
    const log = `2026-11-22 08:00:01.1 UTC [7] LOG:  duration: 0.1 ms  parse <unnamed>: SELECT $1 FROM orders
2026-11-22 08:00:01.2 UTC [7] LOG:  duration: 0.1 ms  bind <unnamed>: SELECT $1 FROM orders
2026-11-22 08:00:01.3 UTC [7] LOG:  duration: 2.5 ms  execute <unnamed>: SELECT $1 FROM orders
`;
    expect(await statements(log)).toEqual([{ sql: 'SELECT $1 FROM orders', session: '7', ms: 2.5 }]);
  });

  test('PostgreSQL: csvlog, a record over several lines', async () => {
    const record = (message: string, severity = 'LOG') =>
      `2026-11-22 08:00:01.123 UTC,"app","shop",4711,"10.0.0.1:5000",6561.1267,3,"UPDATE",2026-11-22 08:00:00 UTC,5/12,0,${severity},00000,"${message}",,,,,,,,,"psql","client backend",,0\n`;
    const log =
      record('statement: BEGIN') +
      record('duration: 1.5 ms  statement: UPDATE ""Order""\n  SET state = \'a, b\'\n  WHERE id = 1') +
      record('statement: SELECT 1', 'ERROR') +
      record('connection received: host=10.0.0.1') +
      record('execute S_1: COMMIT');
    expect(await statements(log)).toEqual([
      { sql: 'BEGIN', session: '4711', user: 'app' },
      {
        sql: 'UPDATE "Order"\n  SET state = \'a, b\'\n  WHERE id = 1',
        session: '4711',
        user: 'app',
        ms: 1.5,
      },
      { sql: 'COMMIT', session: '4711', user: 'app' },
    ]);
  });

  test('PostgreSQL: jsonlog; a line that was cut off is left out', async () => {
    const line = (message: string) =>
      JSON.stringify({ timestamp: '2026-11-22', user: 'app', pid: 8, error_severity: 'LOG', message });
    const log = [
      line('statement: SELECT *\nFROM orders'),
      line('checkpoint starting: time'),
      '{"timestamp":"20',
    ];
    expect(await statements(log.join('\n'))).toEqual([
      { sql: 'SELECT *\nFROM orders', session: '8', user: 'app' },
    ]);
  });

  test('MySQL: general log and slow log', async () => {
    const general = `/usr/sbin/mysqld, Version: 9.7.4 (Source distribution). started with:
Tcp port: 3306  Unix socket: /run/mysqld.sock
Time                 Id Command    Argument
2026-11-22T08:00:01.1Z\t    8 Query\tSELECT * FROM orders
2026-11-22T08:00:01.2Z\t    8 Quit\t
2026-11-22T08:00:01.3Z\t    9 Execute\tDELETE FROM items
`;
    expect(await statements(general)).toMatchObject([
      { sql: 'SELECT * FROM orders', session: '8' },
      { sql: 'DELETE FROM items', session: '9' },
    ]);
    const slow = `/usr/sbin/mariadbd, Version: 10.11.6-MariaDB. started with:
Tcp port: 3306  Unix socket: /run/mysqld.sock
Time		    Id Command	Argument
# Time: 261122  8:00:01
# User@Host: app[app] @ localhost []  Id:    12
# Query_time: 0.25  Lock_time: 0
SET timestamp=1;
SELECT *
FROM orders;
`;
    expect(await statements(slow)).toMatchObject([
      { sql: 'SELECT *\nFROM orders;', session: '12', user: 'app', ms: 250 },
    ]);
    const mariadb = `# User@Host: app[app] @ localhost []
# Thread_id: 31  Schema: shop  QC_hit: No
# Query_time: 0.000106  Lock_time: 0.000033  Rows_sent: 1  Rows_examined: 1
# Rows_affected: 0  Bytes_sent: 62
use shop;
SET timestamp=1795333261;
SELECT 1 FROM items;
`;
    expect(await statements(mariadb)).toMatchObject([
      { sql: 'SELECT 1 FROM items;', session: '31', user: 'app' },
    ]);
  });
});

describe('dialects', () => {
  test.each<[string, string | null]>([
    ['-- PostgreSQL database dump\n', 'postgres'],
    ['CREATE TABLE a (id bigserial, t timestamptz);', 'postgres'],
    ['CREATE TABLE `a` (`id` int(11) NOT NULL AUTO_INCREMENT) ENGINE=InnoDB;', 'mysql'],
    ['/*! SET default_storage_engine=INNODB */;\nCREATE TABLE a (id int);', 'mysql'],
    ['CREATE TABLE "a" (id int PRIMARY KEY);', 'postgres'],
    ['CREATE TABLE a (\n  id int,\n  KEY by_id (id)\n);', 'mysql'],
    ['CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY);', 'postgres'],
    ['CREATE TABLE a (id int);', null],
  ])('%s', (head, engine) => {
    expect(detectDialect(head)).toBe(engine);
  });

  test('one that is not told is read by the grammar that takes more of it, with a note; one of neither is refused', async () => {
    const script = (text: string) => ({ kind: 'sql', file: file('plain.sql', text) }) as const;
    const read = async (text: string) => {
      const { schema, analysis } = await analyze({ source: script(text) });
      const notes = analysis.findings.filter(({ code }) => code === 'BND153');
      return [schema.engine, schema.relations.length, notes.map(({ remedy }) => remedy)];
    };
    const plain = 'CREATE TABLE a (id int);';
    expect(await read(plain)).toEqual(['postgres', 1, ['--engine mysql']]);
    const indexed = 'CREATE TABLE a (id int, INDEX (id)); CREATE TABLE b (id int);';
    expect(await read(indexed)).toEqual(['mysql', 2, ['--engine postgres']]);
    expect(await read('CREATE TABLE "a" (id int);')).toEqual(['postgres', 1, []]);
    expect((await analyze({ source: { ...script(plain), engine: 'mysql' } })).schema.engine).toBe('mysql');
    const letter = script('Dear customers, CREATE a TABLE for me;');
    await expect(analyze({ source: letter })).rejects.toMatchObject({ code: 'DBPS_E151' });
  });
});

describe('analyze from files', () => {
  const schema = `CREATE TABLE customers (id bigint PRIMARY KEY, name text, email text);
    CREATE TABLE customer_notes (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers);
    CREATE TABLE customer_tags (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers);
    CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers);
    CREATE TABLE order_items (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders);
    CREATE TABLE order_events (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders);`;

  test('a log gives queries, transactions and the columns worth a copy', async () => {
    const log = `BEGIN;
UPDATE customers SET name = 'x' WHERE id = 1;
INSERT INTO orders (customer_id) VALUES (1);
COMMIT;
SELECT o.id, c.name, c.email FROM orders o JOIN customers c ON c.id = o.customer_id;
SELECT broken FROM FROM;
`;
    const { analysis, workload } = await analyze({
      source: { kind: 'sql', file: file('shop.sql', schema) },
      logs: [file('shop.log', log)],
      pins: {
        services: { crm: ['public.customers'], sales: ['public.orders'] },
        together: [],
        apart: [],
        shared: [],
      },
    });
    expect(workload).toEqual({ source: null, statements: 6, unread: 1, transactions: 1 });
    expect(analysis.crossings.map((crossing) => crossing.kind).sort()).toEqual([
      'query',
      'reference',
      'transaction',
    ]);
    expect(analysis.findings.map((finding) => finding.code)).toEqual(
      expect.arrayContaining(['BND111', 'BND130']),
    );
    const reference = analysis.references.find((found) => found.child === 'public.orders');
    // A customer's name and e-mail are personal: nothing is left to copy.
    expect(reference?.copyColumns).toEqual([]);
  });

  test('a missing file is named', async () => {
    await expect(analyze({ source: { kind: 'sql', file: path.join(folder, 'none.sql') } })).rejects.toThrow(
      /none\.sql/,
    );
  });

  test('what was left out of a dump is a finding with its line', async () => {
    const { analysis } = await analyze({
      source: { kind: 'sql', file: file('bad.sql', `${schema}\nCREATE TABEL x (id int);\n`) },
    });
    expect(analysis.findings.find((finding) => finding.code === 'BND150')?.subject).toMatch(
      /^line 7: CREATE TABEL/,
    );
    expect(analysis.services.flatMap((service) => service.relations)).toHaveLength(6);
  });
});

describe('personal data', () => {
  test('by name, type and comment; flags, times and ids are none', () => {
    const people = relation(
      'customers: id, email:text, first_name:text, name:text, email_verified:bool, birthday:date, last_ip:inet, phone_id, iban:text, password_hash:text, country:text',
    );
    expect(personalColumns(people).map(({ column, category }) => `${column} ${category}`)).toEqual([
      'email contact',
      'first_name identity',
      'name identity',
      'birthday identity',
      'last_ip trace',
      'iban payment',
      'password_hash secret',
    ]);
    expect(personalColumns(relation('products: id, name:text, email_template_id'))).toEqual([]);
  });
});

describe('stores', () => {
  test.each<[string, readonly string[]]>([
    ['relational', ['orders: id, total:numeric', 'order_items: order_id* -> orders, line*']],
    ['key-value', ['sessions: id, data:text, expires_at:timestamptz', 'api_tokens: id, hash:text']],
    ['document', ['pages: id, body:jsonb, meta:jsonb', 'blocks: id, content:jsonb']],
    ['columnar', ['click_events: id, at:timestamptz, amount:numeric, duration:int4']],
    ['wide-column', ['sensor_readings: sensor*, at*:timestamptz, value:float8']],
  ])('%s', (kind, lines) => {
    const relations = lines.map((line) => relation(line));
    const inside = relations.flatMap((found) => found.foreignKeys).length;
    expect(adviseStore(relations, inside, []).kind).toBe(kind);
  });
});
