/** What a fence takes away from the side that is applied to, and what its opening gives back. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { COMMIT, CLOSE, fenceOver, HOLD, OWNER, type FenceUnderTest } from '../support/fence.js';
import { APPLICATION } from '../support/global-setup.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const SCHEMA = `
CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE orders (id serial PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE, note text);
CREATE TABLE items (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id int CONSTRAINT items_order REFERENCES orders);
CREATE TABLE events (id int, order_id int CONSTRAINT events_order REFERENCES orders, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE reviews (id int PRIMARY KEY, order_id int CONSTRAINT reviews_order REFERENCES orders);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note = ''touched''; RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO users VALUES (1);
INSERT INTO orders (user_id) VALUES (1), (1);
INSERT INTO items (order_id) VALUES (1);
INSERT INTO events VALUES (1, 1, '2025-05-05');
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${APPLICATION.user};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${APPLICATION.user};
`;
const RELATIONS = ['public.orders', 'public.items', 'public.events'];
const SEQUENCES = ['public.orders_id_seq', 'public.items_id_seq'];
const BACK = { ...CLOSE, ownership: { owner: 'legacy', epoch: 1, revision: 9 } } as const;

let database: TestDatabase;
let under: FenceUnderTest;
beforeEach(async () => {
  database = await createTestDatabase('legacy', SCHEMA);
  under = await fenceOver(database);
});
afterEach(async () => {
  await under.close();
  await database.drop();
});

const keys = async () =>
  (
    await database.query<{ key: string }>(
      `SELECT conrelid::regclass || ' ' || conname || CASE WHEN convalidated THEN '' ELSE ' not valid' END AS key
         FROM pg_constraint WHERE contype = 'f' ORDER BY 1`,
    )
  ).map((row) => row.key);

const handOver = async () => {
  const held = await under.fence.hold(OWNER, RELATIONS, { ...HOLD, sequences: SEQUENCES });
  await held.commit(COMMIT);
};

test('crossing keys go in small steps, and come back validated; inner ones stay', async () => {
  const before = await keys();
  expect(await under.fence.detachKeys(OWNER, RELATIONS, 'crossing')).toEqual([
    'public.orders orders_user_id_fkey',
    'public.reviews reviews_order',
  ]);
  expect(await keys()).toEqual(['events events_order', 'events_2025 events_order', 'items items_order']);
  expect(await under.fence.detachKeys(OWNER, RELATIONS, 'crossing')).toEqual([]);
  expect(await under.fence.attachKeys(OWNER, RELATIONS, 'crossing')).toEqual([]);
  expect(await keys()).toEqual(before);
});

test('a key that rows break by now comes back for new rows only, and is told', async () => {
  await under.fence.detachKeys(OWNER, RELATIONS, 'crossing');
  await database.query('INSERT INTO reviews VALUES (1, 999)');
  const broken = await under.fence.attachKeys(OWNER, RELATIONS, 'crossing');
  expect(broken).toMatchObject([{ relation: 'public.reviews', name: 'reviews_order' }]);
  expect(await keys()).toContain('reviews reviews_order not valid');
  await expect(database.query('INSERT INTO reviews VALUES (2, 998)')).rejects.toThrow(/foreign key/);
  const statement = /ALTER TABLE .*;/.exec(broken[0]?.remedy ?? '')?.[0] ?? 'missing statement';
  await expect(database.query(statement)).rejects.toThrow(/reviews_order/);
});

test('H13: an applier that cannot be a replica meets no trigger, no key, no strict identity; opening gives all of them back', async () => {
  const before = await keys();
  await handOver();
  await under.fence.prepareApplier(OWNER, RELATIONS);
  // Out of order, with the owner's identity, and without the trigger's doing.
  await under.pool.query('INSERT INTO public.items (id, order_id) VALUES (77, 4711)');
  await under.pool.query("INSERT INTO public.orders (id, user_id, note) VALUES (4711, 1, 'applied')");
  expect(await database.query('SELECT note FROM orders WHERE id = 4711')).toEqual([{ note: 'applied' }]);

  await under.fence.open(OWNER, RELATIONS, BACK);
  // In force at once, without having read the rows.
  expect(await keys()).toEqual([
    'events_2025 events_order not valid',
    'items items_order not valid',
    'orders orders_user_id_fkey',
    'reviews reviews_order',
  ]);
  const application = await database.connect(database.applicationUrl);
  await expect(application.query('INSERT INTO items (order_id) VALUES (9999)')).rejects.toThrow(
    /foreign key/,
  );
  await application.query('INSERT INTO orders (user_id) VALUES (1)');
  expect(await database.query('SELECT note FROM orders ORDER BY id LIMIT 1 OFFSET 2')).toEqual([
    { note: 'touched' },
  ]);

  expect(await under.fence.attachKeys(OWNER, RELATIONS, 'inner')).toEqual([]);
  expect(await keys()).toEqual(before);
  await expect(database.query('INSERT INTO items (id, order_id) VALUES (78, 1)')).rejects.toThrow(
    /non-DEFAULT value/,
  );
});

test('H16: nextval is refused behind the fence, and goes on beyond the other side once lifted', async () => {
  await handOver();
  const application = await database.connect(database.applicationUrl);
  await expect(application.query("SELECT nextval('orders_id_seq')")).rejects.toMatchObject({ code: '2200H' });
  expect((await under.fence.fencedSequences(OWNER.service)).map(({ id, maximum }) => [id, maximum])).toEqual([
    ['public.items_id_seq', '32767'],
    ['public.orders_id_seq', '2147483647'],
  ]);
  const peer = { increment: '1', minimum: '1', maximum: '2147483647', cache: '1' };
  await under.fence.advanceSequences(OWNER, [
    { id: 'public.orders_id_seq', peer: { ...peer, id: 'x', next: '5000' }, clients: 10 },
  ]);
  await under.fence.open(OWNER, RELATIONS, BACK);
  const [next] = (await application.query<{ next: string }>("SELECT nextval('orders_id_seq') AS next")).rows;
  expect(next?.next).toBe('5010');
  // The other one kept its place, and its bounds are back.
  expect(
    await database.query(
      "SELECT seqmin, seqmax, seqstart, seqcycle FROM pg_sequence WHERE seqrelid = 'items_id_seq'::regclass",
    ),
  ).toEqual([{ seqmin: '1', seqmax: '32767', seqstart: '1', seqcycle: false }]);
  await expect(
    under.fence.advanceSequences(OWNER, [
      { id: 'public.items_id_seq', peer: { ...peer, id: 'x', next: '32760' }, clients: 20 },
    ]),
  ).rejects.toMatchObject({ code: 'DBPS_E336' });
});

test('an opening that loses a deadlock to a reader who begins to write is tried again', async () => {
  await handOver();
  await under.fence.prepareApplier(OWNER, RELATIONS);
  // The client never looks for a deadlock: whoever else is in one is chosen as its victim.
  const superuser = await database.connect(database.superuserUrl);
  await superuser.query(
    `ALTER ROLE ${APPLICATION.user} IN DATABASE ${database.name} SET deadlock_timeout = '10min'`,
  );
  const isWaiting = async (mode: string, relation: string) =>
    (
      await superuser.query(
        'SELECT FROM pg_locks WHERE mode = $1 AND relation = $2::regclass AND NOT granted',
        [mode, relation],
      )
    ).rows.length > 0;
  // In the other order: the last relation first. Another one stops the opener half way, so that he comes to that relation after all have waited.
  const application = await database.connect(database.applicationUrl);
  await application.query('BEGIN; LOCK TABLE events IN ROW EXCLUSIVE MODE');
  const gate = await database.connect();
  await gate.query('BEGIN; LOCK TABLE items IN ROW EXCLUSIVE MODE');
  let isOver = false;
  const opened = under.fence
    .open(OWNER, RELATIONS, { ...BACK, lockTimeoutMs: 60_000 })
    .finally(() => (isOver = true));
  const until = async (isSo: () => Promise<boolean>) => {
    while (!isOver && !(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await until(() => isWaiting('ShareRowExclusiveLock', 'items'));
  const written = application.query('INSERT INTO orders (user_id) VALUES (1)').then(
    () => 'accepted',
    (error: { code?: string }) => error.code,
  );
  await until(() => isWaiting('RowExclusiveLock', 'orders'));
  await gate.query('COMMIT');

  // Taken back, so the writer comes to the fence that is still closed, and lets go of what it has read.
  expect(await written).toBe('XDB01');
  await application.query('ROLLBACK');
  await opened;
  await application.query('INSERT INTO orders (user_id) VALUES (1)');
});

test('an opening that meets a lock which outlasts its patience is tried again', async () => {
  await handOver();
  await under.fence.prepareApplier(OWNER, RELATIONS);
  const holder = await database.connect();
  await holder.query('BEGIN; LOCK TABLE items IN SHARE MODE');
  const waiting = async () =>
    (
      await holder.query(
        "SELECT FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND relation = 'items'::regclass AND NOT granted",
      )
    ).rows.length > 0;
  let isOver = false;
  const opened = under.fence.open(OWNER, RELATIONS, { ...BACK, lockTimeoutMs: 10 }).then(
    () => 'opened',
    (error: { code?: string; message: string }) => `${error.code ?? ''} ${error.message}`,
  );
  void opened.finally(() => (isOver = true));
  const until = async (isSo: () => Promise<boolean>) => {
    while (!isOver && !(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await until(waiting);
  await until(async () => !(await waiting()));
  await holder.query('COMMIT');
  expect(await opened).toBe('opened');
});

test('what an opening creates is kept with the closed fence, and made in its transaction', async () => {
  await under.fence.close(OWNER, RELATIONS, {
    ...CLOSE,
    newOwner: 'legacy',
    whenOpening: [
      { sql: 'CREATE TABLE public.made (id int)' },
      { sql: 'CREATE TABLE public.users (id int)', unless: "SELECT 1 FROM pg_class WHERE relname = 'users'" },
      { sql: 'ALTER TABLE public.orders ALTER COLUMN id SET GENERATED ALWAYS' },
    ],
  });
  expect(await database.query("SELECT to_regclass('made') AS made")).toEqual([{ made: null }]);
  await under.fence.open(OWNER, RELATIONS, { ...BACK, ownership: { ...BACK.ownership, owner: 'service' } });
  expect(await database.query("SELECT to_regclass('made') AS made")).toEqual([{ made: 'made' }]);
  // Strictness that would wait for readers comes later (here it fails for want of an identity, which shows that it was kept).
  await expect(under.fence.attachKeys(OWNER, RELATIONS, 'inner')).rejects.toThrow(/identity column/);
});
