/** `analyze --observe` as a process: what it sees is priced, and nothing of it stays, however it ends. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dbps } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase(
    'legacy',
    `CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users);`,
  );
});
afterAll(async () => database.drop());

const slots = () =>
  database.query('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()');
const analyze = ['analyze', '--url'];

test('transactions seen are counted in the result', async () => {
  let isOver = false;
  const writing = (async () => {
    for (let id = 1; !isOver; id++)
      await database.query(
        `BEGIN; INSERT INTO users VALUES (${id}); INSERT INTO orders VALUES (${id}, ${id}); COMMIT`,
      );
  })();
  const { code, stdout, stderr } = await dbps([
    ...analyze,
    database.url,
    '--observe',
    '1s',
    '--json',
  ]).finally(() => {
    isOver = true;
    return writing;
  });
  expect(code, stderr).toBe(0);
  const { result } = JSON.parse(stdout) as { result: { workload: { transactions: number } } };
  expect(result.workload.transactions).toBeGreaterThan(0);
  expect(stderr).toContain('goes with its session');
  expect(await slots()).toEqual([]);
});

test.each<[NodeJS.Signals, number | null]>([
  ['SIGINT', 5],
  ['SIGKILL', null],
])('ended by %s it leaves no slot', async (name, expected) => {
  const { code } = await dbps([...analyze, database.url, '--observe', '10m'], {
    signal: { name, whenStderrHas: 'temporary replication slot dbps_observe_' },
  });
  expect(code).toBe(expected);
  // A killed process's session ends when the server notices.
  for (let left = 1; left > 0; left = (await slots()).length);
});

test('a script cannot be observed', async () => {
  const { code, stderr } = await dbps(['analyze', '--from-sql', 'x.sql', '--observe', '10m']);
  expect(code).toBe(2);
  expect(stderr).toContain('--observe needs a database');
});
