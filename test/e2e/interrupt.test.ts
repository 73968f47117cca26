/**
 * Ctrl-C anywhere: exit 5 (0 where it is how a command ends), both databases consistent, the next run goes on; a second Ctrl-C ends at once.
 * Instants inside a transition are control points of the real run (`stop` is SIGTERM to itself); a command that only reads is stopped while the
 * server keeps it waiting.
 */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createProject, type Project } from '../support/project.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let project: Project;
beforeAll(async () => {
  project = await createProject({
    sql: `CREATE TABLE users (id bigint PRIMARY KEY);
          CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, note text);
          INSERT INTO users SELECT g FROM generate_series(1, 10) g;
          INSERT INTO orders SELECT g, 1 + g % 10, 'note ' || g FROM generate_series(1, 2000) g; ANALYZE;`,
    services: { users: ['users'], orders: ['orders'] },
    migration: '  chunk: { rows: 500 }',
  });
});
afterEach(() => project.endAll());
afterAll(() => project.close());

const advance = (to: string) => ['migrate', 'advance', 'orders', '--to', to, '--yes'];
const rollback = ['rollback', 'orders', '--yes'];

/** Stopped at the point, told so, and nothing but what was finished is there. */
async function stopsAt(point: string, args: readonly string[]): Promise<void> {
  const stopped = await project.json(args, { env: { DBPS_CONTROL_POINT: `${point}=stop` } });
  expect([stopped.code, stopped.ok], `${point}: ${stopped.error?.message}`).toEqual([5, false]);
  // What was waited for when the signal came (a marker row) may be what is told.
  expect(stopped.error?.code, point).toMatch(/^DBPS_E5/);
  expect(stopped.error?.hint, point).not.toBeNull();
}

async function goesOn(args: readonly string[], phase: string): Promise<void> {
  const done = await project.json(args);
  expect([done.error, done.code]).toEqual([null, 0]);
  expect(done.result).toMatchObject({ phase });
}

async function traffic(): Promise<unknown> {
  const { result } = await project.json(['status', 'orders']);
  return (result as { services: { traffic: unknown }[] }).services[0]?.traffic;
}

/** While a command waits for a lock that a test holds. */
async function interruptedWhileWaiting(
  relation: string,
  where: 'legacy' | 'service',
  args: readonly string[],
): Promise<void> {
  const database = where === 'legacy' ? project.legacy : project.targets['orders'];
  if (database === undefined) throw new Error('no target');
  const holder = await database.connect();
  await holder.query(`BEGIN; LOCK TABLE ${relation} IN ACCESS EXCLUSIVE MODE`);
  const running = project.start(args);
  const isWaiting = async () =>
    (
      await database.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      )
    ).length;
  await expect.poll(isWaiting, { timeout: 60_000, interval: 100 }).toBeGreaterThan(0);
  running.child.kill('SIGINT');
  const { code, stderr, stdout } = await running.ended;
  expect([code, stdout], stderr).toEqual([5, '']);
  expect(stderr).toContain('DBPS_E501');
  // Nothing of it goes on, or waits, on either server.
  const sessions = async () => {
    const sql = `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^dbps' AND state <> 'idle'`;
    return [...(await project.legacy.query(sql)), ...((await project.targets['orders']?.query(sql)) ?? [])];
  };
  await expect.poll(sessions, { timeout: 30_000, interval: 100 }).toEqual([]);
  await holder.query('ROLLBACK');
}

test('analyze and plan, kept waiting by the server', async () => {
  await interruptedWhileWaiting('orders', 'legacy', ['analyze']);
  expect((await project.json(['plan'])).code).toBe(0);
});

test('a second Ctrl-C does not wait; who comes next waits for the lease and goes on', async () => {
  const running = project.start(advance('provisioned'), {
    env: { DBPS_CONTROL_POINT: 'create-target-schema.before=wait:120000' },
  });
  await running.until('control point create-target-schema.before');
  running.child.kill('SIGINT');
  await running.until('once more to stop at once');
  running.child.kill('SIGINT');
  expect((await running.ended).code).toBe(130);
  await goesOn(advance('provisioned'), 'provisioned');
});

test('during the copy and before its end', async () => {
  await stopsAt('copy.chunk-written#2', advance('dual-write'));
  const status = await project.json(['status', 'orders']);
  expect(status.result).toMatchObject({ services: [{ phase: 'provisioned', target: 'dual-write' }] });
  expect(status.nextSteps).toEqual(['dbps migrate advance orders --to dual-write']);
  await stopsAt('replay.before', advance('dual-write'));
  await goesOn(advance('dual-write'), 'dual-write');
  expect((await project.json(['verify', 'orders'])).result).toMatchObject({
    isEqual: true,
    relations: [{ rows: 2000 }],
  });
});

test('verify, kept waiting by the server', async () => {
  await interruptedWhileWaiting('orders', 'service', ['verify', 'orders']);
});

