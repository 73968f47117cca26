/** Read-only copies of shared relations by the command line: they are planned, moved, shown, compared and taken away under a name of their own. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProject, type Project } from '../support/project.js';

const SQL = `
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE products (id bigint PRIMARY KEY, origin text REFERENCES countries);
CREATE TABLE orders (id bigint PRIMARY KEY, country text REFERENCES countries);
INSERT INTO countries SELECT 'c' || g, 'country ' || g FROM generate_series(1, 300) g;
INSERT INTO orders SELECT g, 'c' || g FROM generate_series(1, 50) g;
`;

let project: Project;
const file = (name: string) => fs.readFileSync(path.join(project.directory, name), 'utf8');

beforeAll(async () => {
  project = await createProject({ sql: SQL, services: { catalog: ['products'], orders: ['orders'] } });
  project.writeConfig(`${file('dbps.yaml')}shared:\n  - { relations: [countries], owner: catalog }\n`);
});
afterAll(() => project.close());

test('copies are planned beside their reader, and the runbook says how they go', async () => {
  const plan = await project.run(['plan']);
  expect(plan.stderr + plan.stdout).not.toContain('BND405');
  expect(plan.stdout).toMatch(
    /^orders-shared {3}1 shared relation for orders -> postgres:.*\n +> copy +public\.countries +owned by catalog, read-only in schema shared$/m,
  );
  expect((await project.run(['generate'])).code).toBe(0);
  const [output] = fs
    .readdirSync(project.directory)
    .filter((name) => fs.existsSync(path.join(project.directory, name, 'RUNBOOK.md')));
  expect(file(path.join(output ?? 'dbps/generated', 'RUNBOOK.md'))).toContain(
    'dbps migrate advance orders-shared --to dual-write --yes',
  );
  expect(fs.existsSync(path.join(project.directory, output ?? '', 'orders-shared'))).toBe(false);
});

test('they are moved, shown, verified and taken away; what they are not is refused', async () => {
  for (const phase of ['provisioned', 'dual-write'])
    expect(await project.json(['migrate', 'advance', 'orders-shared', '--to', phase, '--yes'])).toMatchObject(
      { ok: true },
    );
  const status = await project.json(['status']);
  expect(status.result).toMatchObject({
    services: [
      { service: 'catalog', phase: 'planned' },
      { service: 'orders', phase: 'planned' },
      { service: 'orders-shared', phase: 'dual-write' },
    ],
  });
  expect(await project.json(['verify', 'orders-shared'])).toMatchObject({
    code: 0,
    result: { relations: [{ relation: 'public.countries', rows: 300, differing: 0 }] },
  });
  expect(
    await project.json(['migrate', 'advance', 'orders-shared', '--to', 'read-cutover', '--dry-run']),
  ).toMatchObject({ result: { isReady: false } });
  expect(
    await project.json(['migrate', 'advance', 'orders-shared', '--to', 'read-cutover', '--yes']),
  ).toMatchObject({
    code: 3,
    error: { code: 'DBPS_E361', hint: 'dbps verify orders-shared' },
  });
  expect(await project.json(['migrate', 'advance', 'nobody-shared', '--yes'])).toMatchObject({
    code: 2,
    error: { code: 'DBPS_E107' },
  });
  expect(await project.json(['migrate', 'advance', 'catalog-shared', '--yes'])).toMatchObject({
    code: 3,
    error: { code: 'DBPS_E303' },
  });
  expect(await project.json(['migrate', 'abort', 'orders-shared', '--yes'])).toMatchObject({ ok: true });
  expect(await project.targets['orders']?.query("SELECT to_regnamespace('shared') AS there")).toEqual([
    { there: null },
  ]);
  expect(await project.json(['doctor'])).toMatchObject({ result: { leftovers: [] } });
});
