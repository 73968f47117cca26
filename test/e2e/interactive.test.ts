/** Walking a proposal in a terminal: relations move, the price follows at once, dbps.yaml says what was decided. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { dbps } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { KEY, openTerminal } from '../support/terminal.js';

const LIBRARY = fs.readFileSync(path.resolve(import.meta.dirname, '../fixtures/library.sql'), 'utf8');

let database: TestDatabase;
let directory: string;
beforeAll(async () => {
  database = await createTestDatabase('legacy', LIBRARY);
});
afterAll(async () => database.drop());

function project(yaml?: string): string {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-interactive-'));
  fs.writeFileSync(path.join(directory, '.env'), `SHARED_DATABASE_URL=${database.url}\n`);
  if (yaml !== undefined) fs.writeFileSync(path.join(directory, 'dbps.yaml'), yaml);
  return directory;
}
const services = () =>
  (
    parse(fs.readFileSync(path.join(directory, 'dbps.yaml'), 'utf8')) as {
      services: Record<string, { relations: string[] }>;
    }
  ).services;

const CONFIG = `version: 1
source: { engine: postgres, url: "\${SHARED_DATABASE_URL}", schemas: [public] }
services:
  people:
    relations: [member, member_address, member_card]   # the desk's
  books:
    relations: [title, title_author, author, copy, branch, branch_hours, branch_room, reservation]
  lending:
    relations: [loan, loan_renewal, loan_fine]
`;

test('plan --interactive: a move changes the price, is undone, is made again, and the plan is of what was written', async () => {
  const cwd = project(CONFIG);
  const screen = openTerminal(['plan', '--interactive'], { cwd });
  await screen.until('What next');
  expect(screen.shown()).toMatch(/price \d+\.\d, \d+ crossings\n/);
  screen.type(KEY.enter);
  await screen.until('Which relation');
  screen.type('reservation');
  await screen.until('❯ public.reservation  (books)');
  screen.type(KEY.enter);
  await screen.until('Move public.reservation from books to');
  await screen.pick('lending');
  await screen.until('since the proposal');
  await screen.until('Undo the last change');
  await screen.pick('Undo');
  await screen.until('What next');
  expect(services()['lending']?.relations).toEqual(['loan', 'loan_renewal', 'loan_fine']);

  screen.type(KEY.enter);
  await screen.until('Which relation');
  screen.type('reservation');
  await screen.until('❯ public.reservation  (books)');
  screen.type(KEY.enter);
  await screen.until('Move public.reservation');
  await screen.pick('lending');
  await screen.until('Undo the last change');
  await screen.pick('Write dbps.yaml');
  await screen.until('Wrote dbps/plan.json');
  expect(await screen.exit).toBe(0);

  expect(
    Object.fromEntries(Object.entries(services()).map(([name, { relations }]) => [name, relations.length])),
  ).toEqual({
    books: 7,
    lending: 4,
    people: 3,
  });
  expect(services()['lending']?.relations).toContain('reservation');
  const plan = JSON.parse(fs.readFileSync(path.join(cwd, 'dbps/plan.json'), 'utf8')) as {
    services: { name: string; relations: string[] }[];
  };
  expect(plan.services.find(({ name }) => name === 'lending')?.relations).toContain('public.reservation');
  fs.rmSync(cwd, { recursive: true });
});

test('leaving writes nothing (3), Ctrl-C writes nothing (5)', async () => {
  const cwd = project(CONFIG);
  const screen = openTerminal(['plan', '--interactive'], { cwd });
  await screen.until('What next');
  await screen.pick('Leave without writing');
  expect(await screen.exit).toBe(3);
  const other = openTerminal(['plan', '--interactive'], { cwd });
  await other.until('What next');
  other.type(KEY.ctrlC);
  expect(await other.exit).toBe(5);
  expect(fs.readFileSync(path.join(cwd, 'dbps.yaml'), 'utf8')).toBe(CONFIG);
  expect(fs.existsSync(path.join(cwd, 'dbps'))).toBe(false);
  fs.rmSync(cwd, { recursive: true });
});

test('init --interactive: a first dbps.yaml with a service renamed, that plan takes', async () => {
  const cwd = project();
  const screen = openTerminal(['init', '--interactive'], { cwd });
  await screen.until('What next');
  await screen.pick('Rename a service');
  await screen.until('Which service');
  await screen.pick('member');
  await screen.until('New name of member');
  screen.type('people\r');
  await screen.until('What next');
  await screen.pick('Write dbps.yaml');
  await screen.until('Wrote dbps.yaml with');
  expect(await screen.exit).toBe(0);
  expect(services()['people']?.relations).toContain('member');
  expect(screen.shown()).not.toContain(encodeURIComponent('p#ss'));
  const plan = await dbps(['plan', '--json'], { cwd });
  expect(plan.code, plan.stdout).toBe(0);
  fs.rmSync(cwd, { recursive: true });
});

test.each([
  [['plan', '--interactive']],
  [['init', '--interactive', '--force']],
  [['analyze', '--interactive']],
])('without a terminal %j is refused before any database is asked (2)', async (args) => {
  const cwd = project(CONFIG.replace('SHARED_DATABASE_URL', 'NOT_SET'));
  const { code, stderr } = await dbps(args, { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain('--interactive needs a terminal');
  fs.rmSync(cwd, { recursive: true });
});
