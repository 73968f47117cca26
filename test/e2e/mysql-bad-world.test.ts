/**
 * What goes wrong in the world, on the MySQL family: the right exit code, a message that names object and remedy, and the next run goes on
 * (bad-world.test.ts is the same for PostgreSQL). Beneath: contract/mysql-preflight (log off, row image, keys, privileges),
 * contract/mysql-copy, -sink and -change-source (late chunks, restored targets, purged logs), contract/mysql-take-over (frozen owner).
 */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { createProjectOn, type Envelope, type Project } from '../support/project.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let server: MysqlTestServer;
let other: MysqlTestServer;
let project: Project<MysqlTestDatabase>;
const service = () => project.targets['orders'] as MysqlTestDatabase;
beforeAll(async () => {
  server = await startMysqlServer();
  other = await startMysqlServer();
  // Reserved, mixed-case and quoted names, a key of two columns, a reference to itself, zero dates, NULLs, an empty relation.
  const legacy = await server.createDatabase(`
    CREATE TABLE users (id bigint PRIMARY KEY);
    CREATE TABLE \`Order; drop--\` (
      \`select\` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, \`from\` varchar(50), \`User Id\` bigint, parent bigint, day date, at timestamp(6) NULL,
      CONSTRAINT \`by user\` FOREIGN KEY (\`User Id\`) REFERENCES users (id),
      CONSTRAINT \`its own\` FOREIGN KEY (parent) REFERENCES \`Order; drop--\` (\`select\`)) DEFAULT CHARSET=utf8mb4;
    CREATE TABLE \`group\` (\`o'clock\` bigint NOT NULL, \`ünïcode\` varchar(20) NOT NULL, v decimal(30,10), PRIMARY KEY (\`o'clock\`, \`ünïcode\`)) DEFAULT CHARSET=utf8mb4;
    CREATE TABLE empty_one (id int PRIMARY KEY);
    INSERT INTO users VALUES (1);
    SET SESSION sql_mode = '', time_zone = '+00:00';
    INSERT INTO \`Order; drop--\` (\`from\`, \`User Id\`, parent, day, at) VALUES
      ('😀 "quoted" \\\\ back', 1, NULL, '0000-00-00', '1970-01-01 00:00:01.000001'), (NULL, NULL, 1, '9999-12-31', '2038-01-19 03:14:07.999999'), ('', 1, 2, NULL, NULL);
    INSERT INTO \`group\` SELECT seq, 'ž', seq / 4 FROM seq_1_to_3000;
    SET SESSION sql_mode = DEFAULT`);
  project = createProjectOn(
    legacy,
    { users: await other.createDatabase(), orders: await other.createDatabase() },
    { services: { users: ['users'], orders: ['"Order; drop--"', '"group"', 'empty_one'] } },
  );
  expect((await project.json(['plan'])).error).toBeNull();
});
afterEach(() => project.endAll());
afterAll(async () => {
  await project?.close();
  await server?.stop();
  await other?.stop();
});

const advance = (to: string) => ['migrate', 'advance', 'orders', '--to', to, '--yes'];

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

const expectDone = (found: Envelope) => expect([found.error, found.code]).toEqual([null, 0]);

test.each([['plan'], ['status'], advance('provisioned')])(
  'unreachable host and wrong password: %s',
  async (...words) => {
    const secret = 'p%23ss%2Fw%3Frd%40%25';
    const nowhere = { env: { SHARED_URL: `mysql://dbps_admin:${secret}@127.0.0.1:1/shop` } };
    expectError(await project.json(words, nowhere), 4, 'DBPS_E401', '127.0.0.1:1');
    const wrong = { env: { SHARED_URL: project.legacy.url.replace(/:[^:@]*@/, `:${secret}x@`) } };
    expectError(await project.json(words, wrong), 4, /DBPS_E40\d/, /[Aa]ccess denied|password/);
  },
);

