/** `analyze --explain <relation>` and the pool of dbps.yaml, as a user types them. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { largeSchema } from '../../bench/large-schema.js';
import { dbps } from '../support/cli.js';

let cwd: string;
beforeAll(() => {
  cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-explain-'));
  const table = (name: string, more: string) => `CREATE TABLE ${name} (id int PRIMARY KEY${more});`;
  const refers = (column: string, to: string) => `, ${column} int NOT NULL REFERENCES ${to}`;
  const script = ['customer', 'order', 'product'].flatMap((word) => [
    table(`${word}s`, ', name text'),
    table(`${word}_notes`, refers(`${word}_id`, `${word}s`)),
    table(`${word}_files`, refers(`${word}_id`, `${word}s`)),
    table(`${word}_events`, refers(`${word}_id`, `${word}s`)),
  ]);
  script.push(`ALTER TABLE orders ADD customer_id int NOT NULL REFERENCES customers;`);
  fs.writeFileSync(path.join(cwd, 'shop.sql'), script.join('\n'));
});
afterAll(() => fs.rmSync(cwd, { recursive: true }));

const analyze = (...more: string[]) =>
  dbps(['analyze', '--from-sql', 'shop.sql', '--engine', 'postgres', '--fail-on', 'never', ...more], { cwd });

test('--explain: why here, the runner-up, how sure, what would move it', async () => {
  const text = await analyze('--explain', 'orders');
  expect(text.code, text.stderr).toBe(0);
  expect(text.stdout).toContain('public.orders');
  const { code, stdout } = await analyze('--explain', 'orders', '--json');
  expect(code).toBe(0);
  const { result } = JSON.parse(stdout) as {
    result: {
      placements: {
        relation: string;
        service: string;
        confidence: number;
        why: readonly { what: string }[];
        runnerUp: unknown;
        wouldMove: readonly string[];
      }[];
      services: { name: string; relations: string[] }[];
    };
  };
  expect(result.placements.map(({ relation }) => relation)).toEqual(['public.orders']);
  const [placement] = result.placements;
  const home = result.services.find(({ relations }) => relations.includes('public.orders'));
  expect(placement?.service).toBe(home?.name);
  expect(text.stdout).toContain(home?.name);
  expect(placement?.why.length).toBeGreaterThan(0);
  expect(text.stdout).toContain(placement?.why[0]?.what);
  expect(placement?.confidence).toBeGreaterThan(0);
  expect(placement?.confidence).toBeLessThanOrEqual(1);
});

test('--explain of a relation that is not there says so', async () => {
  const { code, stderr } = await analyze('--explain', 'ordres');
  expect(code).toBe(2);
  expect(stderr).toContain('ordres');
});

test('--granularity: by name and by number, few services to many; another word is an error (2)', async () => {
  fs.writeFileSync(path.join(cwd, 'modules.sql'), largeSchema(60, 90));
  const services = async (granularity: string) => {
    const { code, stdout, stderr } = await dbps(
      ['analyze', '--from-sql', 'modules.sql', '--fail-on', 'never', '--granularity', granularity, '--json'],
      { cwd },
    );
    expect(code, stderr).toBe(0);
    const { result } = JSON.parse(stdout) as { result: { services: { relations: string[] }[] } };
    return result.services.map(({ relations }) => relations);
  };
  const [coarse, balanced, fine] = [
    await services('coarse'),
    await services('balanced'),
    await services('fine'),
  ];
  expect(coarse.length).toBeLessThan(balanced.length);
  expect(balanced.length).toBeLessThan(fine.length);
  expect(await services('0.15')).toEqual(coarse);
  expect(await services('0.85')).toEqual(fine);
  for (const wrong of ['finest', '1.5', '']) {
    const { code, stderr } = await analyze('--granularity', wrong);
    expect(code).toBe(2);
    expect(stderr).toContain('DBPS_E103');
    expect(stderr).toContain('coarse, balanced or fine');
  }
});

test('services × pool against what the server gives: from dbps.yaml, and a flag wins', async () => {
  const config = 'version: 1\nsource: { url: "postgres://dbps@db/shop" }\nanalysis: { pool: 60 }\n';
  fs.writeFileSync(path.join(cwd, 'dbps.yaml'), config);
  const budget = async (...flags: string[]) => {
    const { code, stdout, stderr } = await analyze('--json', ...flags);
    expect(code, stderr).toBe(0);
    const { result, findings } = JSON.parse(stdout) as {
      result: { connections: unknown; services: unknown[] };
      findings: { code: string }[];
    };
    return { ...result, codes: findings.map((found) => found.code) };
  };
  const said = await budget('--max-connections', '100');
  const services = said.services.length;
  expect(services).toBeGreaterThan(1);
  expect(said.connections).toMatchObject({ most: 100, pool: 60, wanted: services * 60, fits: false });
  expect(said.codes).toContain('BND116');
  const flagged = await budget('--pool', '2', '--max-connections', '300');
  expect(flagged.connections).toMatchObject({ most: 300, pool: 2, wanted: services * 2, fits: true });
  expect(flagged.codes).not.toContain('BND116');

  fs.writeFileSync(path.join(cwd, 'dbps.yaml'), config.replace('pool: 60', 'pool: 60, maxConnections: 90'));
  const configured = await budget();
  expect(configured.connections).toMatchObject({ most: 90, pool: 60, fits: false });
  expect(configured.codes).toContain('BND116');
  const overruled = await budget('--max-connections', '5000');
  expect(overruled.connections).toMatchObject({ most: 5000, fits: true });

  fs.writeFileSync(path.join(cwd, 'dbps.yaml'), config.replace('pool: 60', 'pool: 0'));
  const { code, stderr } = await analyze();
  expect(code).toBe(2);
  expect(stderr).toContain('pool');
});