test('status --watch ends by Ctrl-C: exit 0, as text and as ndjson', async () => {
  const text = project.start(['status', '--watch', '--interval', '200ms']);
  await text.until('orders   dual-write');
  text.child.kill('SIGINT');
  const shown = await text.ended;
  expect([shown.code, shown.stdout.trimEnd().split('\n').at(-1)]).toEqual([0, 'Next  dbps run']);
  const lines = project.start(['status', 'orders', '--watch', '--format', 'ndjson']);
  await lines.until('"type":"status"');
  lines.child.kill('SIGTERM');
  expect((await lines.ended).code).toBe(0);
  expect((await project.json(['status', '--watch'])).error?.code).toBe('DBPS_E102');
});

test('run, and --timeout', async () => {
  const run = project.start(['run', '--format', 'ndjson']);
  await run.until('replay has converged');
  run.child.kill('SIGINT');
  expect((await run.ended).code).toBe(5);
  const timeout = await project.json([...advance('read-cutover'), '--timeout', '1ms']);
  expect([timeout.code, timeout.error?.code]).toEqual([5, 'DBPS_E501']);
  await goesOn([...advance('read-cutover'), '--reads', '10'], 'read-cutover');
});

test('while writers are held: before the commit point legacy goes on, after it only forward', async () => {
  for (const point of ['switch-writes.held', 'switch-writes.before-commit']) {
    await stopsAt(point, advance('write-cutover'));
    expect(await traffic()).toMatchObject({ owner: 'legacy', legacyFence: 'absent' });
    await project.legacy.query("UPDATE orders SET note = 'legacy writes' WHERE id = 1");
  }
  await stopsAt('switch-writes.committed', advance('write-cutover'));
  expect(await traffic()).toMatchObject({ owner: 'service', legacyFence: 'closed' });
  await expect(project.legacy.query('DELETE FROM orders WHERE id = 2')).rejects.toThrow(/orders/);
  await goesOn(advance('write-cutover'), 'write-cutover');
  await project.targets['orders']?.query("UPDATE orders SET note = 'service writes' WHERE id = 3");
});

test('on the way back', async () => {
  await stopsAt('switch-writes-back.held', rollback);
  await project.targets['orders']?.query("UPDATE orders SET note = 'still here' WHERE id = 4");
  await stopsAt('switch-writes-back.committed', rollback);
  await goesOn(rollback, 'read-cutover');
  expect(await project.legacy.query('SELECT id, note FROM orders WHERE id < 5 ORDER BY id')).toEqual([
    { id: '1', note: 'legacy writes' },
    { id: '2', note: 'note 2' },
    { id: '3', note: 'service writes' },
    { id: '4', note: 'still here' },
  ]);
  await stopsAt('empty-target.emptied', ['migrate', 'abort', 'orders', '--yes']);
  await goesOn(['migrate', 'abort', 'orders', '--yes'], 'planned');
});

test('run, while it carries out what was filed with it: whoever follows is told, and the next run goes on', async () => {
  const held = async (env: Record<string, string> = {}) => {
    const running = project.start(['run', '--format', 'ndjson'], { env });
    await running.until('held with epoch');
    return running;
  };
  const stopsRunAt = async (point: string, to: string) => {
    const running = await held({ DBPS_CONTROL_POINT: `${point}=stop` });
    const asked = await project.json(advance(to));
    expect([asked.code, asked.ok], `${point}: ${asked.error?.message}`).toEqual([5, false]);
    expect(asked.error?.code, point).toMatch(/^DBPS_E5/);
    expect((await running.ended).code, point).toBe(5);
  };
  await goesOn(advance('provisioned'), 'provisioned');
  await stopsRunAt('copy.chunk-written#2', 'dual-write');
  await goesOn(advance('dual-write'), 'dual-write');
  await goesOn([...advance('read-cutover'), '--reads', '10'], 'read-cutover');
  await stopsRunAt('switch-writes.held', 'write-cutover');
  expect(await traffic()).toMatchObject({ owner: 'legacy', legacyFence: 'absent' });
  await project.legacy.query("UPDATE orders SET note = 'legacy still' WHERE id = 5");
  await stopsRunAt('switch-writes.committed', 'write-cutover');
  expect(await traffic()).toMatchObject({ owner: 'service', legacyFence: 'closed' });

  const running = await held();
  await goesOn(advance('write-cutover'), 'write-cutover');
  running.child.kill('SIGINT');
  expect((await running.ended).code).toBe(5);
  expect((await project.json(['verify', 'orders'])).result).toMatchObject({ isEqual: true });
  await goesOn(rollback, 'read-cutover');
  await goesOn(['migrate', 'abort', 'orders', '--yes'], 'planned');
  expect(
    await project.legacy.query(
      'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()',
    ),
  ).toEqual([]);
});