test('what administrators set for the server changes nothing: limits of time, isolation, autocommit, safe updates', async () => {
  const [legacy, target] = [
    await server.createDatabase(
      `CREATE TABLE orders (id bigint AUTO_INCREMENT PRIMARY KEY, note varchar(200) NOT NULL, KEY (note));
       INSERT INTO orders (note) SELECT CONCAT(REPEAT('x', 100), seq) FROM seq_1_to_50000`,
    ),
    await other.createDatabase(),
  ];
  const strict = createProjectOn(legacy, { orders: target }, { services: { orders: ['orders'] } });
  const unusual = [
    ['autocommit', '0'],
    ['completion_type', "'CHAIN'"],
    ['sql_safe_updates', '1'],
    ['sql_auto_is_null', '1'],
    ['sql_select_limit', '10'],
    ['foreign_key_checks', '0'],
    ['unique_checks', '0'],
    ['wait_timeout', '1'],
    ['net_read_timeout', '1'],
    ['net_write_timeout', '1'],
    ['group_concat_max_len', '4'],
    ...(server.isMaria
      ? [
          ['tx_isolation', "'SERIALIZABLE'"],
          ['tx_read_only', '1'],
          ['max_statement_time', '0.05'],
          ['idle_transaction_timeout', '1'],
        ]
      : [
          ['transaction_isolation', "'SERIALIZABLE'"],
          ['transaction_read_only', '1'],
        ]),
  ] as const;
  const usual: (() => Promise<unknown>)[] = [];
  try {
    expectDone(await strict.json(['plan']));
    for (const one of [server, other])
      for (const [name, value] of unusual) {
        const [row] = await one.query(`SELECT @@GLOBAL.${String(name)} AS now`);
        const now = typeof row?.['now'] === 'string' ? `'${row['now']}'` : String(row?.['now']);
        usual.push(() => one.query(`SET GLOBAL ${String(name)} = ${now.replace(/^'(\d+)'$/, '$1')}`));
        await one.query(`SET GLOBAL ${String(name)} = ${String(value)}`);
      }
    for (const to of ['provisioned', 'dual-write', 'read-cutover', 'write-cutover'])
      expectDone(await strict.json(advance(to)));
    expectDone(await strict.json(['rollback', 'orders', '--yes']));
    expectDone(await strict.json(['migrate', 'abort', 'orders', '--yes']));
  } finally {
    for (const put of usual) await put();
    await strict.close();
  }
});

test('a service database that is not empty: refused by name, untouched', async () => {
  await service().query('CREATE TABLE `group` (id int)');
  await service().query('INSERT INTO `group` VALUES (42)');
  expectError(await project.json(advance('provisioned')), 3, /DBPS_E3\d\d/, /group/);
  expect(await service().query('SELECT id FROM `group`')).toEqual([{ id: 42 }]);
  await service().query('DROP TABLE `group`');
  expectDone(await project.json(advance('provisioned')));
});

test('the connections to the service database are cut in the middle of the copy: the next run goes on', async () => {
  const copying = project.start([...advance('dual-write'), '--json'], {
    env: { DBPS_CONTROL_POINT: 'copy.chunk-written=wait:1000' },
  });
  await expect
    .poll(
      async () =>
        (
          await service()
            .query("SELECT 1 FROM dbps.chunk WHERE service = 'orders' AND is_done")
            .catch(() => [])
        ).length,
      { timeout: 120_000, interval: 50 },
    )
    .toBeGreaterThan(0);
  // All but the one that this test asks by.
  const [own] = await service().query('SELECT CONNECTION_ID() AS id');
  const sessions = await other.query(
    "SELECT id FROM information_schema.processlist WHERE user = 'dbps_admin' AND db = ? AND id <> ?",
    [service().name, own?.['id']],
  );
  for (const { id } of sessions) await other.query(`KILL ${String(id)}`).catch(() => undefined);
  const cut = await copying.ended;
  expect([0, 4], cut.stdout + cut.stderr).toContain(cut.code);
  await project.legacy.query("INSERT INTO `group` VALUES (9001, 'while it was cut', 1)");
  expectDone(await project.json(advance('dual-write')));
  // A move that rode through the cut had arrived before the row above, which only `run` carries over then.
  const running = project.start(['run']);
  const verified = await project.json(['verify', 'orders']);
  expect(verified.error).toBeNull();
  expect(verified.result).toMatchObject({ isEqual: true });
  running.child.kill('SIGTERM');
  expect((await running.ended).code).toBe(5);
});

test('a missing privilege: the statement that grants it', async () => {
  const other = { env: { SHARED_URL: project.legacy.applicationUrl } };
  const doctor = await project.json(['doctor', '--source-only'], other);
  expect([doctor.code, doctor.error], JSON.stringify(doctor.error)).toEqual([1, null]);
  expect(doctor.findings.map(({ remedy }) => remedy).join('\n')).toMatch(/GRANT .* TO /);
  const begun = await project.json(advance('provisioned'), other);
  expect([3, 4]).toContain(begun.code);
  expect(`${begun.error?.message} ${begun.error?.hint}`).toMatch(/denied|privilege|GRANT|doctor/);
});

