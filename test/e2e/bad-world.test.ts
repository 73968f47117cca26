/**
 * What goes wrong in the world: each ends with the right exit code and a message that names object and remedy, both databases stay
 * consistent, and the next run goes on. Where each is tested through the command line, and where beneath it:
 *
 * | what | here | beneath |
 * | --- | --- | --- |
 * | unreachable host, wrong password | every command that connects | contract/postgres-preflight |
 * | missing privilege | doctor and plan as another role | contract/postgres-preflight |
 * | wal_level=replica, no free slot | servers of their own | contract/postgres-preflight |
 * | relation without key | doctor.test | contract/postgres-change-source, integration/copier |
 * | two encodings, no encoding | 'encodings that differ', 'does not know its encoding' | |
 * | quoted, mixed-case, reserved names | 'names that need quotes' | contract/postgres-copy, -sink, -introspector |
 * | service database that is not empty | 'a service database that is not empty' | |
 * | dbps.yaml with a typo | 'a typo' | unit/config/load |
 * | plan older than the schema | 'a plan older than the schema' | integration/move |
 * | two runners at once | 'run holds the service' | integration/runner |
 * | a dead runner's late chunk | | integration/runner H7, contract/postgres-copy H7, -sink H7 |
 * | lost slot | 'a lost slot' | contract/postgres-change-source H9 |
 * | target restored from a backup | 'a target restored from a backup' | contract/postgres-change-source H6, -sink H7 |
 * | full target disk | 'a full disk' | contract/postgres-copy ("refuses leaves nothing behind") |
 * | Ctrl-C | interrupt.test | contract/postgres-copy, -held-fence; integration/kill; npm run torture |
 *
 * Exit codes on the real binary: 0, 1, 2, 3 journey.test; 4 doctor.test and here; 5 interrupt.test; 70 here.
 */
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { startEmbeddedPostgres } from '../../src/demo/embedded-postgres.js';
import { ADMIN } from '../support/global-setup.js';
import { fillDiskUnder } from '../support/full-disk.js';
import { createTestDatabase } from '../support/postgres.js';
import { createProject, createProjectOn, type Envelope, type Project } from '../support/project.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let project: Project;
beforeAll(async () => {
  project = await createProject({
    sql: `CREATE TABLE users (id bigint PRIMARY KEY);
          CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, note text);
          INSERT INTO users SELECT g FROM generate_series(1, 10) g;
          INSERT INTO orders SELECT g, 1 + g % 10, repeat('x', 200) FROM generate_series(1, 20000) g;`,
    services: { users: ['users'], orders: ['orders'] },
  });
});
afterEach(() => project.endAll());
afterAll(() => project.close());

const advance = (to: string, ...more: string[]) => ['migrate', 'advance', 'orders', '--to', to, ...more];

function expectError(
  found: Envelope,
  code: number,
  error: string | RegExp,
  ...says: (string | RegExp)[]
): void {
  expect(found.code, JSON.stringify(found.error)).toBe(code);
  expect(found.error?.code).toMatch(error);
  for (const text of says) expect(`${found.error?.message} | ${found.error?.hint}`).toMatch(text);
}

test('a typo: file, line and what was meant', async () => {
  const file = path.join(project.directory, 'dbps.yaml');
  const text = fs.readFileSync(file, 'utf8');
  try {
    fs.writeFileSync(file, text.replace('    relations: [orders]', '    relatons: [orders]'));
    const typo = await project.run(['plan']);
    expect([typo.code, typo.stdout]).toEqual([2, '']);
    expect(typo.stderr).toMatch(/dbps\.yaml:\d+:\d+ .*relatons.*Did you mean "relations"/);
    fs.writeFileSync(file, text.replace('relations: [orders]', 'relations: [order]'));
    const missing = await project.run(['plan']);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(/dbps\.yaml:\d+:\d+ .*order/);
  } finally {
    fs.writeFileSync(file, text);
  }
  expect((await project.json(['plan'])).code).toBe(0);
});

