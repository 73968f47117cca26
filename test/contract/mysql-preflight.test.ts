/**
 * What preflight says of real servers: one that is set up well, a stock one, and accounts that lack something. Servers of its own, since
 * settings are what it is about.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MysqlPool, queryable } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlPreflight } from '../../src/engines/mysql/mysql-preflight.js';
import { readPrepared } from '../../src/engines/mysql/mysql-prepared.js';
import { ConnectionTarget } from '../../src/model/connection-target.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';

const SCHEMA = `
CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE items (id int PRIMARY KEY, order_id int, CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE);
CREATE TABLE keyless (a int, b varchar(200), UNIQUE (a), UNIQUE (b(10)));
CREATE TABLE hits (id int PRIMARY KEY) ENGINE=MyISAM;
CREATE TABLE stays (id int PRIMARY KEY);
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM orders WHERE id < 0;
CREATE TRIGGER along AFTER INSERT ON orders FOR EACH ROW INSERT INTO items VALUES (NEW.id, NEW.id);
CREATE TRIGGER into_orders AFTER INSERT ON stays FOR EACH ROW INSERT INTO orders VALUES (NEW.id);
`;

let server: MysqlTestServer;
let stock: MysqlTestServer;
let database: MysqlTestDatabase;
let relations: string[];
/** MySQL 9.7 writes cascades into its log; under capture by triggers they are missing all the same. */
let logsCascades: boolean;

beforeAll(async () => {
  [server, stock] = await Promise.all([
    startMysqlServer(),
    // As Debian starts it: no log, and with one switched on nothing that dbps needs of it.
    startMysqlServer({
      'binlog-format': 'MIXED',
      'log-bin-trust-function-creators': 0,
      'expire-logs-days': 1,
      'innodb-lock-wait-timeout': 5,
    }),
  ]);
  database = await server.createDatabase(SCHEMA);
  const [native] = await server.query("SHOW VARIABLES LIKE 'innodb_native_foreign_keys'");
  logsCascades = native?.['Value'] === 'OFF';
  relations = ['orders', 'items', 'keyless', 'hits'].map((name) => `${database.name}.${name}`);
});
afterAll(async () => {
  await database?.drop();
  await Promise.all([server?.stop(), stock?.stop()]);
});

async function findings(
  target: ConnectionTarget,
  role: 'source' | 'target',
  of: readonly string[],
  unknown: readonly string[] = [],
  capture: 'log' | 'trigger' = 'log',
): Promise<Map<string, { subject: string; message: string; remedy: string | undefined }[]>> {
  const pool = await MysqlPool.open(target, { applicationName: 'dbps test', readOnly: true });
  try {
    const checks = await new MysqlPreflight(pool, target, capture).checks({ role, relations: of });
    expect(checks.filter(({ outcome }) => outcome === 'unknown').map(({ name }) => name)).toEqual(unknown);
    const found = new Map<string, { subject: string; message: string; remedy: string | undefined }[]>();
    for (const { finding } of checks)
      if (finding !== undefined)
        found.set(finding.code, [
          ...(found.get(finding.code) ?? []),
          { subject: finding.subject, message: finding.message, remedy: finding.remedy },
        ]);
    return found;
  } finally {
    await pool.close();
  }
}

test('a server set up well: only what is wrong with the relations is told', async () => {
  const found = await findings(database.target, 'source', relations);
  expect([...found.keys()].sort()).toEqual([
    'RPL201',
    'TRG311',
    ...(logsCascades ? [] : ['TRG312']),
    'TRG313',
  ]);
  expect(found.get('RPL201')?.map(({ subject }) => subject)).toEqual([`${database.name}.keyless`]);
  expect(found.get('TRG311')?.map(({ subject }) => subject)).toEqual([`${database.name}.hits`]);
  // The trigger of a relation that moves goes along with it.
  expect(found.get('TRG313')?.map(({ subject }) => subject)).toEqual([
    `${database.name}.nightly`,
    `${database.name}.into_orders`,
  ]);
});

