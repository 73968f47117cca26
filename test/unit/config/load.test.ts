import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { loadConfig, parseConfig } from '../../../src/config/load.js';
import { ConfigError } from '../../../src/model/errors.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-config-'));
afterAll(() => fs.rmSync(directory, { recursive: true }));
const FILE = path.join(directory, 'dbps.yaml');

const EXAMPLE = `version: 1
source:
  engine: postgres
  url: \${SHARED_DATABASE_URL}
  schemas: [public, sales]
  exclude: ["*_archive"]
services:
  orders:
    relations: [orders, sales.order_items]
    target: { engine: postgres, url: "\${ORDERS_DATABASE_URL}", schema: app }
  users:
    relations: [users]
    target: { url: "\${USERS_DATABASE_URL}" }
shared:
  - { relations: [countries], owner: users }
references:
  - from: orders.user_id
    to: users.id
    copy: { user_name: name }
together:
  - [orders, sales.order_items]
apart:
  - [orders, users]
migration:
  walBudget: 512MB
  gates:
    writeCutover: { fenceTimeout: 3s }
  hooks: { route: { run: ./repoint.sh, timeout: 2s } }
`;

function failure(text: string, env: Record<string, string> = {}): ConfigError {
  try {
    parseConfig(FILE, text, env).source.target();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('expected a ConfigError');
}

test('the example of the documentation is read, with defaults, units and places', () => {
  const config = parseConfig(FILE, EXAMPLE, { SHARED_DATABASE_URL: 'postgres://dbps:x@db/shop' });
  expect(config.services.map((s) => s.name)).toEqual(['orders', 'users']);
  expect(config.services[0]?.relations).toEqual([
    { id: 'public.orders', location: { file: FILE, line: 9, column: 17 } },
    { id: 'sales.order_items', location: { file: FILE, line: 9, column: 25 } },
  ]);
  expect(config.services[0]?.target?.schema).toBe('app');
  expect(config.services[1]?.target?.engine).toBe('postgres');
  expect(config.references[0]).toMatchObject({
    child: 'public.orders',
    childColumns: ['user_id'],
    parent: 'public.users',
    parentColumns: ['id'],
    onDelete: 'keep',
    copy: { user_name: 'name' },
  });
  expect(config.apart[0]?.map((r) => r.id)).toEqual(['public.orders', 'public.users']);
  expect(config.migration).toMatchObject({
    walBudgetBytes: 512 * 1024 ** 2,
    chunkRows: 50_000,
    writeCutover: { verify: 'changed', maxLagMs: 500, fenceTimeoutMs: 3000 },
    decommission: { verify: 'full', soakMs: 7 * 86_400_000, graceMs: 5_000 },
    archive: { directory: path.join(directory, 'dbps/archive') },
    routeHook: { kind: 'command', timeoutMs: 2000, onFailure: 'block' },
  });
  expect(config.source.target()).toMatchObject({
    host: 'db',
    port: 5432,
    user: 'dbps',
    database: 'shop',
    tls: false,
  });
});

test('a connection is made only when asked for, and then names the variable and the line', () => {
  const config = parseConfig(FILE, EXAMPLE, { SHARED_DATABASE_URL: 'postgres://dbps:x@db/shop' });
  const open = () => config.services[0]?.target?.target();
  expect(open).toThrow(/ORDERS_DATABASE_URL is not set/);
  expect(failure(EXAMPLE)).toMatchObject({ code: 'DBPS_E205', location: { line: 4, column: 8 } });
  expect(failure(EXAMPLE, { SHARED_DATABASE_URL: '' }).message).toMatch(/is empty/);
});

test.each([
  ['relatons: [a]', 'relations', 'services: { a: { relatons: [a], relations: [b] } }'],
  ['wallBudget', 'walBudget', 'migration: { wallBudget: 1GB }'],
  ['fenceTimeot', 'fenceTimeout', 'migration: { gates: { writeCutover: { fenceTimeot: 1s } } }'],
  ['servces', 'services', 'servces: {}'],
])('an unknown key such as %s is an error that knows what was meant', (_what, meant, line) => {
  const error = failure(`version: 1\nsource: { url: "postgres://u@h/d" }\n${line}\n`);
  expect(error.code).toBe('DBPS_E203');
  expect(error.message).toContain(`Did you mean "${meant}"?`);
  expect(error.location).toMatchObject({ line: 3 });
});

test('all problems are shown at once, each with its place', () => {
  const error = failure(
    'version: 1\nsource: { engine: oracle }\nmigration: { walBudget: much }\nservices: { Bad: { relations: [a] } }\n',
  );
  expect(error.message).toMatch(/^3 problems/);
  for (const line of ['line 2:', 'line 3:', 'line 4:']) expect(error.location?.frame).toContain(line);
});

test('a duplicate key and broken YAML are errors with a line', () => {
  expect(failure('version: 1\nversion: 1\n').location).toMatchObject({ line: 2 });
  expect(failure('version: 1\nsource: {url: x\nservices: y').code).toBe('DBPS_E203');
});

const PLANTED = 'p#ss/w?rd@%';
test.each([
  `postgres://dbps:${PLANTED}@db.internal:5432/shop`,
  'postgres://dbps:a#b@db/shop',
  'postgres://dbps:a/b@db/shop',
  'postgres://dbps:a?b@db/shop',
  'postgres://dbps:x@y#z@db/shop',
  'postgres://dbps:x@y/z@db/shop',
  'postgres://dbps:100%@db/shop',
  'postgres://dbps:secret#x',
])('the URL %s is refused, and its password is nowhere in the error', (url) => {
  const error = failure('version: 1\nsource: { url: "${URL}" }\n', { URL: url });
  expect(error.code).toBe('DBPS_E204');
  expect(error.location).toMatchObject({ line: 2 });
  const everything =
    inspect(error, { depth: 9 }) + error.message + (error.hint ?? '') + (error.location?.frame ?? '');
  const password = url.slice('postgres://dbps:'.length, url.includes('@') ? url.lastIndexOf('@') : undefined);
  if (password.length > 2) expect(everything).not.toContain(password);
  expect(everything).not.toContain('secret');
});

test('a literal URL in the file is not shown in a code frame either', () => {
  const error = failure(`version: 1\nsource: { url: "postgres://dbps:${PLANTED}@db/shop" }\nunknwn: 1\n`);
  expect(error.location?.frame).not.toContain(PLANTED);
  const inLine = failure(`version: 1\nsource: { url: "postgres://dbps:${PLANTED}@db/shop", unknwn: 1 }\n`);
  expect(inLine.location?.frame).toContain('***');
  expect(inLine.location?.frame).not.toContain(PLANTED);
});

test.each([
  ['encoded in the URL', 'url: "postgres://dbps:${PW|urlencode}@db/shop"'],
  ['in parts', 'host: db, user: dbps, database: shop, password: "${PW}"'],
  ['from a file', 'host: db, user: dbps, database: shop, password: "${file:secret}"'],
  ['from a command', 'host: db, user: dbps, database: shop, passwordCommand: "cat secret"'],
])('a difficult password arrives whole %s', async (_how, source) => {
  fs.writeFileSync(path.join(directory, 'secret'), `${PLANTED}\n`);
  const config = parseConfig(FILE, `version: 1\nsource: { ${source} }\n`, { PW: PLANTED });
  const target = config.source.target();
  expect(await target.revealPassword()).toBe(PLANTED);
  expect(inspect(target) + JSON.stringify(target) + String(target)).not.toContain(PLANTED);
});

test('a password in clear is a warning that does not repeat it', () => {
  const config = parseConfig(FILE, 'version: 1\nsource: { url: "postgres://dbps:clear@db/shop" }\n', {});
  expect(config.warnings.map((w) => [w.code, w.subject, w.location?.line])).toEqual([
    ['SEC101', 'source.url', 2],
  ]);
  expect(JSON.stringify(config.warnings)).not.toContain('clear@');
  const fine = parseConfig(FILE, 'version: 1\nsource: { url: "postgres://dbps:${PW}@db/shop" }\n', {});
  expect(fine.warnings).toEqual([]);
});

test('the file is found upwards to the root of the repository, and .env beside it never overrides the environment', () => {
  const root = path.join(directory, 'repo');
  fs.mkdirSync(path.join(root, '.git'), { recursive: true });
  fs.mkdirSync(path.join(root, 'a/b'), { recursive: true });
  fs.writeFileSync(
    path.join(root, 'dbps.yml'),
    'version: 1\nsource: { url: "postgres://${U}:${P}@db/shop" }\n',
  );
  fs.writeFileSync(path.join(root, '.env'), 'U=from-file\nP=from-file\n');
  const { config, filesRead } = loadConfig({ cwd: path.join(root, 'a/b'), env: { U: 'from-environment' } });
  expect(filesRead).toEqual([path.join(root, 'dbps.yml'), path.join(root, '.env')]);
  expect(config.source.target().user).toBe('from-environment');
  expect(() => loadConfig({ cwd: root, env: { U: 'u' }, envFile: false }).config.source.target()).toThrow(
    /P is not set/,
  );
  expect(() => loadConfig({ cwd: path.join(directory), env: {}, file: 'nothing.yaml' })).toThrow(
    /there is no/,
  );
  fs.mkdirSync(path.join(root, 'inner/.git'), { recursive: true });
  expect(() => loadConfig({ cwd: path.join(root, 'inner'), env: {} })).toThrow(/no dbps.yaml/);
});

test.each([
  ['${A}${B:-b}', 'ab'],
  ['$$5 and $${A}', '$5 and ${A}'],
  ['${A|urlencode}${B:-x/y|urlencode}', 'ax%2Fy'],
])('%s becomes %s', (text, expected) => {
  const yaml = `version: 1\nsource: { url: x, schemas: ['${text}'] }\n`;
  expect(parseConfig(FILE, yaml, { A: 'a' }).source.schemas).toEqual([expected]);
});