test.each([
  ['plan'],
  ['plan', 'diff'],
  ['status'],
  ['verify'],
  ['migrate', 'history'],
  advance('provisioned', '--yes'),
])('unreachable host and wrong password: %s %s', async (...words) => {
  const secret = 'p%23ss%2Fw%3Frd%40%25';
  const nowhere = { env: { SHARED_URL: `postgres://dbps_admin:${secret}@127.0.0.1:1/shop` } };
  expectError(await project.json(words, nowhere), 4, 'DBPS_E401', '127.0.0.1:1');
  const wrong = { env: { SHARED_URL: project.legacy.url.replace(/:[^:@]*@/, `:${secret}x@`) } };
  expectError(await project.json(words, wrong), 4, /DBPS_E40\d/, /password authentication failed/);
  // Stacks and verbose notes keep the secret too: every run is looked through.
  const loud = await project.run([...words, '--verbose', '--debug'], wrong);
  expect(loud.code).toBe(4);
});

test('a missing privilege: the statement that grants it', async () => {
  const other = { env: { SHARED_URL: project.legacy.applicationUrl } };
  const doctor = await project.json(['doctor', '--source-only'], other);
  expect(doctor.code).toBe(1);
  expect(doctor.findings.map(({ remedy }) => remedy).join('\n')).toMatch(/GRANT|ALTER ROLE/);
  const begun = await project.json(advance('provisioned', '--yes'), other);
  expect([3, 4]).toContain(begun.code);
  expect(`${begun.error?.message} ${begun.error?.hint}`).toMatch(/permission|privilege|GRANT|doctor/);
});

test('a plan older than the schema: refused, and plan again is enough', async () => {
  await project.legacy.query('ALTER TABLE orders ADD COLUMN extra text');
  expectError(await project.json(advance('provisioned', '--yes')), 3, /DBPS_E3\d\d/, /orders/, /dbps plan/);
  expect((await project.json(['plan', 'diff', '--exit-code'])).code).toBe(1);
  await project.legacy.query('ALTER TABLE orders DROP COLUMN extra');
  expect((await project.json(['plan'])).code).toBe(0);
});

test('a service database that is not empty: refused by name, untouched', async () => {
  const service = project.targets['orders'];
  await service?.query('CREATE TABLE orders (id int); INSERT INTO orders VALUES (42)');
  expectError(await project.json(advance('provisioned', '--yes')), 3, /DBPS_E3\d\d/, /orders/);
  expect(await service?.query('SELECT id FROM orders')).toEqual([{ id: 42 }]);
  await service?.query('DROP TABLE orders');
  const made = await project.json(advance('provisioned', '--yes'));
  expect([made.error, made.code]).toEqual([null, 0]);
});

test('a bug is exit 70 with a report, and the transition goes on with the next run', async () => {
  const planted = { env: { DBPS_CONTROL_POINT: 'copy.planned=fail', TMPDIR: project.directory } };
  const bug = await project.json(advance('dual-write', '--yes'), planted);
  expectError(bug, 70, 'DBPS_E901', /failed on purpose at copy\.planned/, /its report is/);
  const report = /its report is (\S+\.json)/.exec(bug.error?.hint ?? '')?.[1] ?? '';
  expect(fs.readFileSync(report, 'utf8')).toContain('failed on purpose');
});

test('a full disk under the service database: exit 4, legacy goes on, and with room the copy does too', async () => {
  const service = project.targets['orders'];
  if (service === undefined) throw new Error('no target');
  const disk = await fillDiskUnder(service, ['public.orders']);
  try {
    expectError(
      await project.json(advance('dual-write', '--yes')),
      4,
      'DBPS_E408',
      /No space left|could not extend/,
    );
    await project.legacy.query("INSERT INTO orders VALUES (20001, 1, 'while it was full')");
    await disk.makeRoom();
    const done = await project.json(advance('dual-write', '--yes'));
    expect([done.error, done.code]).toEqual([null, 0]);
    expect((await project.json(['verify', 'orders'])).result).toMatchObject({ isEqual: true });
  } finally {
    await disk.close();
  }
});

