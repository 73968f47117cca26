/**
 * Every command in every format that it has: stdout is the result and nothing else, stderr the rest, on a pipe, on a terminal and into a
 * reader that has seen enough. (JSON is held to its schemas by every run.)
 */
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { BIN, cleanEnvironment } from '../support/cli.js';
import { createProject, type Project } from '../support/project.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const formatsOf = new Map<string, readonly string[]>();
createProgram('0.0.0', (command, formats) => {
  formatsOf.set(command, formats);
  return async () => undefined;
});

/** How each command is run here, without changing anything that the next one needs. */
const RUNS: Readonly<Record<string, readonly string[]>> = {
  init: ['init', '--dry-run'],
  doctor: ['doctor', '--source-only'],
  analyze: ['analyze'],
  plan: ['plan', '--dry-run'],
  'plan show': ['plan', 'show'],
  'plan diff': ['plan', 'diff'],
  generate: ['generate', '--dry-run'],
  'migrate advance': ['migrate', 'advance', 'orders', '--dry-run'],
  'migrate abort': ['migrate', 'abort', 'orders', '--dry-run'],
  'migrate pause': ['migrate', 'pause', 'orders'],
  'migrate resume': ['migrate', 'resume', 'orders'],
  'migrate history': ['migrate', 'history'],
  status: ['status'],
  verify: ['verify', 'orders', '--mode', 'counts'],
  rollback: ['rollback', 'orders', '--dry-run'],
  explain: ['explain', 'BND101'],
};
/** Held elsewhere: interrupt.test runs `run` in its formats, demo.test `demo`. */
const ELSEWHERE = ['run', 'demo', 'migrate reconcile', 'lint'];

let project: Project;
beforeAll(async () => {
  project = await createProject({
    sql: `CREATE TABLE users (id bigint PRIMARY KEY, name text);
          CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE);
          CREATE VIEW customers AS SELECT u.name, o.id FROM users u JOIN orders o ON o.user_id = u.id;`,
    services: { users: ['users'], orders: ['orders'] },
  });
  expect((await project.json(['plan'])).error).toBeNull();
  expect(
    (await project.json(['migrate', 'advance', 'orders', '--to', 'provisioned', '--yes'])).error,
  ).toBeNull();
});
afterEach(() => project.endAll());
afterAll(async () => {
  expect((await project.json(['migrate', 'abort', 'orders', '--yes'])).error).toBeNull();
  await project.close();
});

const CHECKS: Readonly<Record<string, (text: string) => void>> = {
  text: (text) => expect(text.trim()).not.toBe(''),
  json: (text) => expect(JSON.parse(text)).toMatchObject({ format: '1.0' }),
  ndjson: (text) => expect(text.trimEnd().split('\n').length).toBeGreaterThan(1),
  markdown: (text) => expect(text).toMatch(/^# |^## /m),
  mermaid: (text) => expect(text).toMatch(/^(graph|flowchart) /m),
  html: (text) => expect(text).toMatch(/^<!doctype html>[^]*<\/html>\s*$/i),
  sarif: (text) =>
    expect(JSON.parse(text)).toMatchObject({
      version: '2.1.0',
      runs: [{ tool: { driver: { name: 'dbps' } } }],
    }),
  junit: (text) => expectWellFormed(text),
  github: (text) => {
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^$|^::(error|warning|notice) [^:]*::/);
  },
};