/** Where they are missed. */
const cascades = async (of: readonly string[]) =>
  (await findings(database.target, 'source', of, [], logsCascades ? 'trigger' : 'log')).get('TRG312') ?? [];

test('the statements that replace a cascade do what it did, in sight of capture', async () => {
  const [finding] = await cascades(relations);
  expect(finding?.subject).toBe(`${database.name}.items of_order`);
  for (const line of (finding?.remedy ?? '').split('\n')) await database.query(line);
  expect(await cascades(relations)).toEqual([]);
  await database.query('INSERT INTO orders VALUES (1)');
  expect(await database.query('SELECT * FROM items')).toHaveLength(1);
  await database.query('DELETE FROM orders');
  expect(await database.query('SELECT * FROM items')).toEqual([]);
  // The key still forbids what has no parent.
  await expect(database.query('INSERT INTO items VALUES (9, 9)')).rejects.toThrow(/foreign key/);
});

test('every cascade has its replacement: SET NULL, new values, keys of two columns', async () => {
  await database.query(`
    CREATE TABLE parents (a int, b varchar(20), PRIMARY KEY (a, b));
    CREATE TABLE follows (id int PRIMARY KEY, a int, b varchar(20), CONSTRAINT follows_parent FOREIGN KEY (a, b) REFERENCES parents (a, b) ON DELETE SET NULL ON UPDATE CASCADE);
    CREATE TABLE forgets (id int PRIMARY KEY, a int, b varchar(20), CONSTRAINT forgets_parent FOREIGN KEY (a, b) REFERENCES parents (a, b) ON DELETE CASCADE ON UPDATE SET NULL);
    INSERT INTO parents VALUES (1, 'x'), (2, 'y');
    INSERT INTO follows VALUES (1, 1, 'x'), (2, 2, 'y'); INSERT INTO forgets VALUES (1, 1, 'x'), (2, 2, 'y');`);
  const moving = ['parents', 'follows', 'forgets'].map((name) => `${database.name}.${name}`);
  const told = await cascades(moving);
  expect(told.map(({ subject }) => subject)).toEqual([
    `${database.name}.follows follows_parent`,
    `${database.name}.forgets forgets_parent`,
  ]);
  for (const { remedy } of told) for (const line of (remedy ?? '').split('\n')) await database.query(line);
  expect(await cascades(moving)).toEqual([]);
  await database.query("UPDATE parents SET b = 'z' WHERE a = 1");
  await database.query('DELETE FROM parents WHERE a = 2');
  expect(await database.query('SELECT * FROM follows ORDER BY id')).toEqual([
    { id: 1, a: 1, b: 'z' },
    { id: 2, a: null, b: null },
  ]);
  expect(await database.query('SELECT * FROM forgets ORDER BY id')).toEqual([{ id: 1, a: null, b: null }]);
  // The checks are back, and the key still forbids what has no parent.
  await expect(database.query("INSERT INTO follows VALUES (9, 9, 'q')")).rejects.toThrow(/foreign key/);
});

test('a column that draws from a sequence of MariaDB is refused, and the statements given mend it', async () => {
  const [row] = await server.query('SELECT VERSION() AS version');
  // MySQL has none.
  if (!/mariadb/i.test(String(row?.['version']))) return;
  const own = await server.createDatabase(`
    CREATE SEQUENCE order_no;
    CREATE TABLE numbered (id bigint PRIMARY KEY DEFAULT NEXTVAL(order_no), said varchar(40) NOT NULL DEFAULT 'nextval(order_no)');
    CREATE TABLE lettered (id int PRIMARY KEY, code varchar(40) NOT NULL DEFAULT CONCAT('A', NEXT VALUE FOR order_no))`);
  try {
    const ids = ['numbered', 'lettered'].map((name) => `${own.name}.${name}`);
    const found = (await findings(own.target, 'source', ids)).get('SEQ302') ?? [];
    expect(found.map(({ subject }) => subject).sort()).toEqual([
      `${own.name}.lettered.code`,
      `${own.name}.numbered.id`,
    ]);
    for (const { subject, remedy } of found)
      await own.query(
        (remedy?.match(/ALTER TABLE [^;]+;/g) ?? [])[subject.endsWith('.id') ? 0 : 1] ?? 'missing',
      );
    expect((await findings(own.target, 'source', ids)).has('SEQ302')).toBe(false);
  } finally {
    await own.drop();
  }
});

