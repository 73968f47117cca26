/** The session that holds writers from closing to commit: who waits, who gives way, what a crash leaves, which write decides. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type pg from 'pg';
import { PostgresIntrospector } from '../../src/engines/postgres/postgres-introspector.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { FENCE_SQLSTATE } from '../../src/model/fence-error.js';
import { COMMIT, fenceOver, HOLD, OWNER, REVERSE, type FenceUnderTest } from '../support/fence.js';
import { ADMIN, APPLICATION } from '../support/global-setup.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { heldFenceSuite, overALine, type HeldFenceWorld } from './suites/held-fence.js';

const SCHEMA = `
CREATE TABLE orders (id serial PRIMARY KEY, note text);
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id int REFERENCES orders);
CREATE TABLE reviews (id int PRIMARY KEY, order_id int REFERENCES orders);
CREATE TABLE events (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note = NEW.note || ''!''; RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER touch_replica BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE orders ENABLE REPLICA TRIGGER touch_replica;
INSERT INTO orders (note) VALUES ('a'), ('b');
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO ${APPLICATION.user};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${APPLICATION.user};
`;
const RELATIONS = ['public.items', 'public.orders', 'public.events'];
const SEQUENCES = ['public.orders_id_seq', 'public.items_id_seq'];

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

const application = () => database.connect(database.applicationUrl);

const settle = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (error: { code?: string; message?: string }) => error.code ?? error.message ?? '',
  );

async function waitFor(sql: string, values: unknown[] = []): Promise<void> {
  const superuser = await database.connect(database.superuserUrl);
  while ((await superuser.query(sql, values)).rows.length === 0) await new Promise((r) => setTimeout(r, 10));
}

/** Until the session, or one of this program, waits for a lock. */
async function isBlocked(client: pg.Client | 'dbps fence' | 'dbps test'): Promise<void> {
  const [column, value] =
    typeof client === 'string'
      ? ['application_name', client]
      : ['pid', (client as unknown as { processID: number }).processID];
  return waitFor(
    `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND ${column} = $1 AND wait_event_type = 'Lock'`,
    [value],
  );
}

const fenceStates = async () =>
  (await under.fence.observe(OWNER.service, RELATIONS)).map((state) => state.state);

const world = (): HeldFenceWorld => ({
  ...under,
  relations: RELATIONS,
  target: database.target,
  through: (target) => fenceOver(database, target),
  writer: async () => {
    const client = await application();
    return { attempt: (sql) => settle(client.query(sql)), isWaiting: () => isBlocked(client) };
  },
  isFenceWaiting: () => isBlocked('dbps fence'),
  isTakeOverWaiting: () => isBlocked('dbps test'),
  stopCommit: async () => {
    const administrator = await database.connect();
    await administrator.query('BEGIN; LOCK TABLE dbps.checkpoint IN ACCESS EXCLUSIVE MODE');
    return {
      isReached: () => isBlocked('dbps fence'),
      letGo: async () => void (await administrator.query('ROLLBACK')),
    };
  },
});

heldFenceSuite(world, { open: 'absent', holding: 'SHARE ROW EXCLUSIVE', idle: 'idle in transaction' });

test('H1: writers wait without an error while held, and go on after a rollback', async () => {
  const held = await under.fence.hold(OWNER, RELATIONS, { ...HOLD, sequences: SEQUENCES });
  const writers = await Promise.all([application(), application(), application()]);
  const writes = [
    settle(writers[0].query("UPDATE orders SET note = 'x' WHERE id = 1")),
    settle(writers[1].query("INSERT INTO events_2025 VALUES (1, '2025-05-05')")),
    settle(writers[2].query("SELECT nextval('orders_id_seq')")),
  ];
  for (const writer of writers) await isBlocked(writer);
  // Readers and keys from relations that stay pass.
  const other = await application();
  await other.query('SELECT * FROM orders FOR UPDATE');
  await other.query('INSERT INTO reviews VALUES (1, 1)');
  expect(held.heldMs()).toBeGreaterThan(0);
  expect(held.relations).toEqual(
    expect.arrayContaining([
      'public.events',
      'public.events_2025',
      'public.items',
      'public.orders',
    ]) as string[],
  );
  const introspector = new PostgresIntrospector(under.pool);
  expect(await held.fingerprint()).toBe(fingerprint(await introspector.readRelations(RELATIONS), RELATIONS));
  await held.rollback();
  await held.rollback();
  expect(await Promise.all(writes)).toEqual(['accepted', 'accepted', 'accepted']);
  expect(await fenceStates()).toEqual(['absent', 'absent', 'absent']);
});