test('an application that no fence would hold is told by doctor, with the statement; an account of the name that dbps has is none', async () => {
  const { name } = project.legacy;
  await server.query("CREATE USER teller@'%' IDENTIFIED BY 'Teller-1'");
  await server.query(`GRANT ALL PRIVILEGES ON \`${name}\`.* TO teller@'%'`);
  await server.query("CREATE USER dbps_admin@'10.1.2.3' IDENTIFIED BY 'Admin-1'");
  await server.query("GRANT ALL PRIVILEGES ON *.* TO dbps_admin@'10.1.2.3'");
  if (server.isMaria) await server.query("GRANT SELECT ON mysql.* TO 'dbps_admin'@'%'");
  const fences = async () => {
    const { findings } = await project.json(['doctor', '--source-only']);
    return findings.filter(({ code }) => code === 'SEC303');
  };
  try {
    const found = await fences();
    expect(found.map(({ subject }) => subject)).toEqual(["'teller'@'%'"]);
    for (const statement of found[0]?.remedy?.split(/(?<=;)\s*/) ?? []) await server.query(statement);
    expect(await fences()).toEqual([]);
  } finally {
    await server.query("DROP USER teller@'%'");
    await server.query("DROP USER dbps_admin@'10.1.2.3'");
    if (server.isMaria) await server.query("REVOKE SELECT ON mysql.* FROM 'dbps_admin'@'%'");
  }
});

test('a service of the same name out of another database of the server: refused, whatever it is asked for', async () => {
  const state = () =>
    server.query("SELECT phase, target, plan_hash, epoch FROM dbps.service WHERE service = 'orders'");
  const before = await state();
  const another = createProjectOn(
    await server.createDatabase('CREATE TABLE orders (id int PRIMARY KEY)'),
    { orders: await other.createDatabase() },
    { services: { orders: ['orders'] } },
  );
  try {
    expectDone(await another.json(['plan']));
    for (const words of [
      advance('dual-write'),
      ['rollback', 'orders', '--yes'],
      ['migrate', 'abort', 'orders', '--yes'],
    ])
      expectError(await another.json(words), 3, 'DBPS_E364', project.legacy.name, another.legacy.name);
  } finally {
    await another.close();
  }
  expect(await state()).toEqual(before);
});

test('run holds the service: another command files with it, a second run takes nothing from it', async () => {
  const first = project.start(['run']);
  await first.until('forward stream: replay has converged');
  const second = project.start(['run', '--format', 'ndjson']);
  const filed = await project.json([...advance('read-cutover'), '--reads', '10']);
  expectDone(filed);
  expect(filed.result).toMatchObject({ by: 'runner', phase: 'read-cutover' });
  second.child.kill('SIGTERM');
  expect((await second.ended).code).toBe(5);
  expect((await project.json(['status', 'orders'])).result).toMatchObject({
    services: [{ runner: { holder: `run-${first.child.pid}`, isLive: true } }],
  });
  first.child.kill('SIGTERM');
  expect((await first.ended).code).toBe(5);
});

async function stopsAt(point: string, args: readonly string[]): Promise<void> {
  const stopped = await project.json(args, { env: { DBPS_CONTROL_POINT: `${point}=stop` } });
  expect([stopped.code, stopped.ok], `${point}: ${stopped.error?.message}`).toEqual([5, false]);
  expect(stopped.error?.code, point).toMatch(/^DBPS_E5/);
  expect(stopped.error?.hint, point).not.toBeNull();
}

const traffic = async (): Promise<unknown> =>
  ((await project.json(['status', 'orders'])).result as { services: { traffic: unknown }[] }).services[0]
    ?.traffic;

test('Ctrl-C while writers are held: before the commit point legacy goes on, after it only forward, and the same on the way back', async () => {
  for (const point of ['switch-writes.held', 'switch-writes.before-commit']) {
    await stopsAt(point, advance('write-cutover'));
    expect(await traffic()).toMatchObject({ owner: 'legacy', legacyFence: 'open' });
    await project.legacy.query("UPDATE `group` SET v = 42 WHERE `o'clock` = 1");
  }
  await stopsAt('switch-writes.committed', advance('write-cutover'));
  expect(await traffic()).toMatchObject({ owner: 'service', legacyFence: 'closed' });
  await expect(project.legacy.query("DELETE FROM `group` WHERE `o'clock` = 2")).rejects.toThrow(/orders/);
  expectDone(await project.json(advance('write-cutover')));
  await service().query("UPDATE `group` SET v = 43 WHERE `o'clock` = 3");
  await stopsAt('switch-writes-back.held', ['rollback', 'orders', '--yes']);
  await service().query("UPDATE `group` SET v = 44 WHERE `o'clock` = 4");
  await stopsAt('switch-writes-back.committed', ['rollback', 'orders', '--yes']);
  expectDone(await project.json(['rollback', 'orders', '--yes']));
  const after = await project.legacy.query("SELECT v FROM `group` WHERE `o'clock` < 5 ORDER BY `o'clock`");
  expect(after.map(({ v }) => Number(v))).toEqual([42, 0.5, 43, 44]);
});