test('run holds the service: another command files with it, a second run takes nothing from it', async () => {
  const first = project.start(['run']);
  await first.until('forward stream: replay has converged');
  const second = project.start(['run', '--format', 'ndjson']);
  const filed = await project.json(advance('read-cutover', '--reads', '10', '--yes'));
  expect([filed.error, filed.code]).toEqual([null, 0]);
  expect(filed.result).toMatchObject({ by: 'runner', phase: 'read-cutover' });
  second.child.kill('SIGTERM');
  expect((await second.ended).code).toBe(5);
  const running = await project.json(['status', 'orders']);
  expect(running.result).toMatchObject({
    services: [{ runner: { holder: `run-${first.child.pid}`, isLive: true } }],
  });
  // What dbps.yaml says since then counts for a dry run, which reads it, and not for the runner: whoever changed it is told.
  const rehearse = advance('write-cutover', '--dry-run');
  expect((await project.run(rehearse)).stderr).not.toContain('other settings');
  const file = path.join(project.directory, 'dbps.yaml');
  const config = fs.readFileSync(file, 'utf8');
  project.writeConfig(
    /^migration:/m.test(config)
      ? config.replace(/^migration:/m, 'migration:\n  jobs: 3')
      : `${config}\nmigration: { jobs: 3 }\n`,
  );
  expect((await project.run(rehearse)).stderr).toContain('orders is held by a runner with other settings');
  project.writeConfig(config);
  first.child.kill('SIGTERM');
  expect((await first.ended).code).toBe(5);
});

test('a target restored from a backup: refused before a change is lost', async () => {
  const service = project.targets['orders'];
  const [backup] = (await service?.query<{ row: string }>(
    "SELECT to_jsonb(c)::text AS row FROM dbps.checkpoint c WHERE direction = 'forward'",
  )) ?? [{ row: '' }];
  await project.legacy.query("INSERT INTO orders SELECT g, 1, 'later' FROM generate_series(30001, 30100) g");
  const runner = project.start(['run']);
  await runner.until('forward stream: replay has converged');
  await expect
    .poll(async () => (await service?.query('SELECT FROM orders WHERE id > 30000'))?.length, {
      timeout: 60_000,
      interval: 200,
    })
    .toBe(100);
  runner.child.kill('SIGINT');
  expect((await runner.ended).code).toBe(5);
  // The state of before: the rows are gone, the checkpoint is the old one; the log of between is gone from legacy.
  await service?.query("SET dbps.session = 'on'");
  await service?.query('DELETE FROM orders WHERE id > 30000');
  await service?.query(
    `UPDATE dbps.checkpoint c SET applied = b.applied, received = b.received FROM jsonb_populate_record(NULL::dbps.checkpoint, $1) b
      WHERE c.direction = 'forward'`,
    [backup?.row],
  );
  await service?.query('RESET dbps.session');
  const refused = await project.json(advance('write-cutover', '--yes'));
  expectError(refused, 3, /DBPS_E3\d\d/, /orders/);
  expect((await project.json(['status', 'orders'])).result).toMatchObject({
    services: [{ phase: 'read-cutover', traffic: { owner: 'legacy' } }],
  });
});

test('a lost slot: told, never quietly made again; abort and begin anew', async () => {
  const root = new pg.Client({ connectionString: project.legacy.superuserUrl });
  await root.connect();
  await root.query(
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND slot_name LIKE '%_fwd'",
  );
  await root.end();
  const refused = await project.json(advance('write-cutover', '--yes'));
  expectError(refused, 3, /DBPS_E3\d\d/, /slot|capture/);
  expect(
    await project.legacy.query(
      "SELECT FROM pg_replication_slots WHERE database = current_database() AND slot_name LIKE '%_fwd'",
    ),
  ).toEqual([]);
  const aborted = await project.json(['migrate', 'abort', 'orders', '--yes']);
  expect([aborted.error, aborted.code]).toEqual([null, 0]);
  for (const to of ['provisioned', 'dual-write']) {
    const again = await project.json(advance(to, '--yes'));
    expect([again.error, again.code]).toEqual([null, 0]);
  }
  expect((await project.json(['migrate', 'abort', 'orders', '--yes'])).code).toBe(0);
});