test('H1: when the runner dies the locks go with its session; nobody gets an error', async () => {
  const held = await under.fence.hold(OWNER, RELATIONS, HOLD);
  const writer = await application();
  const write = settle(writer.query("UPDATE orders SET note = 'x' WHERE id = 1"));
  await isBlocked(writer);
  await database.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dbps fence' AND datname = current_database()",
  );
  expect(await write).toBe('accepted');
  await expect(held.commit(COMMIT)).rejects.toMatchObject({ code: 'DBPS_E530' });
  expect(await under.fence.ownership(OWNER.service)).toBeNull();
});

test('H1, H8: nothing is accepted after the commit, whatever plan or snapshot the writer had', async () => {
  const repeatable = await application();
  await repeatable.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await repeatable.query('SELECT * FROM orders');
  const prepared = await application();
  await prepared.query('SET plan_cache_mode = force_generic_plan');
  await prepared.query("PREPARE w AS UPDATE orders SET note = 'p' WHERE id = 1");
  await prepared.query('EXECUTE w');

  const held = await under.fence.hold(OWNER, RELATIONS, { ...HOLD, sequences: SEQUENCES });
  const waiting = [
    settle(repeatable.query("UPDATE orders SET note = 'r' WHERE id = 2")),
    settle(prepared.query('EXECUTE w')),
  ];
  await isBlocked(repeatable);
  await isBlocked(prepared);
  expect(await held.commit(COMMIT)).toBe('committed');
  expect(await Promise.all(waiting)).toEqual([FENCE_SQLSTATE, FENCE_SQLSTATE]);
  await repeatable.query('ROLLBACK');
  expect(await fenceStates()).toEqual(['closed', 'closed', 'closed']);
});

test('H8: fence, ownership, opposite checkpoint, triggers and sequences change in one transaction', async () => {
  const look = async () => ({
    fences: await fenceStates(),
    ownership: await under.fence.ownership(OWNER.service),
    checkpoint: (await under.control.readCheckpoint(OWNER.service, 'reverse'))?.applied,
    triggers: (
      await database.query<{ tgname: string; tgenabled: string }>(
        "SELECT tgname, tgenabled FROM pg_trigger WHERE tgname LIKE 'touch%' ORDER BY 1",
      )
    ).map((t) => t.tgenabled),
    maximum: (
      await database.query<{ seqmax: string }>(
        "SELECT seqmax FROM pg_sequence WHERE seqrelid = 'orders_id_seq'::regclass",
      )
    )[0]?.seqmax,
  });
  const before = {
    fences: ['absent', 'absent', 'absent'],
    ownership: null,
    checkpoint: undefined,
    triggers: ['O', 'R'],
    maximum: '2147483647',
  };
  const held = await under.fence.hold(OWNER, RELATIONS, { ...HOLD, sequences: SEQUENCES });
  await held.commit({
    ...COMMIT,
    peerRevision: 4,
    beforeCommit: async () => expect(await look()).toEqual(before),
  });
  expect(await look()).toEqual({
    fences: ['closed', 'closed', 'closed'],
    ownership: { owner: 'service', epoch: 1, revision: 5 },
    checkpoint: REVERSE.applied,
    // This role may not be a replica: both would fire for the applier.
    triggers: ['D', 'D'],
    maximum: '2',
  });
});

test('H8: the answer to COMMIT is lost while it is still being carried out: the row is asked behind its lock', async () => {
  // Every service has its row since its reads began to move. The commit is held up where its work is done and nobody sees it yet.
  await database.query(`INSERT INTO dbps.route (service, owner, epoch) VALUES ('orders', 'legacy', 1);
    CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER hold_up AFTER UPDATE ON dbps.route DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION hold_up()`);
  const gate = await database.connect();
  await gate.query('BEGIN; SELECT pg_advisory_xact_lock(7)');
  await overALine(world(), async (fence, proxy) => {
    const held = await fence.hold(OWNER, RELATIONS, { ...HOLD, pauseBudgetMs: 60_000 });
    proxy.cutOnce('COMMIT', 'during');
    let outcome = 'asked';
    const committing = held.commit(COMMIT).then((answer) => (outcome = answer));
    const asks = () =>
      database.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%dbps.route%FOR UPDATE'",
      );
    await expect
      .poll(async () => outcome !== 'asked' || (await asks()).length > 0, { timeout: 60_000 })
      .toBe(true);
    await gate.query('COMMIT');
    expect(await committing).toBe('committed');
    expect((await under.fence.ownership(OWNER.service))?.owner).toBe('service');
  });
});

