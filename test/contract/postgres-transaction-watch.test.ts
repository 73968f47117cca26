/** What is written in one transaction, as `analyze --observe` sees it, and that nothing of the watching stays. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { observe } from '../../src/app/observe.js';
import { loadEngine } from '../../src/engines/registry.js';
import type { Database } from '../../src/engines/engine.js';
import { changedRelations } from '../../src/engines/postgres/postgres-transaction-watch.js';
import { relationId } from '../../src/model/relation-id.js';
import type { DbpsEvent } from '../../src/model/events.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

describe('names of changed relations', () => {
  test.each<[string, readonly string[]]>([
    ['table public.orders: INSERT: id[bigint]:1', ['public.orders']],
    ["table public.orders: UPDATE: note[text]:'table public.users: INSERT: '", ['public.orders']],
    ['table "My ""S"""."Order: drop--": DELETE: id[bigint]:1', [relationId('My "S"', 'Order: drop--')]],
    ['table public.a, public."B, c": TRUNCATE: (no-flags)', ['public.a', relationId('public', 'B, c')]],
    ['table public.a, public.cut_o', ['public.a']],
    ['message: transactional: 1 prefix: x, sz: 1 content:table public.a: INSERT', []],
  ])('%s', (change, expected) => {
    expect(changedRelations(change)).toEqual(expected);
  });
});

let database: TestDatabase;
let roles: Database;

beforeAll(async () => {
  database = await createTestDatabase(
    'legacy',
    `CREATE TABLE orders (id int PRIMARY KEY, note text);
     CREATE TABLE "Order; drop--" (id int);
     CREATE TABLE keyless (id int);
     CREATE TABLE events (at int) PARTITION BY RANGE (at);
     CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
     CREATE SCHEMA dbps; CREATE TABLE dbps.checkpoint (id int);`,
  );
  const engine = await loadEngine('postgres');
  roles = await engine.open(database.target, { applicationName: 'dbps' });
});
afterAll(async () => {
  await roles.close();
  await database.drop();
});

const slots = () =>
  database.query<{ slot_name: string; temporary: boolean }>(
    'SELECT slot_name, temporary FROM pg_replication_slots WHERE database = current_database()',
  );

test('committed transactions, each with what it wrote; keyless relations go on taking updates; nothing stays', async () => {
  const stop = new AbortController();
  const watch = await roles.changes.watch?.({ signal: stop.signal, pollMs: 20 });
  if (watch === undefined) throw new Error('this engine cannot watch');
  try {
    expect((await slots()).map(({ temporary }) => temporary)).toEqual([true]);
    expect(watch.made).toContain((await slots())[0]?.slot_name);
    await database.query(`BEGIN; INSERT INTO orders VALUES (1, repeat('x', 9000)); INSERT INTO "Order; drop--" VALUES (1);
      INSERT INTO events VALUES (3); UPDATE orders SET note = 'y'; COMMIT`);
    await database.query('BEGIN; INSERT INTO keyless VALUES (7); ROLLBACK');
    await database.query('INSERT INTO keyless VALUES (1)');
    await database.query('UPDATE keyless SET id = 2');
    await database.query(
      'BEGIN; INSERT INTO dbps.checkpoint VALUES (1); UPDATE orders SET note = id; INSERT INTO keyless VALUES (3); COMMIT',
    );
    await database.query('TRUNCATE orders, keyless');
    const seen: (readonly string[])[] = [];
    for await (const transactions of watch) {
      seen.push(...transactions.map(({ writes }) => writes));
      if (seen.length >= 4) break;
    }
    expect(seen).toEqual([
      [relationId('public', 'Order; drop--'), 'public.events_1', 'public.orders'],
      ['public.keyless'],
      ['public.keyless'],
      ['public.keyless', 'public.orders'],
    ]);
  } finally {
    await watch.close();
  }
  expect(await slots()).toEqual([]);
  const publications = await database.query('SELECT pubname FROM pg_publication');
  expect(publications).toEqual([]);
});

test('waiting for open transactions can be given up; the half-made slot goes', async () => {
  const other = await database.connect();
  await other.query('BEGIN; INSERT INTO keyless VALUES (9)');
  const stop = new AbortController();
  const waiting = roles.changes.watch?.({ signal: stop.signal });
  const rejected = expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  for (let isWaiting = false; !isWaiting;) {
    const rows = await database.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%test_decoding%'",
    );
    isWaiting = rows.length > 0;
  }
  stop.abort();
  await rejected;
  await other.query('ROLLBACK');
  for (let left = 1; left > 0; left = (await slots()).length);
});

test('observe counts what was written together, for so long', async () => {
  const events: DbpsEvent[] = [];
  let isOver = false;
  const writing = (async () => {
    for (let id = 100; !isOver; id++)
      await database.query(
        `BEGIN; INSERT INTO orders VALUES (${id}, ''); INSERT INTO keyless VALUES (${id}); COMMIT`,
      );
  })();
  const { seen, transactions, forMs } = await observe({
    target: database.target,
    forMs: 300,
    emit: (event) => events.push(event),
    signal: new AbortController().signal,
  });
  isOver = true;
  await writing;
  expect(forMs).toBeGreaterThanOrEqual(300);
  expect(transactions).toBeGreaterThan(0);
  expect(seen).toEqual([{ writes: ['public.keyless', 'public.orders'], times: transactions }]);
  expect(
    events
      .filter(({ type }) => type === 'note')
      .map((event) => JSON.stringify(event))
      .join(),
  ).toContain('temporary replication slot dbps_observe_');
  expect(await slots()).toEqual([]);
});
