/** `dbps lint`: SQL of applications against the boundaries, by files alone: no database is reached. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { start, type CliResult } from '../support/cli.js';

let directory: string;
const run = (...args: string[]): Promise<CliResult> => start(args, { cwd: directory }).ended;
const json = async (...args: string[]) => {
  const { code, stdout } = await run(...args, '--json');
  return {
    code,
    ...(JSON.parse(stdout) as {
      findings: { code: string; subject: string; message: string; service?: string; location?: unknown }[];
      result: { files: number; statements: number; unread: number; unknown: string[]; suppressed: unknown[] };
      error: { code: string } | null;
      nextSteps: string[];
    }),
  };
};
const write = (name: string, text: string) => {
  fs.mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
  fs.writeFileSync(path.join(directory, name), text);
};

const CONFIG = (engine: string, more = '') => `version: 1
source: { engine: ${engine}, url: "\${NOT_SET}" }
services:
  orders: { relations: [orders, order_items] }
  users: { relations: [users] }
  catalog: { relations: [products] }
shared:
  - { relations: [countries], owner: catalog }
${more}`;

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-lint-'));
  write('dbps.yaml', CONFIG('postgres'));
  write(
    'sql/orders.sql',
    `-- one; service
SELECT o.id, 'a;b' FROM orders o JOIN order_items USING (id) WHERE o.id = $1;

/* two; of them */
SELECT o.id, u.name
  FROM orders o
  JOIN public.users u ON u.id = o.user_id
 WHERE o.id = :id AND o.at::date > ?;
WITH recent AS (SELECT * FROM orders) SELECT * FROM recent JOIN countries c ON c.code = recent.country;
UPDATE products SET stock = stock - 1 WHERE id IN (SELECT product FROM order_items);
BEGIN;
INSERT INTO orders VALUES (1);
UPDATE users SET orders = orders + 1;
COMMIT;
BEGIN; INSERT INTO orders VALUES (2); INSERT INTO order_items VALUES (2); COMMIT;
UPDATE countries SET name = 'x';
SELECT * FROM nowhere;
SELEC nonsense FROM orders;
`,
  );
  write('sql/readme.txt', 'SELECT * FROM orders, users');
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

test('each statement and transaction that reaches across is found, with its line and what to do', async () => {
  const found = await json('lint', 'sql');
  expect(found.findings.map(({ code, subject, message }) => [code, subject, message])).toEqual(
    expect.arrayContaining([
      [
        'BND601',
        'sql/orders.sql:5',
        'one statement needs 2 services: public.orders (orders) and public.users (users)',
      ],
      [
        'BND601',
        'sql/orders.sql:10',
        'one statement needs 2 services: public.order_items (orders) and public.products (catalog)',
      ],
      [
        'BND603',
        'sql/orders.sql:11',
        'one transaction writes relations of 2 services: public.orders (orders) and public.users (users)',
      ],
      ['BND604', 'sql/orders.sql:18', 'could not be read, so nobody knows what it touches'],
    ]),
  );
  expect(found.findings).toHaveLength(4);
  expect(found).toMatchObject({
    code: 1,
    result: { files: 1, statements: 15, unread: 1, unknown: ['nowhere'] },
    nextSteps: ['dbps explain BND601'],
  });
});

test('whose SQL it is says what is foreign to it: writes of others, reads of shared relations excepted', async () => {
  const found = await json('lint', 'sql/orders.sql', '--service', 'orders');
  expect(found.findings.map(({ code, subject, service }) => [code, subject, service])).toEqual([
    ['BND601', 'sql/orders.sql:5', 'orders'],
    ['BND602', 'sql/orders.sql:10', 'orders'],
    ['BND602', 'sql/orders.sql:13', 'orders'],
    ['BND602', 'sql/orders.sql:16', 'orders'],
    ['BND604', 'sql/orders.sql:18', undefined],
  ]);
});

test('formats for people and for CI, from which severity on it fails, and what was accepted', async () => {
  expect((await run('lint', 'sql')).stdout).toMatch(
    /error +BND601 +sql\/orders\.sql:10[^]*orders\.sql:5[^]*fix: [^]*No service has nowhere\n15 statements in 1 file: 3 errors, 1 warning/,
  );
  expect((await run('lint', 'sql', '--format', 'github')).stdout).toContain(
    '::error file=sql/orders.sql,line=5,title=BND601',
  );
  const sarif = JSON.parse((await run('lint', 'sql', '--format', 'sarif')).stdout) as {
    runs: { results: unknown[] }[];
  };
  expect(sarif.runs[0]?.results).toHaveLength(4);
  expect((await run('lint', 'sql', '--format', 'junit')).stdout).toContain('<testsuite');
  expect((await run('lint', 'sql', '--fail-on', 'never')).code).toBe(0);
  write('good/one.sql', 'SELECT 1 FROM orders; SELECT 2 FROM users');
  expect(await json('lint', 'good', '--fail-on', 'warning')).toMatchObject({
    code: 0,
    findings: [],
    result: { statements: 2 },
  });
  write(
    'dbps.yaml',
    CONFIG(
      'postgres',
      'suppress:\n  - { code: BND601, subject: "orders.sql:5", reason: moved next month }\n',
    ),
  );
  expect((await json('lint', 'sql')).result.suppressed).toEqual([
    { code: 'BND601', subject: 'sql/orders.sql:5', reason: 'moved next month' },
  ]);
});

test('what was asked wrongly exits 2 and says so', async () => {
  expect(await json('lint', 'nothing.sql')).toMatchObject({ code: 2, error: { code: 'DBPS_E201' } });
  expect(await json('lint', 'sql', '--service', 'order')).toMatchObject({
    code: 2,
    error: { code: 'DBPS_E107' },
  });
  write('dbps.yaml', 'version: 1\nsource: { url: "postgres://db/shop" }\n');
  expect(await json('lint', 'sql')).toMatchObject({ code: 2, error: { code: 'DBPS_E225' } });
});

test('MySQL: backticks, comments with #, DELIMITER', async () => {
  write('dbps.yaml', `${CONFIG('mysql').replace('"${NOT_SET}"', '"mysql://dbps@db/shop"')}`);
  write(
    'mysql/a.sql',
    `# it's; a comment
DELIMITER //
SELECT 'it\\'s; one' FROM \`orders\`//
DELIMITER ;
SELECT * FROM orders o JOIN shop.users u ON u.id = o.user_id WHERE o.id = ?;`,
  );
  const found = await json('lint', 'mysql');
  expect(found.findings.map(({ code, subject }) => [code, subject])).toEqual([['BND601', 'mysql/a.sql:5']]);
  expect(found.result.statements).toBe(2);
});
