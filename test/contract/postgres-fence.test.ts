/** Closing, passing, observing, opening, removing: what a fence is, apart from the cutover. */
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from 'vitest';
import type pg from 'pg';
import { openSession } from '../../src/engines/postgres/postgres-connection.js';
import { FENCE_SQLSTATE, readFenceRefusal } from '../../src/model/fence-error.js';
import { CLOSE, fenceOver, OWNER, type FenceUnderTest } from '../support/fence.js';
import { APPLICATION } from '../support/global-setup.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const SCHEMA = `
CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE, note text);
CREATE TABLE "Order; drop--" (id int PRIMARY KEY);
CREATE TABLE events (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE parents (id int);
CREATE TABLE children (extra int) INHERITS (parents);
CREATE VIEW order_view AS SELECT * FROM orders;
CREATE FUNCTION definer() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'UPDATE public.orders SET note = note';
INSERT INTO users VALUES (1);
INSERT INTO orders VALUES (1, 1, 'a');
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO ${APPLICATION.user};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ${APPLICATION.user};
`;
const RELATIONS = ['public.orders', 'public."Order; drop--"', 'public.events', 'public.parents'].map((id) =>
  id.replaceAll('"', ''),
);

let database: TestDatabase;
let under: FenceUnderTest;
let application: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase('legacy', SCHEMA);
  under = await fenceOver(database);
  application = await database.connect(database.applicationUrl);
});
afterAll(async () => {
  await under.close();
  await database.drop();
});

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (error: { code?: string; message?: string }) => error.code ?? error.message ?? '',
  );

const states = async () =>
  Object.fromEntries((await under.fence.observe(OWNER.service, RELATIONS)).map((s) => [s.relation, s.state]));

describe('a closed fence', () => {
  beforeEach(() => under.fence.close(OWNER, RELATIONS, CLOSE));
  afterEach(async () => {
    await under.fence.remove(OWNER, RELATIONS);
    expect(new Set(Object.values(await states()))).toEqual(new Set(['absent']));
  });

  test('tells the application who owns the writes', async () => {
    const error = await application.query('INSERT INTO orders VALUES (9)').catch((e: unknown) => e);
    expect(readFenceRefusal(error)).toEqual({ service: 'orders', owner: 'service' });
    expect(error).toMatchObject({ code: FENCE_SQLSTATE, message: 'orders has moved' });
  });

  test.each([
    ['INSERT', 'INSERT INTO orders VALUES (9)'],
    ['ON CONFLICT DO NOTHING', 'INSERT INTO orders VALUES (1) ON CONFLICT DO NOTHING'],
    ['UPDATE', 'UPDATE orders SET note = note'],
    ['UPDATE of no row', 'UPDATE orders SET note = note WHERE false'],
    ['DELETE', 'DELETE FROM orders'],
    ['TRUNCATE', 'TRUNCATE orders'],
    ['MERGE', 'MERGE INTO orders o USING users u ON o.id = u.id WHEN MATCHED THEN UPDATE SET note = note'],
    ['a view', 'UPDATE order_view SET note = note'],
    ['a writable CTE', 'WITH w AS (DELETE FROM orders RETURNING *) SELECT * FROM w'],
    ['SECURITY DEFINER of the applier (H13)', 'SELECT definer()'],
    ['a cascade from a parent that stays', 'DELETE FROM users'],
    ['a name that needs quotes', 'INSERT INTO "Order; drop--" VALUES (1)'],
    ['a partitioned root', "INSERT INTO events VALUES (1, '2025-05-05')"],
    ['H10: a partition itself', "INSERT INTO events_2025 VALUES (1, '2025-05-05')"],
    ['H10: TRUNCATE of a partition', 'TRUNCATE events_2025'],
    ['H10: an inheritance child', 'INSERT INTO children VALUES (1)'],
  ])('refuses %s', async (_what, sql) => {
    expect(await codeOf(application.query(sql))).toBe(FENCE_SQLSTATE);
  });

  test('H10: a partition that is created afterwards refuses too, and the gap in its cover is seen', async () => {
    await database.query(
      "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    );
    expect(await codeOf(application.query("INSERT INTO events_2026 VALUES (1, '2026-05-05')"))).toBe(
      FENCE_SQLSTATE,
    );
    expect(await under.fence.observe(OWNER.service, ['public.events'])).toMatchObject([
      { state: 'damaged', detail: expect.stringContaining('events_2026') as string },
    ]);
    await under.fence.close(OWNER, RELATIONS, CLOSE);
    expect(await states()).toMatchObject({ 'public.events': 'closed' });
    await database.query('DROP TABLE events_2026');
  });

  test('a prepared statement with a generic plan is refused', async () => {
    await under.fence.remove(OWNER, RELATIONS);
    await application.query('SET plan_cache_mode = force_generic_plan');
    await application.query("PREPARE w AS UPDATE orders SET note = 'p'");
    await application.query('EXECUTE w');
    await under.fence.close(OWNER, RELATIONS, CLOSE);
    expect(await codeOf(application.query('EXECUTE w'))).toBe(FENCE_SQLSTATE);
    await application.query('DEALLOCATE w');
  });

  test('readers and row locks pass', async () => {
    await application.query('SELECT * FROM orders FOR UPDATE');
    await application.query('SELECT * FROM events');
  });

  test("H13: the applier passes in dbps's own sessions only", async () => {
    const applier = await openSession(database.target, { applicationName: 'dbps test' });
    try {
      await applier.query("UPDATE public.orders SET note = 'applied'");
      await applier.query("INSERT INTO public.events VALUES (5, '2025-06-06')");
      await applier.query('UPDATE public.events SET at = at + 1 WHERE id = 5');
      const { rowCount } = await applier.query('DELETE FROM public.events WHERE id = 5');
      expect(rowCount).toBe(1);
      // An application that connects as the very same role.
      expect(await codeOf(database.query('UPDATE orders SET note = note'))).toBe(FENCE_SQLSTATE);
      // session_user decides, not current_user, whatever the application sets.
      await application.query("SET dbps.session = 'on'");
      expect(await codeOf(application.query('SELECT definer()'))).toBe(FENCE_SQLSTATE);
      await application.query('RESET dbps.session');
    } finally {
      await applier.end();
    }
  });

  test('is observed as closed; damage is seen', async () => {
    expect(new Set(Object.values(await states()))).toEqual(new Set(['closed']));

    await database.query('ALTER TABLE orders DISABLE TRIGGER dbps_fence');
    expect(await under.fence.observe(OWNER.service, ['public.orders'])).toMatchObject([
      { state: 'damaged', detail: expect.stringContaining('disabled') as string },
    ]);
    await under.fence.close(OWNER, RELATIONS, CLOSE);
    expect(await states()).toMatchObject({ 'public.orders': 'closed' });

    await database.query('CREATE TABLE more () INHERITS (parents)');
    expect(await states()).toMatchObject({ 'public.parents': 'damaged' });
    await database.query('DROP TABLE more');

    await database.query(
      `CREATE OR REPLACE FUNCTION dbps.fence_orders() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    );
    expect(new Set(Object.values(await states()))).toEqual(new Set(['damaged']));
  });
});