test.each([
  ['wal_level = replica', { wal_level: 'replica' }, 'RPL101', /wal_level/],
  ['no free slot', { max_replication_slots: 1 }, 'RPL102', /replication.slots/],
])('%s: doctor says what to set, and nothing is begun', async (_what, settings, code, remedy) => {
  const server = await startEmbeddedPostgres({ settings });
  const root = new pg.Client({ connectionString: server.url() });
  try {
    root.on('error', () => undefined);
    await root.connect();
    await root.query(`CREATE TABLE users (id bigint PRIMARY KEY);
      CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, note text)`);
    if (code === 'RPL102') await root.query("SELECT pg_create_physical_replication_slot('taken')");
    const there = { env: { SHARED_URL: server.url() } };
    const doctor = await project.json(['doctor', '--source-only'], there);
    expect(doctor.code).toBe(1);
    expect(doctor.findings.find((finding) => finding.code === code)?.remedy).toMatch(remedy);
    expect((await project.json(['plan'], there)).error).toBeNull();
    expectError(await project.json(advance('provisioned', '--yes'), there), 3, /DBPS_E3\d\d/, remedy);
    expect((await root.query("SELECT FROM pg_replication_slots WHERE slot_name LIKE 'dbps%'")).rows).toEqual(
      [],
    );
  } finally {
    await root.end();
    await server.stop();
  }
});

test('encodings that differ are said before anything is made; with one encoding rows go forward and back', async () => {
  const sql = `CREATE TABLE orders (id text PRIMARY KEY, note text NOT NULL);
    INSERT INTO orders SELECT 'k' || g, 'x' FROM generate_series(1, 500) g; INSERT INTO orders VALUES ('é', 'ünï'), ('ÿ', '¿')`;
  const legacy = await createTestDatabase('legacy', sql, 'LATIN1');
  const [other, same] = [
    await createTestDatabase('service'),
    await createTestDatabase('service', undefined, 'LATIN1'),
  ];
  const latin = createProjectOn(legacy, { orders: same }, { services: { orders: ['orders'] } });
  try {
    const ok = async (...args: string[]) => {
      const found = await latin.json(args);
      expect([found.error, found.code], args.join(' ')).toEqual([null, 0]);
      return found.result;
    };
    await ok('plan');
    const differing = { env: { ORDERS_URL: other.url } };
    const told = await latin.json(['doctor'], differing);
    expect(told.code).toBe(1);
    expect(told.findings.find(({ code }) => code === 'RPL111')).toMatchObject({
      severity: 'error',
      remedy: expect.stringContaining("ENCODING 'LATIN1'") as string,
    });
    expectError(
      await latin.json(advance('provisioned', '--yes'), differing),
      3,
      'DBPS_E318',
      /is UTF8, that of the shared database LATIN1/,
    );
    for (const to of ['provisioned', 'dual-write']) await ok(...advance(to, '--yes'));
    await legacy.query("UPDATE orders SET note = 'à' WHERE id = 'é'; INSERT INTO orders VALUES ('ß', 'ö')");
    for (const to of ['read-cutover', 'write-cutover']) await ok(...advance(to, '--yes'));
    await same.query("UPDATE orders SET note = 'back: ç' WHERE id = 'ß'");
    await ok('rollback', 'orders', '--yes');
    expect(await legacy.query("SELECT id, note FROM orders WHERE id !~ '^k' ORDER BY note")).toEqual(
      [
        { id: 'ß', note: 'back: ç' },
        { id: 'é', note: 'à' },
        { id: 'ÿ', note: '¿' },
      ].toSorted((a, b) => (a.note < b.note ? -1 : 1)),
    );
    await ok('migrate', 'abort', 'orders', '--yes');
  } finally {
    await latin.close();
    await other.drop();
  }
});

test('a database that does not know its encoding is refused before anything is made', async () => {
  const legacy = await createTestDatabase(
    'legacy',
    'CREATE TABLE orders (id bigint PRIMARY KEY)',
    'SQL_ASCII',
  );
  const raw = createProjectOn(
    legacy,
    { orders: await createTestDatabase('service') },
    { services: { orders: ['orders'] } },
  );
  try {
    expect((await raw.json(['plan'])).error).toBeNull();
    const told = await raw.json(['doctor']);
    expect(told.findings.map(({ code }) => code)).toContain('RPL112');
    expectError(await raw.json(advance('provisioned', '--yes')), 3, 'DBPS_E318', /SQL_ASCII/);
  } finally {
    await raw.close();
  }
});