test('a stock server is told setting by setting, and mended by the statements given', async () => {
  const empty = await stock.createDatabase();
  const before = await findings(empty.target, 'source', []);
  expect([...before.keys()].sort()).toEqual(['RPL121', 'RPL127', 'RPL128', 'RPL130']);
  for (const [finding] of before.values())
    await stock.query(/SET GLOBAL [^;]+;/.exec(finding?.remedy ?? '')?.[0] ?? 'missing statement');
  expect([...(await findings(empty.target, 'source', [])).keys()]).toEqual([]);
  await empty.drop();
});

test.for([
  ['RPL123', 'binlog_row_value_options', "'PARTIAL_JSON'", "''", 'MySQL'],
  ['RPL124', 'binlog_transaction_compression', 'ON', 'OFF', 'MySQL'],
  // MariaDB's own compression is read.
  [null, 'log_bin_compress', 'ON', 'OFF', 'MariaDB'],
] as const)('%s for %s = %s, where the server has it', async ([code, name, value, usual, product]) => {
  const empty = await server.createDatabase();
  const has = server.isMaria === (product === 'MariaDB');
  const change = server.query(`SET GLOBAL ${name} = ${value}`);
  if (!has) await expect(change).rejects.toMatchObject({ errno: UNKNOWN_VARIABLE });
  await change.catch(() => undefined);
  try {
    const found = await findings(empty.target, 'source', []);
    expect([...found.keys()]).toEqual(has && code !== null ? [code] : []);
    for (const [finding] of found.values())
      await server.query(/SET GLOBAL [^;]+;/.exec(finding?.remedy ?? '')?.[0] ?? 'missing statement');
    expect([...(await findings(empty.target, 'source', [])).keys()]).toEqual([]);
  } finally {
    if (has) await server.query(`SET GLOBAL ${name} = ${usual}`);
    await empty.drop();
  }
});
const UNKNOWN_VARIABLE = 1193;

test('a server without a log', async () => {
  const silent = await startMysqlServer({ 'skip-log-bin': 1 }, { exactly: true });
  try {
    const empty = await silent.createDatabase();
    const found = await findings(empty.target, 'source', []);
    // A given server has no performance_schema either; MariaDB's PROCESS is enough without.
    const bare = silent.isMaria ? [] : ['SEC216'];
    expect([...found.keys()]).toEqual(['RPL120', ...bare]);
    expect(found.get('RPL120')?.[0]?.remedy).toContain('restart needed');
    for (const { subject, remedy } of found.get('SEC216') ?? [])
      expect([subject, remedy]).toEqual(['performance_schema', expect.stringContaining('restart needed')]);
    // Where triggers capture, nobody asks for a log.
    expect([...(await findings(empty.target, 'source', [], [], 'trigger')).keys()]).toEqual(bare);
  } finally {
    await silent.stop();
  }
});

test('capture by triggers: no privilege on the log, but what triggers do not see is told', async () => {
  await server.query("CREATE USER 'local'@'%' IDENTIFIED BY 'x', 'careless'@'%' IDENTIFIED BY 'x'");
  for (const grant of ['ALL ON dbps.*', `ALL ON \`${database.name}\`.*`])
    await server.query(`GRANT ${grant} TO 'local'@'%'`);
  const { host, port } = server;
  const target = new ConnectionTarget({
    engine: 'mysql',
    host,
    port,
    user: 'local',
    database: database.name,
    password: async () => 'x',
    tls: false,
    parameters: {},
  });
  const wanted = [`${database.name}.orders`];
  const before = await findings(target, 'source', wanted, [], 'trigger');
  const ofMysql = server.isMaria ? [] : ['SEC216'];
  expect([...before.keys()].sort()).toEqual(['SEC214', 'SEC215', ...ofMysql, 'TRG313', 'TRG314']);
  expect(before.get('SEC214')?.[0]?.message).toContain('rolled back');
  expect(before.get('TRG314')?.[0]?.message).toContain('not known');
  await server.query(before.get('SEC214')?.[0]?.remedy ?? 'missing statement');
  await server.query("GRANT SELECT ON mysql.* TO 'local'@'%'");
  await server.query(`GRANT DROP ON \`${database.name}\`.* TO 'careless'@'%'`);
  const careless = (await findings(target, 'source', wanted, [], 'trigger')).get('TRG314')?.[0];
  expect(careless?.message).toContain("'careless'@'%'");
  await server.query(
    /REVOKE DROP ON \S+ FROM 'careless'@'%';/.exec(careless?.remedy ?? '')?.[0] ?? 'missing',
  );
  const after = (await findings(target, 'source', wanted, [], 'trigger')).get('TRG314')?.[0];
  expect(after?.message).not.toContain('careless');
  await server.query("DROP USER 'local'@'%', 'careless'@'%'");
});

