import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSession, SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { describeError } from '../../src/engines/postgres/postgres-errors.js';
import { PostgresPreflight } from '../../src/engines/postgres/postgres-preflight.js';
import {
  assessLogBudget,
  assessRules,
  assessServer,
  assessSlots,
  assessTransactions,
} from '../../src/engines/postgres/postgres-preflight-judgement.js';
import { readServer, readTransactions } from '../../src/engines/postgres/postgres-preflight-facts.js';
import { ConnectionTarget } from '../../src/model/connection-target.js';
import { DatabaseError } from '../../src/model/errors.js';
import { ADMIN, APPLICATION } from '../support/global-setup.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

let database: TestDatabase;
let pool: SessionPool;

beforeAll(async () => {
  database = await createTestDatabase(
    'legacy',
    `CREATE TABLE good (id bigint PRIMARY KEY);
     CREATE TABLE keyless (a int);
     CREATE TABLE candidate (a int NOT NULL UNIQUE, b int UNIQUE);
     CREATE TABLE deferred (id bigint PRIMARY KEY DEFERRABLE);
     CREATE TABLE everything (a int, UNIQUE (a)); ALTER TABLE everything REPLICA IDENTITY FULL;
     CREATE TABLE mute (id bigint PRIMARY KEY); ALTER TABLE mute REPLICA IDENTITY NOTHING;
     CREATE TABLE chosen (a int NOT NULL UNIQUE); ALTER TABLE chosen REPLICA IDENTITY USING INDEX chosen_a_key;
     CREATE UNLOGGED TABLE volatile (id bigint PRIMARY KEY);
     CREATE TABLE "Odd ""Name" (a int);
     CREATE TABLE parted (id bigint, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
     CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
     CREATE TABLE ruled (id bigint PRIMARY KEY);
     CREATE RULE away AS ON INSERT TO ruled WHERE NEW.id < 0 DO INSTEAD NOTHING;
     CREATE TABLE hidden (id bigint PRIMARY KEY); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
     ALTER TABLE hidden FORCE ROW LEVEL SECURITY;`,
  );
  const root = await database.connect(database.superuserUrl);
  await root.query('CREATE TABLE public.foreign_owned (id bigint PRIMARY KEY)');
  pool = await SessionPool.open(database.target, { applicationName: 'preflight test', readOnly: true });
});
afterAll(async () => {
  await pool.close();
  await database.drop();
});

const check = (relations: readonly string[]) =>
  new PostgresPreflight(pool, database.target).checks({ role: 'source', relations, service: 'shop' });

test('a fit database and relation pass every check', async () => {
  const checks = await check(['public.good', 'public.chosen', 'public.parted']);
  expect(checks.filter((c) => c.outcome !== 'ok')).toEqual([]);
  expect(checks.map((c) => c.name)).toEqual(
    expect.arrayContaining([
      'wal_level',
      'replication slots',
      'replication connection',
      'direct connection',
      'relations',
    ]),
  );
});

test.each([
  ['public.keyless', 'RPL201', 'ADD PRIMARY KEY'],
  ['public.candidate', 'RPL201', 'REPLICA IDENTITY USING INDEX "candidate_a_key"'],
  ['public.deferred', 'RPL201', 'not be deferrable'],
  ['public.everything', 'RPL201', 'ADD PRIMARY KEY'],
  ['public.mute', 'RPL201', 'REPLICA IDENTITY DEFAULT'],
  ['public.volatile', 'RPL201', 'SET LOGGED'],
  ['public.Odd "Name', 'RPL201', 'ALTER TABLE "public"."Odd ""Name"'],
  ['public.foreign_owned', 'SEC201', 'GRANT SELECT ON "public"."foreign_owned"'],
  ['public.foreign_owned', 'SEC202', 'GRANT "postgres" TO "dbps_admin"'],
  ['public.hidden', 'SEC205', 'BYPASSRLS'],
])('%s is refused with %s and a statement', async (relation, code, remedy) => {
  const id = relation.includes('"') ? 'public."Odd ""Name"' : relation;
  const findings = (await check([id])).flatMap((c) =>
    c.outcome === 'problem' && c.finding ? [c.finding] : [],
  );
  const finding = findings.find((f) => f.code === code);
  expect(finding, JSON.stringify(findings)).toMatchObject({
    subject: id,
    severity: 'error',
    service: 'shop',
  });
  expect(finding?.remedy).toContain(remedy);
});

test('the remedies for keys do what they promise', async () => {
  await database.query('CREATE TABLE mend (a int NOT NULL UNIQUE)');
  const before = (await check(['public.mend'])).find((c) => c.finding?.code === 'RPL201');
  await database.query(before?.finding?.remedy ?? '');
  expect((await check(['public.mend'])).some((c) => c.finding?.code === 'RPL201')).toBe(false);
});

test('rules need the replica role, and it is said before anything is applied', async () => {
  const preflight = new PostgresPreflight(pool, database.target);
  const ruled = await preflight.ruled(['public.good', 'public.ruled', 'public.parted']);
  expect(ruled).toEqual(['public.ruled']);
  for (const role of ['source', 'target'] as const) {
    const checks = await preflight.checks({ role, relations: [], ruled });
    expect(checks.filter(({ name }) => name === 'rules')).toMatchObject([
      {
        outcome: 'problem',
        finding: {
          code: 'TRG302',
          severity: 'error',
          subject: 'public.ruled',
          remedy: expect.stringContaining(
            'GRANT SET ON PARAMETER session_replication_role TO "dbps_admin"',
          ) as string,
        },
      },
    ]);
  }
  const server = await pool.use(readServer);
  expect(assessRules(ruled, null, server, {})).toMatchObject([{ outcome: 'ok' }]);
});