describe('opening', () => {
  const OPEN = { ...CLOSE, ownership: { owner: 'service', epoch: 1, revision: 1 } } as const;

  test('lets writers through, without waiting for a reader, and says who owns', async () => {
    await under.fence.close(OWNER, RELATIONS, CLOSE);
    const reader = await database.connect();
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM orders');
    await under.fence.open(OWNER, RELATIONS, OPEN);
    await reader.query('ROLLBACK');
    expect(new Set(Object.values(await states()))).toEqual(new Set(['open']));
    expect(await codeOf(application.query("UPDATE orders SET note = 'open'"))).toBe('accepted');
    expect(await codeOf(application.query("INSERT INTO events VALUES (7, '2025-07-07')"))).toBe('accepted');
    expect(await codeOf(application.query('UPDATE events SET at = at + 1'))).toBe('accepted');
    expect((await application.query('DELETE FROM events')).rowCount).toBe(1);
    expect(await under.fence.ownership(OWNER.service)).toEqual({ owner: 'service', epoch: 1, revision: 1 });
  });

  test('is idempotent, and refused when the ownership row is newer', async () => {
    await under.fence.open(OWNER, RELATIONS, OPEN);
    await database.query("UPDATE dbps.route SET owner = 'legacy', revision = 2");
    await expect(under.fence.open(OWNER, RELATIONS, OPEN)).rejects.toMatchObject({ code: 'DBPS_E333' });
    await database.query('DELETE FROM dbps.route');
  });

  test('is refused to a runner that was replaced', async () => {
    await under.fence.close(OWNER, RELATIONS, CLOSE);
    await expect(under.fence.open({ ...OWNER, epoch: 0 }, RELATIONS, OPEN)).rejects.toMatchObject({
      code: 'DBPS_E301',
    });
    expect(new Set(Object.values(await states()))).toEqual(new Set(['closed']));
    await under.fence.remove(OWNER, RELATIONS);
  });
});

