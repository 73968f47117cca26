import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProject, type Envelope, type Project } from '../support/project.js';

/** That the applier cannot be a replica here is good to know, and nothing to mend. */
const serious = (findings: Envelope['findings']) => findings.filter((f) => f.severity !== 'note');

let project: Project;
beforeAll(async () => {
  project = await createProject({
    sql: `CREATE TABLE users (id bigint PRIMARY KEY);
          CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);
          CREATE TABLE log (line text);`,
    services: { users: ['users'], orders: ['orders', 'log'] },
  });
});
afterAll(() => project.close());

test('a problem is a finding with the statement that mends it: exit 1', async () => {
  const { code, ok, findings, result } = await project.json(['doctor']);
  expect([code, ok]).toEqual([1, false]);
  expect(serious(findings).map((f) => [f.code, f.subject, f.severity])).toEqual([
    ['RPL201', 'public.log', 'error'],
  ]);
  expect(result).toMatchObject({ problems: 1, skipped: 0, unknown: 0, filesRead: ['dbps.yaml', '.env'] });
  const text = await project.run(['doctor']);
  expect(text.stdout).toMatch(/^problem +source +RPL201 public.log has no key/m);
  expect(text.stdout).toMatch(/Next {2}dbps explain RPL201\n$/);
  const sarif = await project.run(['doctor', '--format', 'sarif']);
  expect(JSON.parse(sarif.stdout)).toMatchObject({
    version: '2.1.0',
    runs: [{ results: expect.arrayContaining([expect.objectContaining({ ruleId: 'RPL201' })]) as unknown }],
  });
  const github = await project.run(['doctor', '--format', 'github']);
  expect(github.stdout).toMatch(/^::error file=dbps.yaml,line=1,title=RPL201 public.log::/);
  const junit = await project.run(['doctor', '--format', 'junit']);
  expect(junit.stdout).toContain('<failure message=');
});

test('a service asked for that does not exist is a usage error with a guess', async () => {
  const { code, error } = await project.json(['doctor', '--service', 'order']);
  expect(code).toBe(2);
  expect(error).toMatchObject({
    code: 'DBPS_E107',
    message: 'there is no service "order". Did you mean "orders"?',
  });
});

test('a target that is the shared database, or the one of another service, is said before anything is made', async () => {
  const { legacy, targets } = project;
  for (const command of ['plan', 'doctor']) {
    const { code, error } = await project.json([command], { env: { ORDERS_URL: legacy.url } });
    expect([command, code, error?.code]).toEqual([command, 2, 'DBPS_E226']);
    expect(error?.message).toContain('services.orders.target is the shared database itself');
  }
  const shared = await project.json(['plan'], { env: { ORDERS_URL: targets['users']?.url ?? '' } });
  expect(shared).toMatchObject({ code: 2, error: { code: 'DBPS_E226' } });
  expect(shared.error?.message).toContain(
    'services.orders and services.users would both go into schema public',
  );
  expect(fs.existsSync(path.join(project.directory, 'dbps/plan.json'))).toBe(false);
});

test('what earlier runs left behind is listed, and dropped by --fix only', async () => {
  await project.legacy.query('ALTER TABLE log ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY');
  await project.legacy.query('CREATE PUBLICATION dbps_gone_0a1b2c3d_fwd FOR TABLE users');
  await project.legacy.query(
    "SELECT pg_create_logical_replication_slot('dbps_' || current_database() || '_0a1b2c3d_fwd', 'pgoutput')",
  );
  const slots = () =>
    project.legacy.query('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()');
  const found = await project.json(['doctor', '--source-only']);
  expect(found.code).toBe(1);
  expect(serious(found.findings).map((f) => f.code)).toEqual(['RPL302', 'RPL302']);
  expect(found.nextSteps).toEqual(['dbps doctor --fix']);

  const asked = await project.json(['doctor', '--source-only', '--fix']);
  expect([asked.code, asked.error?.code]).toEqual([2, 'DBPS_E110']);
  const dry = await project.run(['doctor', '--source-only', '--fix', '--dry-run']);
  expect([dry.code, dry.stderr.includes('would drop slot')]).toEqual([1, true]);
  expect(await slots()).toHaveLength(1);

  const fixed = await project.json(['doctor', '--source-only', '--fix', '--yes']);
  expect([fixed.code, serious(fixed.findings)]).toEqual([0, []]);
  expect(await slots()).toHaveLength(0);
  expect(await project.legacy.query('SELECT FROM pg_publication')).toHaveLength(0);
});