test('what administrators set for roles and databases changes nothing: limits of time, isolation, read-only', async () => {
  const strict = await createProject({
    sql: `CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL);
          CREATE INDEX ON orders (note);
          INSERT INTO orders (note) SELECT repeat('x', 100) || g FROM generate_series(1, 100000) g;`,
    services: { orders: ['orders'] },
  });
  const service = strict.targets['orders'];
  if (service === undefined) throw new Error('no service database');
  try {
    for (const { name, superuserUrl } of [strict.legacy, service]) {
      const root = new pg.Client(superuserUrl);
      await root.connect();
      for (const setting of [
        "statement_timeout = '100ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '100ms'",
        "idle_session_timeout = '300ms'",
        "transaction_timeout = '100ms'",
        'default_transaction_isolation = serializable',
        'default_transaction_read_only = on',
        'default_transaction_deferrable = on',
      ])
        await root.query(`ALTER ROLE ${ADMIN.user} IN DATABASE ${name} SET ${setting}`);
      await root.end();
    }
    const ok = async (...args: string[]) => {
      const found = await strict.json(args);
      expect([found.error, found.code], args.join(' ')).toEqual([null, 0]);
    };
    await ok('plan');
    for (const to of ['provisioned', 'dual-write', 'read-cutover', 'write-cutover'])
      await ok(...advance(to, '--yes'));
    await ok('rollback', 'orders', '--yes');
    await ok('migrate', 'abort', 'orders', '--yes');
  } finally {
    await strict.close();
  }
});

test('names that need quotes go all the way, in SQL, YAML, files and next steps', async () => {
  const odd = await createProject({
    sql: `CREATE TABLE "User" ("Id" bigint PRIMARY KEY);
          CREATE TABLE "Order; drop--" ("select" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "from" text, "User Id" bigint REFERENCES "User");
          CREATE TABLE "group" ("o'clock" bigint PRIMARY KEY REFERENCES "Order; drop--", "ünïcode" numeric);
          INSERT INTO "User" VALUES (1);
          INSERT INTO "Order; drop--" ("from", "User Id") SELECT 'x' || g, 1 FROM generate_series(1, 50) g;
          INSERT INTO "group" SELECT g, g FROM generate_series(1, 50) g;`,
    services: { people: ['"User"'], orders: ['"Order; drop--"', '"group"'] },
  });
  try {
    const planned = await odd.json(['plan']);
    expect(planned.error).toBeNull();
    expect((await odd.json(['generate'])).error).toBeNull();
    for (const to of ['provisioned', 'dual-write', 'read-cutover', 'write-cutover']) {
      const moved = await odd.json(advance(to, '--yes'));
      expect([moved.error, moved.code], to).toEqual([null, 0]);
    }
    await odd.targets['orders']?.query(`INSERT INTO "Order; drop--" ("from", "User Id") VALUES ('new', 1)`);
    const back = await odd.json(['rollback', 'orders', '--yes']);
    expect([back.error, back.code]).toEqual([null, 0]);
    expect(await odd.legacy.query(`SELECT "from" FROM "Order; drop--" WHERE "from" = 'new'`)).toHaveLength(1);
    await odd.targets['orders']?.query("SET dbps.session = 'on'");
    await odd.targets['orders']?.query(`UPDATE "Order; drop--" SET "from" = 'other' WHERE "select" = 7`);
    await odd.targets['orders']?.query('RESET dbps.session');
    const runner = odd.start(['run']);
    await runner.until('forward stream: replay has converged');
    const verified = await odd.json(['verify', 'orders', '--mode', 'full']);
    expect(verified.code).toBe(1);
    expect(verified.nextSteps[0]).toContain("'public.Order; drop--'");
    runner.child.kill('SIGTERM');
    expect((await runner.ended).code).toBe(5);
    expect((await odd.json(['migrate', 'abort', 'orders', '--yes'])).code).toBe(0);
  } catch (error) {
    await odd.close().catch(() => undefined);
    throw error;
  }
  await odd.close();
});
