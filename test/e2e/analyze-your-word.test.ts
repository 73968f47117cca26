/** What dbps.yaml says of relations holds wherever their schema is read from, and for no other database. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dbps } from '../support/cli.js';

const RELATIONS = ['customers', 'customer_notes', 'orders', 'order_items', 'products', 'product_files'];
/** Six tables without a key between them: where they go is the user's word, or their names. */
const script = (relations = RELATIONS) =>
  relations.map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY);`).join('\n');

const CONFIG = `version: 1
source: { url: "postgres://dbps@db/shop", exclude: [product_files] }
together: [[customers, products]]
apart: [[orders, order_items]]
services:
  front: { relations: [customers, customer_notes] }
references:
  - { from: order_items.id, to: customer_notes.id }
`;

let cwd: string;
beforeAll(() => {
  cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-word-'));
  fs.writeFileSync(path.join(cwd, 'shop.sql'), script());
  fs.writeFileSync(
    path.join(cwd, 'crm.sql'),
    script(['customers', 'leads', 'lead_calls', 'deals', 'deal_stages']),
  );
});
afterAll(() => fs.rmSync(cwd, { recursive: true }));

const write = (config: string, file = 'dbps.yaml') => fs.writeFileSync(path.join(cwd, file), config);
const run = (...more: string[]) => dbps(['analyze', '--fail-on', 'never', ...more, '--json'], { cwd });

interface Result {
  readonly services: readonly { readonly name: string; readonly relations: readonly string[] }[];
  readonly placements: readonly { readonly relation: string; readonly service: string | null }[];
}

async function proposal(...more: string[]) {
  const { code, stdout, stderr } = await run(...more);
  expect(code, stderr).toBe(0);
  const { result, findings } = JSON.parse(stdout) as { result: Result; findings: { code: string }[] };
  const homes = new Map(
    result.services.flatMap(({ name, relations }) => relations.map((relation) => [relation, name])),
  );
  return { names: result.services.map(({ name }) => name), homes, codes: findings.map(({ code }) => code) };
}

test('services, together, apart, exclude and references are obeyed where the schema comes from a script', async () => {
  write(CONFIG);
  const { homes } = await proposal('--from-sql', 'shop.sql', '--engine', 'postgres');
  expect(homes.get('public.customers')).toBe('front');
  expect(homes.get('public.customer_notes')).toBe('front');
  expect(homes.get('public.products')).toBe('front');
  expect(homes.has('public.product_files')).toBe(false);
  expect(homes.get('public.orders')).not.toBe(homes.get('public.order_items'));
  const { stdout } = await run('--from-sql', 'shop.sql', '--engine', 'postgres', '--explain', 'order_items');
  expect(stdout).toContain('customer_notes');
});

test('pins that contradict each other are an error (2) that names both, from a script too', async () => {
  write(CONFIG.replace('apart: [[orders, order_items]]', 'apart: [[customers, customer_notes]]'));
  const { code, stderr } = await dbps(['analyze', '--from-sql', 'shop.sql', '--engine', 'postgres'], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain('DBPS_E150');
  expect(stderr).toContain('public.customers');
  expect(stderr).toContain('services.front');
});

test("another database's dbps.yaml changes nothing, unless --config says that it is meant", async () => {
  fs.rmSync(path.join(cwd, 'dbps.yaml'), { force: true });
  const alone = await proposal('--from-sql', 'crm.sql', '--engine', 'postgres');
  write(CONFIG);
  const beside = await proposal('--from-sql', 'crm.sql', '--engine', 'postgres');
  expect(beside).toEqual(alone);
  const meant = await proposal('--from-sql', 'crm.sql', '--engine', 'postgres', '--config', 'dbps.yaml');
  expect(meant.homes.get('public.customers')).toBe('front');
  expect(meant.codes).toContain('BND140');
});

test('a MySQL script that names no database is read as the one of dbps.yaml', async () => {
  write(CONFIG.replace('url: "postgres://dbps@db/shop"', 'engine: mysql, url: "mysql://dbps@db/shop_main"'));
  const { homes } = await proposal('--from-sql', 'shop.sql', '--engine', 'mysql');
  expect(homes.get('shop_main.customers')).toBe('front');
  expect(homes.get('shop_main.products')).toBe('front');
  const header = '-- MariaDB dump 10.19\n--\n-- Host: localhost    Database: crm\n';
  fs.writeFileSync(path.join(cwd, 'named.sql'), `${header}${script()}\n-- Dump completed\n`);
  const named = await proposal('--from-sql', 'named.sql');
  expect([...named.homes.keys()].every((id) => id.startsWith('crm.'))).toBe(true);
});

test('--write puts the proposal into dbps.yaml, leaves all else in it as it is, and names what it put nowhere', async () => {
  const before = `# ours
version: 1
source: { url: "postgres://dbps@db/shop", schemas: [public] }   # the shared one
migration: { jobs: 3 }
`;
  write(before);
  const table = (name: string, more = '') => `CREATE TABLE ${name} (id int PRIMARY KEY${more});`;
  const refers = (name: string) => `, ${name}_id int NOT NULL REFERENCES ${name}s`;
  const tables = ['customer', 'order', 'product'].flatMap((word) => [
    table(`${word}s`),
    ...['notes', 'files', 'events'].map((part) => table(`${word}_${part}`, refers(word))),
  ]);
  fs.writeFileSync(path.join(cwd, 'parts.sql'), [...tables, table('zzz')].join('\n'));
  const args = [
    'analyze',
    '--from-sql',
    'parts.sql',
    '--engine',
    'postgres',
    '--fail-on',
    'never',
    '--write',
  ];
  const { code, stdout, stderr } = await dbps(args, { cwd });
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('In no service yet: public.zzz. Add to a service, or to source.exclude');
  const after = fs.readFileSync(path.join(cwd, 'dbps.yaml'), 'utf8');
  expect(after.startsWith(`${before}\nservices:\n  customer:\n    relations:\n`)).toBe(true);
  const again = await dbps(args, { cwd });
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('DBPS_E111')]);

  const between = before.replace('migration:', 'services: {} # none yet\n\n# how\nmigration:');
  write(between);
  expect((await dbps(args, { cwd })).code).toBe(0);
  const filled = fs.readFileSync(path.join(cwd, 'dbps.yaml'), 'utf8');
  const [head, tail] = between.split('services: {} # none yet\n') as [string, string];
  expect([filled.startsWith(`${head}services:\n`), filled.endsWith(tail)]).toEqual([true, true]);
  expect((await dbps([...args, '--force'], { cwd })).code).toBe(0);
  expect(fs.readFileSync(path.join(cwd, 'dbps.yaml'), 'utf8')).toBe(filled);

  write('{"version": 1, "source": {"url": "postgres://dbps@db/shop"}}');
  expect((await dbps(args, { cwd })).code).toBe(0);
  expect((await proposal('--from-sql', 'parts.sql', '--engine', 'postgres')).names).toContain('customer');
});