/** Every tag that opens closes, in order; nothing bare in between. */
function expectWellFormed(text: string): void {
  expect(text).toMatch(/^<\?xml version="1\.0"/);
  const open: string[] = [];
  const body = text.replace(/^<\?xml[^>]*\?>/, '');
  const rest = body.replaceAll(
    /<(\/?)([a-z]+)((?: [a-z]+="[^"<]*")*)(\/?)>/g,
    (_all, closes: string, name: string, _attributes, empty: string) => {
      if (closes === '/') expect(open.pop()).toBe(name);
      else if (empty === '') open.push(name);
      return '';
    },
  );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|apos|#\d+);)/);
}

test('every command is run here or elsewhere', () => {
  expect([...formatsOf.keys()].toSorted()).toEqual([...Object.keys(RUNS), ...ELSEWHERE].toSorted());
});

test.each(Object.entries(RUNS))('%s', async (command, args) => {
  for (const format of formatsOf.get(command) ?? []) {
    const { code, stdout, stderr } = await project.run([...args, '--format', format]);
    expect([0, 1], `${command} ${format}: ${stderr}`).toContain(code);
    CHECKS[format]?.(stdout);
    // Progress and notes belong to stderr; where they are dated lines, none may be on stdout.
    if (format !== 'ndjson' && command !== 'migrate history')
      expect(stdout).not.toMatch(/^\d{4}-\d\d-\d\dT\S+ /m);
    expect(stderr, `${command} ${format}`).not.toContain('error DBPS');
  }
});

test('--format github also fills the summary of the step', async () => {
  const summary = path.join(project.directory, 'summary.md');
  const { stdout } = await project.run(['analyze', '--format', 'github'], {
    env: { GITHUB_STEP_SUMMARY: summary },
  });
  expect(stdout).toMatch(/^::/);
  expect(fs.readFileSync(summary, 'utf8')).toMatch(/^# dbps analyze/);
  await project.run(['doctor', '--source-only', '--format', 'github'], {
    env: { GITHUB_STEP_SUMMARY: summary },
  });
  expect(fs.readFileSync(summary, 'utf8')).toMatch(/# dbps analyze[^]*# dbps doctor/);
});

/** On a terminal of its own. */
async function onTerminal(
  command: string,
  env: Record<string, string> = {},
): Promise<{ code: number; text: string }> {
  const { stdout } = await promisify(execFile)('script', ['-qc', `${command}; echo "exit $?"`, '/dev/null'], {
    cwd: project.directory,
    env: { ...cleanEnvironment(env), TERM: 'xterm' },
  });
  return { code: Number(/exit (\d+)\s*$/.exec(stdout)?.[1]), text: stdout };
}
const bin = `'${process.execPath}' '${BIN}'`;

test('on a terminal there is colour, and none with NO_COLOR, --no-color or TERM=dumb', async () => {
  const shown = await onTerminal(`${bin} explain BND101`);
  expect([shown.code, shown.text.includes('\u001B[')]).toEqual([0, true]);
  for (const plain of [
    await onTerminal(`NO_COLOR=1 ${bin} explain BND101`),
    await onTerminal(`${bin} explain BND101 --no-color`),
    await onTerminal(`TERM=dumb ${bin} explain BND101`),
  ])
    expect([plain.code, plain.text.includes('\u001B[')]).toEqual([0, false]);
});

test('a decision is asked for on a terminal, on stderr; declined is exit 3; in CI and from a pipe nobody is asked', async () => {
  const move = `${bin} migrate advance orders --to dual-write`;
  const typed = `(sleep 5; printf 'n\\r'; sleep 3) | script -qec "${move} > result" /dev/null`;
  const asked = await onTerminal(typed);
  expect([asked.code, fs.readFileSync(path.join(project.directory, 'result'), 'utf8')], asked.text).toEqual([
    3,
    '',
  ]);
  expect(asked.text).toContain('DBPS_E190');
  const inCi = await onTerminal(`CI=true ${move}`);
  expect([inCi.code, inCi.text.includes('DBPS_E110')]).toEqual([2, true]);
  const piped = await project.json(['migrate', 'advance', 'orders', '--to', 'dual-write']);
  expect([piped.code, piped.error?.code]).toEqual([2, 'DBPS_E110']);
});

test('a reader that has seen enough ends it quietly', () => {
  const text = execFileSync(
    'bash',
    ['-c', `set -o pipefail; ${bin} explain 2>noise | head -1; echo "$?"; cat noise`],
    {
      cwd: project.directory,
      env: cleanEnvironment(),
      encoding: 'utf8',
    },
  );
  expect(text.trimEnd().split('\n')).toEqual([expect.stringMatching(/^BND101/), '0']);
});