test('a relation that is not there could not be checked: that is no problem found', async () => {
  const checks = await check(['public.nowhere']);
  expect(checks.filter((c) => c.outcome === 'unknown').map((c) => c.detail)).toEqual([
    expect.stringContaining('public.nowhere'),
  ]);
});

test('open and prepared transactions are judged from what was read', async () => {
  expect(await pool.use(readTransactions)).toEqual({ long: [], prepared: [] });
  const findings = assessTransactions(
    {
      long: [{ pid: 7, user: 'reporting', ageMs: 7_800_000 }],
      prepared: [{ gid: "it's", since: '2026-11-01' }],
    },
    {},
  ).map((c) => c.finding);
  expect(findings.map((f) => [f?.code, f?.severity])).toEqual([
    ['RPL109', 'error'],
    ['RPL108', 'warning'],
  ]);
  expect(findings[0]?.remedy).toContain("ROLLBACK PREPARED 'it''s'");
});

test('a role without privileges gets the statements that grant them', async () => {
  const target = new ConnectionTarget({
    engine: 'postgres',
    host: database.target.host,
    port: database.target.port,
    user: APPLICATION.user,
    database: database.name,
    password: async () => APPLICATION.password,
    tls: false,
    parameters: {},
  });
  const asApplication = await SessionPool.open(target, { applicationName: 'preflight test', readOnly: true });
  try {
    const checks = await new PostgresPreflight(asApplication, target).checks({
      role: 'source',
      relations: ['public.good'],
    });
    const remedies = checks.flatMap((c) => c.finding?.remedy ?? []);
    expect(remedies).toEqual(
      expect.arrayContaining([
        'ALTER ROLE "shop_app" REPLICATION;',
        `GRANT CREATE ON DATABASE "${database.name}" TO "shop_app";`,
        'GRANT SELECT ON "public"."good" TO "shop_app";',
        'GRANT "dbps_admin" TO "shop_app";',
      ]),
    );
  } finally {
    await asApplication.close();
  }
});

test('server settings are judged from what was read', async () => {
  const server = await pool.use(readServer);
  const codes = (checks: ReturnType<typeof assessServer>) =>
    checks.flatMap((c) => (c.outcome === 'problem' ? [c.finding?.code] : []));
  expect(codes(assessServer(server, [], {}))).toEqual([]);
  expect(codes(assessServer({ ...server, walLevel: 'replica' }, [], {}))).toEqual(['RPL101']);
  const slot = { name: 'x', database: null, isActive: false, retainedBytes: 18 * 1024 ** 3 };
  expect(codes(assessServer({ ...server, maxSlots: 1, maxSenders: 0 }, [slot], {}))).toEqual([
    'RPL102',
    'RPL103',
  ]);
  expect(codes(assessServer({ ...server, isInRecovery: true, version: 110_000 }, [], {}))).toEqual([
    'RPL110',
    'RPL107',
  ]);
  expect(assessSlots([slot], 'shop', {})[0]?.finding?.message).toBe(
    'slot x is inactive and keeps 18.0 GB of log',
  );
  expect(assessLogBudget({ ...server, slotKeepMegabytes: 512 }, 1024 ** 3, {}).finding?.remedy).toContain(
    "'1024MB'",
  );
});

test.each([
  ['a closed port', { port: 1 }, 'DBPS_E401'],
  ['an unknown host', { host: 'no-such-host.invalid' }, 'DBPS_E401'],
  ['a wrong password', { password: async () => 'p#ss/w?rd@%-not' }, 'DBPS_E402'],
  ['an unknown user', { user: 'nobody_at_all' }, 'DBPS_E402'],
  ['no such database', { database: 'no_such_database' }, 'DBPS_E404'],
])('%s is a DatabaseError that names the target and keeps its secret', async (_what, changed, code) => {
  const { target } = database;
  const broken = new ConnectionTarget({
    engine: 'postgres',
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    tls: false,
    parameters: {},
    password: async () => ADMIN.password,
    ...changed,
  });
  const error = await openSession(broken, { applicationName: 'test' }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DatabaseError);
  expect(error).toMatchObject({ code });
  expect((error as Error).message).toContain(broken.toString());
  expect(JSON.stringify(error) + (error as Error).message + String((error as Error).cause)).not.toContain(
    'p#ss',
  );
});

test('errors that nobody handled are described, and others are not', async () => {
  const session = await database.connect(database.applicationUrl);
  const denied = await session.query('SELECT * FROM public.good').catch((thrown: unknown) => thrown);
  expect(describeError(denied)).toMatchObject({ code: 'DBPS_E405', family: 'database' });
  const missing = await session.query('SELECT * FROM public.gone').catch((thrown: unknown) => thrown);
  expect(describeError(missing)).toMatchObject({ code: 'DBPS_E414' });
  expect(
    describeError(Object.assign(new Error('No space left'), { code: '53100', severity: 'ERROR' })),
  ).toMatchObject({ code: 'DBPS_E408' });
  expect(describeError(new TypeError('x is not a function'))).toBeNull();
});