test('privileges are named one by one, and the statements given grant them', async () => {
  await server.query("CREATE USER 'little'@'%' IDENTIFIED BY 'x'");
  await server.query(`GRANT SELECT, INSERT ON \`${database.name}\`.* TO 'little'@'%'`);
  const { host, port } = server;
  const target = new ConnectionTarget({
    engine: 'mysql',
    host,
    port,
    user: 'little',
    database: database.name,
    password: async () => 'x',
    tls: false,
    parameters: {},
  });
  const wanted = [`${database.name}.orders`];
  const before = await findings(target, 'source', wanted);
  expect([...before.keys()].filter((code) => code.startsWith('SEC')).sort()).toEqual([
    'SEC211',
    'SEC212',
    'SEC213',
    'SEC214',
    'SEC215',
    ...(server.isMaria ? [] : ['SEC216']),
    'SEC217',
  ]);
  expect(before.get('SEC217')?.[0]?.message).toContain(
    `does not see routines and events of ${database.name}`,
  );
  expect(before.get('SEC213')?.[0]?.message).toContain('UPDATE, DELETE, TRIGGER');
  expect(before.get('SEC213')?.[0]?.message).not.toContain('SELECT');
  const grant = async (found: typeof before) => {
    for (const [code, given] of found)
      for (const { remedy } of given)
        if (code.startsWith('SEC')) await server.query(remedy ?? 'missing statement');
  };
  await grant(before);
  // MySQL lists a routine for those alone who may call it: then there is its body to see.
  await grant(await findings(target, 'source', wanted));
  const after = await findings(target, 'source', wanted);
  expect([...after.keys()].filter((code) => code.startsWith('SEC'))).toEqual([]);
  const asTarget = await findings(target, 'target', wanted);
  expect(asTarget.get('SEC213')?.[0]?.message).toContain('CREATE VIEW');
  await server.query("DROP USER 'little'@'%'");
});

test('a transaction that is prepared and waits for its coordinator is seen, whoever may ask for the list', async () => {
  const coordinator = await database.connect(database.applicationUrl);
  const [[row]] = (await coordinator.query('SELECT CONNECTION_ID() AS id')) as unknown as [[{ id: string }]];
  for (const step of [
    "XA START 'held'",
    'INSERT INTO stays VALUES (77)',
    "XA END 'held'",
    "XA PREPARE 'held'",
  ])
    await coordinator.query(step);
  // The session goes, what it has prepared stays.
  await coordinator.end();
  await expect
    .poll(() => server.query('SELECT 1 FROM information_schema.processlist WHERE id = ?', [row.id]), {
      timeout: 30_000,
    })
    .toEqual([]);
  const seen = async () => {
    const pool = await MysqlPool.open(database.target, { applicationName: 'dbps test', readOnly: true });
    try {
      return await pool.use((connection) => readPrepared(queryable(connection)));
    } finally {
      await pool.close();
    }
  };
  try {
    await expect.poll(seen, { timeout: 30_000, interval: 200 }).toHaveLength(1);
  } finally {
    await server.query("XA ROLLBACK 'held'");
  }
  await expect.poll(seen, { timeout: 30_000 }).toEqual([]);
});