test('H14: in a deadlock with a writer the fence gives way, never the application', async () => {
  // The fence locks parents first. This writer goes the other way round.
  const writer = await application();
  await writer.query('BEGIN');
  await writer.query('INSERT INTO items (order_id) VALUES (1)');
  const holding = under.fence.hold(OWNER, RELATIONS, HOLD);
  await isBlocked('dbps fence');
  expect(await settle(writer.query("UPDATE orders SET note = 'x' WHERE id = 1"))).toBe('accepted');
  await writer.query('COMMIT');
  const held = await holding;
  expect(held.attempts).toBeGreaterThan(1);
  await held.rollback();
});

test('H14: a circle that a writer closes late is not found by the writer either', async () => {
  const writer = await application();
  await writer.query('BEGIN');
  await writer.query('INSERT INTO items (order_id) VALUES (1)');
  const holding = under.fence.hold(OWNER, RELATIONS, HOLD);
  await isBlocked('dbps fence');
  // A session looks for a deadlock once, deadlock_timeout into its wait: had the fence waited so long, the writer's look would be the next.
  const [first] = await database.query<{ began: string }>(
    "SELECT query_start::text AS began FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dbps fence'",
  );
  await waitFor(
    `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dbps fence'
        AND (query_start > $1::timestamptz + interval '0.1 ms' OR clock_timestamp() - query_start > interval '1.2 s')`,
    [first?.began],
  );
  expect(await settle(writer.query("UPDATE orders SET note = 'x' WHERE id = 1"))).toBe('accepted');
  await writer.query('COMMIT');
  await (await holding).rollback();
});

test('H14: no attempt waits as long as the server takes to look for a deadlock', async () => {
  const superuser = await database.connect(database.superuserUrl);
  await superuser.query(
    `ALTER ROLE ${ADMIN.user} IN DATABASE ${database.name} SET deadlock_timeout = '100ms'`,
  );
  const writer = await application();
  await writer.query('BEGIN');
  await writer.query("UPDATE orders SET note = 'mine' WHERE id = 1");
  await expect(under.fence.hold(OWNER, RELATIONS, { ...HOLD, attempts: 3 })).rejects.toMatchObject({
    code: 'DBPS_E332',
    message: expect.stringContaining('did not finish within 80 ms in 3 attempts') as string,
  });
  await writer.query('ROLLBACK');
});

test('H14: waiting for maintenance stops no writer', async () => {
  const maintenance = await database.connect();
  await maintenance.query('BEGIN');
  await maintenance.query('LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE');
  const holding = under.fence.hold(OWNER, RELATIONS, HOLD);
  await isBlocked('dbps fence');
  const writer = await application();
  await writer.query("SET lock_timeout = '2s'");
  expect(await settle(writer.query("UPDATE orders SET note = 'x' WHERE id = 1"))).toBe('accepted');
  await maintenance.query('COMMIT');
  await (await holding).rollback();
});

test('H14: autovacuum at work is evicted, though that takes deadlock_timeout', async () => {
  const superuser = await database.connect(database.superuserUrl);
  await superuser.query("ALTER SYSTEM SET autovacuum_naptime = '1s'");
  await superuser.query('SELECT pg_reload_conf()');
  try {
    // Slow enough to be met at work.
    await superuser.query(
      `CREATE TABLE public.busy AS SELECT g AS id, repeat('x', 500) AS pad FROM generate_series(1, 20000) g`,
    );
    await superuser.query(`ALTER TABLE public.busy OWNER TO ${ADMIN.user}`);
    await database.query(
      'ALTER TABLE busy SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)',
    );
    await database.query('DELETE FROM busy WHERE id % 2 = 0');
    await waitFor(
      "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.backend_type = 'autovacuum worker' AND l.relation = 'public.busy'::regclass AND l.mode = 'ShareUpdateExclusiveLock'",
    );
    const held = await under.fence.hold(OWNER, ['public.busy'], { ...HOLD, lockTimeoutMs: 500 });
    expect(held.attempts).toBe(1);
    await held.rollback();
  } finally {
    await superuser.query('ALTER SYSTEM RESET autovacuum_naptime');
    await superuser.query('SELECT pg_reload_conf()');
  }
});

test('H16: a writer that drew from a sequence first is no deadlock victim', async () => {
  const writer = await application();
  await writer.query('BEGIN');
  const { rows } = await writer.query<{ id: string }>("SELECT nextval('orders_id_seq') AS id");
  const holding = under.fence.hold(OWNER, RELATIONS, { ...HOLD, sequences: SEQUENCES });
  await isBlocked('dbps fence');
  expect(await settle(writer.query('INSERT INTO orders VALUES ($1)', [rows[0]?.id]))).toBe('accepted');
  await writer.query('COMMIT');
  const held = await holding;
  expect(held.sequences.find((s) => s.id === 'public.orders_id_seq')?.next).toBe('4');
  await held.rollback();
});