/** What a backup of now would bring back: where the service has got to. */
const checkpoint = async () =>
  (
    await service().query(
      "SELECT applied, received FROM dbps.checkpoint WHERE service = 'orders' AND direction = 'forward'",
    )
  )[0] as { readonly applied: string; readonly received: string };

/** Rows that came after the backup are gone, and so is what was known of them. */
async function restore({ applied, received }: Awaited<ReturnType<typeof checkpoint>>): Promise<void> {
  const session = await service().connect();
  await session.query("SET @dbps_session = 'on'");
  await session.query("DELETE FROM `group` WHERE `o'clock` > 9100");
  await session.query(
    "UPDATE dbps.checkpoint SET applied = ?, received = ? WHERE service = 'orders' AND direction = 'forward'",
    [applied, received],
  );
}

async function carryOver(from: number): Promise<void> {
  const runner = project.start(['run']);
  await runner.until('forward stream: replay has converged');
  for (let row = from; row < from + 50; row++)
    await project.legacy.query("INSERT INTO `group` VALUES (?, 'later', 1)", [row]);
  await expect
    .poll(async () => (await service().query("SELECT 1 FROM `group` WHERE `o'clock` >= ?", [from])).length, {
      timeout: 120_000,
      interval: 100,
    })
    .toBe(50);
  runner.child.kill('SIGTERM');
  expect((await runner.ended).code).toBe(5);
}

test('a target restored from a backup: the log has what came after it, and brings it again', async () => {
  const backup = await checkpoint();
  await carryOver(9101);
  await restore(backup);
  expect(await service().query("SELECT 1 FROM `group` WHERE `o'clock` > 9100")).toEqual([]);
  const runner = project.start(['run']);
  await expect
    .poll(async () => (await service().query("SELECT 1 FROM `group` WHERE `o'clock` > 9100")).length, {
      timeout: 120_000,
      interval: 100,
    })
    .toBe(50);
  const verified = await project.json(['verify', 'orders', '--mode', 'full']);
  expect([verified.error, verified.result]).toMatchObject([null, { isEqual: true }]);
  runner.child.kill('SIGTERM');
  expect((await runner.ended).code).toBe(5);
});

test('the log of after the backup is purged: told, never begun at another place; abort and begin anew', async () => {
  const backup = await checkpoint();
  await carryOver(9201);
  await restore(backup);
  // MariaDB keeps what a reader may still want; ours is gone, which the server notices when it gets to it.
  await server.query('SET GLOBAL slave_connections_needed_for_purge = 0').catch(() => undefined);
  await server.query('FLUSH BINARY LOGS');
  await expect
    .poll(
      async () => {
        const files = await server.query('SHOW BINARY LOGS');
        await server.query(`PURGE BINARY LOGS TO '${String(files.at(-1)?.['Log_name'])}'`);
        return (await server.query('SHOW BINARY LOGS')).length;
      },
      { timeout: 120_000, interval: 200 },
    )
    .toBe(1);
  const refused = await project.json(advance('write-cutover'));
  expectError(refused, 3, 'DBPS_E351', /log/, /dbps migrate abort orders/);
  const told = await project.json(['status', 'orders']);
  expect(told.result).toMatchObject({
    services: [
      { phase: 'read-cutover', traffic: { owner: 'legacy' }, capture: { forward: { isLost: true } } },
    ],
  });
  expect(told.findings).toMatchObject([{ code: 'DRF102', remedy: 'dbps migrate abort orders' }]);
  // Legacy goes on all the while.
  await project.legacy.query("INSERT INTO `group` VALUES (9300, 'legacy goes on', 1)");
  expectDone(await project.json(['migrate', 'abort', 'orders', '--yes']));
  expectDone(await project.json(advance('provisioned')));
  expectDone(await project.json(advance('dual-write')));
  const runner = project.start(['run']);
  const verified = await project.json(['verify', 'orders', '--mode', 'full']);
  expect([verified.error, verified.result]).toMatchObject([null, { isEqual: true }]);
  runner.child.kill('SIGTERM');
  expect((await runner.ended).code).toBe(5);
});