test('H2: closing waits for writers under way; none writes on through it', async () => {
  // The triggers are there already, so that closing is a body swap: CREATE TRIGGER alone would drain.
  await under.fence.close(OWNER, RELATIONS, CLOSE);
  await under.fence.open(OWNER, RELATIONS, {
    ...CLOSE,
    ownership: { owner: 'service', epoch: 1, revision: 7 },
  });
  const writer = await database.connect(database.applicationUrl);
  await writer.query("PREPARE w AS UPDATE orders SET note = 'late'");
  await writer.query('BEGIN');
  await writer.query('EXECUTE w');
  let isClosed = false;
  const closing = under.fence.close(OWNER, RELATIONS, CLOSE).then(() => (isClosed = true));
  await waitUntil(() => isWaitingForLock('dbps test'));
  // The closing is not over while this transaction can still write.
  await writer.query('EXECUTE w');
  expect(isClosed).toBe(false);
  await writer.query('COMMIT');
  await closing;
  expect(await codeOf(writer.query('EXECUTE w'))).toBe(FENCE_SQLSTATE);
  await under.fence.remove(OWNER, RELATIONS);
});

test('H21: zero-row writes prove that a role can write, or name what refuses', async () => {
  expect(await under.fence.proveWritable(RELATIONS, APPLICATION.user)).toEqual([]);
  await under.fence.close(OWNER, RELATIONS, CLOSE);
  const refused = await under.fence.proveWritable(RELATIONS, APPLICATION.user);
  expect(refused.map((r) => r.relation)).toEqual(
    expect.arrayContaining(['public.orders', 'public.events_2025', 'public.children']) as string[],
  );
  expect(refused[0]?.error).toBe('orders has moved');
  // Without a role: as dbps's own, but without the applier's pass.
  expect(await under.fence.proveWritable(['public.orders'])).toHaveLength(1);
  await under.fence.remove(OWNER, RELATIONS);
  expect(await database.query('SELECT note FROM orders')).toHaveLength(1);
  // It is the role that writes: what keeps only it away is found too.
  await database.query(
    `CREATE SCHEMA hidden; CREATE TABLE hidden.t (id int); GRANT ALL ON hidden.t TO ${APPLICATION.user}`,
  );
  expect(await under.fence.proveWritable(['hidden.t'], APPLICATION.user)).toMatchObject([
    { relation: 'hidden.t', error: expect.stringContaining('permission denied') as string },
  ]);
  expect(await under.fence.proveWritable(['hidden.t'])).toEqual([]);
});

test('removing waits in small steps, so that readers do not queue behind it', async () => {
  await under.fence.close(OWNER, RELATIONS, CLOSE);
  const reader = await database.connect(database.applicationUrl);
  await reader.query('BEGIN');
  await reader.query('SELECT count(*) FROM orders');
  const removing = under.fence.remove(OWNER, RELATIONS);
  await waitUntil(() => isWaitingForLock('dbps test'));
  // Queued behind the waiting DROP TRIGGER at first, then let through: the wait is bounded by the remover's patience.
  await application.query('SELECT count(*) FROM orders');
  await reader.query('COMMIT');
  await removing;
  expect(await database.query("SELECT 1 FROM pg_proc WHERE proname = 'fence_orders'")).toEqual([]);
});

test('a relation that may not be fenced is a finding with the statement that helps', async () => {
  const superuser = await database.connect(database.superuserUrl);
  await superuser.query('CREATE TABLE foreign_owned (id int PRIMARY KEY)');
  await database.query(`GRANT CREATE ON SCHEMA public TO ${APPLICATION.user}`);
  await application.query('CREATE TABLE app_owned (id serial PRIMARY KEY)');
  await database.query("CREATE TABLE stays (id int DEFAULT nextval('app_owned_id_seq'))").catch(async () => {
    await application.query(`GRANT ALL ON SEQUENCE app_owned_id_seq TO ${'dbps_admin'}`);
    await database.query("CREATE TABLE stays (id int DEFAULT nextval('app_owned_id_seq'))");
  });
  const findings = await under.fence.assess({
    service: OWNER.service,
    relations: ['public.foreign_owned', 'public.app_owned'],
    sequences: ['public.app_owned_id_seq'],
  });
  expect(findings.map((f) => [f.code, f.severity, f.subject])).toEqual([
    ['SEC301', 'error', 'postgres'],
    ['SEQ301', 'error', 'public.app_owned_id_seq'],
    ['SEC302', 'warning', APPLICATION.user],
  ]);
  expect(await under.fence.assess({ service: OWNER.service, relations: RELATIONS, sequences: [] })).toEqual(
    [],
  );
});

async function isWaitingForLock(applicationName: string): Promise<boolean> {
  const rows = await database.query(
    "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'",
    [applicationName],
  );
  return rows.length > 0;
}

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