test('that writers can be held is said, and what would stop it long before a cutover', async () => {
  const fenceable = (result: unknown) =>
    (result as { checks: { name: string; outcome: string; detail: string }[] }).checks
      .filter(({ name }) => name === 'fenceable')
      .map(({ outcome, detail }) => [outcome, detail]);
  expect(fenceable((await project.json(['doctor'])).result)).toEqual([
    ['ok', 'writers can be held during a cutover'],
  ]);
  const root = new pg.Client(project.legacy.superuserUrl);
  await root.connect();
  try {
    await root.query('CREATE TABLE public.staff () INHERITS (public.users)');
    const found = await project.json(['doctor', '--source-only']);
    expect([found.code, fenceable(found.result)]).toEqual([
      1,
      [['problem', expect.stringMatching(/may not fence public\.staff: owned by /) as unknown]],
    ]);
    expect(found.findings.filter(({ code }) => code === 'SEC301')).toMatchObject([
      { code: 'SEC301', remedy: expect.stringMatching(/^ALTER TABLE .*staff.* OWNER TO .*;$/) as unknown },
    ]);
  } finally {
    await root.query('DROP TABLE IF EXISTS public.staff');
    await root.end();
  }
});

test('a variable that is not set skips its database; one that cannot be reached was not checked: exit 4', async () => {
  const skipped = await project.json(['doctor'], { env: { ORDERS_URL: '' } });
  expect(skipped.code).toBe(0);
  expect(skipped.result).toMatchObject({ skipped: 1 });
  // Without the shared database there is nothing to say at all.
  const blind = await project.json(['doctor'], { env: { SHARED_URL: '' } });
  expect([blind.code, blind.error?.code]).toEqual([2, 'DBPS_E205']);
  const unreachable = await project.json(['doctor'], {
    env: { ORDERS_URL: 'postgres://dbps:p%23ss%2Fw%3Frd%40%25@127.0.0.1:1/orders' },
  });
  expect(unreachable.code).toBe(4);
  expect(unreachable.result).toMatchObject({ unknown: 1 });
  expect(unreachable.error?.code).toBe('DBPS_E417');
  const wrong = await project.json(['doctor'], {
    env: { SHARED_URL: project.legacy.url.replace(/:[^:@]*@/, ':wrong-secret@') },
  });
  expect(wrong.code).toBe(4);
  expect(wrong.error?.message).toContain('password authentication failed');
});

test('a URL with an unencoded password is refused with the way to write it', async () => {
  const { code, error } = await project.json(['doctor'], {
    env: { SHARED_URL: 'postgres://dbps:p#ss/w?rd@%@db.internal:5432/shop' },
  });
  expect([code, error?.code]).toEqual([2, 'DBPS_E204']);
  expect(error?.hint).toContain('${DB_PASSWORD|urlencode}');
});

test('no password was written anywhere', () => {
  expect(project.written()).not.toMatch(/p#ss|p%23ss|w\?rd|wrong-secret/);
});

test('rules are told for both servers before anything moves: rows can be applied as a replica only', async () => {
  await project.legacy.query('CREATE RULE away AS ON INSERT TO orders WHERE NEW.id < 0 DO INSTEAD NOTHING');
  const { code, result } = await project.json(['doctor']);
  expect(code).toBe(1);
  const checks = (
    result as { checks: { where: string; name: string; finding: { code: string; subject: string } }[] }
  ).checks;
  expect(
    checks
      .filter(({ name }) => name === 'rules')
      .map(({ where, finding }) => [where, finding.code, finding.subject]),
  ).toEqual([
    ['source', 'TRG302', 'public.orders'],
    ['orders', 'TRG302', 'public.orders'],
  ]);
  const planned = await project.json(['plan']);
  expect(planned.findings.filter((f) => f.code === 'TRG407').map((f) => f.subject)).toEqual([
    'public.orders',
  ]);
});
