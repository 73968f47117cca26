/** What holds for every command before it touches a database: help, usage errors, formats, streams, exit codes, colour, silence. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Command } from 'commander';
import { afterAll, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { dbps } from '../support/cli.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-e2e-'));
afterAll(() => fs.rmSync(directory, { recursive: true }));

function* commands(
  command: Command,
  words: readonly string[] = [],
): Generator<{ words: readonly string[]; command: Command }> {
  for (const child of command.commands) {
    yield { words: [...words, child.name()], command: child };
    yield* commands(child, [...words, child.name()]);
  }
}
const program = createProgram('0.0.0', () => async () => undefined);
const all = [...commands(program)];

test('every command has a summary, a description, an example, and flags without defaults', () => {
  for (const { words, command } of all) {
    const name = words.join(' ');
    expect(command.summary(), name).not.toBe('');
    expect(command.description().length, name).toBeGreaterThan(command.summary().length);
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    expect(help, name).toMatch(/Examples?:/);
    for (const option of command.options)
      if (
        !option.negate &&
        !command.options.some((other) => other.negate && other.attributeName() === option.attributeName())
      )
        expect(option.defaultValue, `${name} ${option.flags}`).toBeUndefined();
  }
});

test('--help answers with all commands on stdout, and nothing on stderr', async () => {
  const { code, stdout, stderr } = await dbps(['--help'], { cwd: directory });
  expect([code, stderr]).toEqual([0, '']);
  for (const command of program.commands) expect(stdout).toContain(`  ${command.name()}`);
  expect((await dbps([], { cwd: directory })).stdout).toBe(stdout);
});

test('help knows each command and topic', async () => {
  for (const words of [['plan'], ['plan', 'diff'], ['exit-codes'], ['environment'], ['formats']]) {
    const { code, stdout } = await dbps(['help', ...words], { cwd: directory });
    expect([code, stdout.length > 100], words.join(' ')).toEqual([0, true]);
  }
  expect((await dbps(['help', 'nothing'])).code).toBe(2);
});

test.each([
  [['explan'], 'DBPS_E101', 'Did you mean "explain"?'],
  [['plan', 'dif', 'x', 'y', 'z'], 'DBPS_E10', ''],
  [
    ['migrate', 'advence', 'orders'],
    'DBPS_E101',
    'unknown command "migrate advence". Did you mean "advance"?',
  ],
  [['doctor', '--sorce-only'], 'DBPS_E102', 'Did you mean "--source-only"?'],
  [['explain', 'SEC10'], 'DBPS_E106', 'Did you mean SEC101?'],
  [['explain', '--format', 'sarif'], 'DBPS_E104', 'it has text, json, markdown'],
  [['doctor', '--url=postgres://dbps:p#ss/w?rd@%@db/shop'], 'DBPS_E102', 'unknown option'],
])('%j is a usage error: exit 2, one message, nothing on stdout', async (args, code, message) => {
  const result = await dbps(args, { cwd: directory });
  expect(result.stdout).toBe('');
  expect(result.code).toBe(2);
  expect(result.stderr).toContain(code);
  expect(result.stderr).toContain(message);
  expect(result.stderr).not.toContain('p#ss');
});

test.each([['doctor'], ['plan'], ['plan', 'show'], ['generate'], ['status'], ['verify'], ['run']])(
  '%s without dbps.yaml says how to get one, as text and as JSON',
  async (...words) => {
    const text = await dbps(words, { cwd: directory });
    expect([text.code, text.stdout]).toEqual([2, '']);
    expect(text.stderr).toMatch(/error DBPS_E202 .*no dbps.yaml/);
    expect(text.stderr).toContain('hint  dbps init');
    const json = await dbps([...words, '--json'], { cwd: directory });
    const envelope = JSON.parse(json.stdout) as {
      ok: boolean;
      result: null;
      command: string;
      error: { code: string };
    };
    expect(envelope).toMatchObject({
      ok: false,
      result: null,
      command: words.join(' '),
      error: { code: 'DBPS_E202' },
    });
    expect(json.stderr).toContain('DBPS_E202');
  },
);

test('a failing usage in JSON mode prints the same envelope', async () => {
  const { stdout, code } = await dbps(['nothing', '--format', 'json'], { cwd: directory });
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'DBPS_E101' } });
});

test('flags of the program are accepted before and after the command', async () => {
  const before = await dbps(['--json', 'explain', 'SEC101'], { cwd: directory });
  const after = await dbps(['explain', 'SEC101', '--json'], { cwd: directory });
  const fromEnvironment = await dbps(['explain', 'SEC101'], { cwd: directory, env: { DBPS_FORMAT: 'json' } });
  expect(before.stdout).toBe(after.stdout);
  expect(fromEnvironment.stdout).toBe(after.stdout);
  expect(JSON.parse(after.stdout)).toMatchObject({ command: 'explain', ok: true });
});

test('several formats at once, each in its own file; the same place twice is refused', async () => {
  const both = await dbps(['explain', 'SEC101', '--format', 'json=a.json', '--format', 'markdown=b/c.md'], {
    cwd: directory,
  });
  expect([both.code, both.stdout]).toEqual([0, '']);
  expect(JSON.parse(fs.readFileSync(path.join(directory, 'a.json'), 'utf8'))).toMatchObject({ ok: true });
  expect(fs.readFileSync(path.join(directory, 'b/c.md'), 'utf8')).toContain('## SEC101');
  const twice = await dbps(['explain', '--format', 'json', '--format', 'text'], { cwd: directory });
  expect([twice.code, twice.stderr.includes('DBPS_E104')]).toEqual([2, true]);
  const nowhere = await dbps(['explain', '-o', path.join(directory, 'a.json', 'x')], { cwd: directory });
  expect([nowhere.code, nowhere.stderr.includes('DBPS_E105')]).toEqual([2, true]);
});

test('colour only adds escapes: the text is the same without them', async () => {
  const plain = await dbps(['explain', 'SEC101'], { cwd: directory });
  const coloured = await dbps(['explain', 'SEC101'], { cwd: directory, env: { FORCE_COLOR: '1' } });
  expect(coloured.stdout).not.toBe(plain.stdout);
  expect(stripVTControlCharacters(coloured.stdout)).toBe(plain.stdout);
  const both = await dbps(['explain', 'SEC101'], {
    cwd: directory,
    env: { FORCE_COLOR: '1', NO_COLOR: '1' },
  });
  expect(both.stdout).toBe(plain.stdout);
});

test('--quiet leaves the exit code and errors', async () => {
  const fine = await dbps(['explain', 'SEC101', '--quiet'], { cwd: directory });
  expect(fine).toEqual({ code: 0, stdout: '', stderr: '' });
  const wrong = await dbps(['doctor', '-q'], { cwd: directory });
  expect([wrong.code, wrong.stderr.includes('DBPS_E202')]).toEqual([2, true]);
});

test('init writes a file that the other commands accept, and does not overwrite it', async () => {
  const cwd = path.join(directory, 'init');
  fs.mkdirSync(cwd);
  const dry = await dbps(['init', '--dry-run'], { cwd });
  expect([dry.code, fs.readdirSync(cwd)]).toEqual([0, []]);
  expect((await dbps(['init'], { cwd })).code).toBe(0);
  const again = await dbps(['init'], { cwd });
  expect([again.code, again.stderr.includes('DBPS_E111')]).toEqual([2, true]);
  // The file is fine; what it asks for is not set yet.
  const doctor = await dbps(['doctor', '--json'], { cwd });
  expect(JSON.parse(doctor.stdout)).toMatchObject({
    error: { code: 'DBPS_E205', message: expect.stringContaining('SHARED_DATABASE_URL') as string },
  });
});

test('a dbps.yaml that cannot be read is no bug', async () => {
  const cwd = path.join(directory, 'folder');
  fs.mkdirSync(path.join(cwd, 'dbps.yaml'), { recursive: true });
  const { code, stderr } = await dbps(['doctor'], { cwd });
  expect([code, stderr.includes('DBPS_E202')]).toEqual([2, true]);
});
