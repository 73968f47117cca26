/** `dbps demo` as a user runs it, on few rows: the proof holds, and nothing stays behind, even after Ctrl-C. */
import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findMariadb, INSTALL_MARIADB, MariadbMissing } from '../../src/demo/find-mariadb.js';
import type { DemoResult } from '../../src/demo/demo.js';
import { debianProgram } from '../support/debian-program.js';

const BIN = path.resolve(import.meta.dirname, '../../bin/dbps.js');
let directory: string;
let child: ChildProcess | undefined;

// The demo itself installs nothing.
beforeAll(() => void debianProgram(['mariadbd'], 'mariadb-server-core'));

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-demo-test-'));
  // Servers started by root run under another account and must be able to enter.
  fs.chmodSync(directory, 0o755);
});

afterEach(() => {
  child?.kill('SIGKILL');
  fs.rmSync(directory, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function demo(args: readonly string[], watch: (stderr: string) => void = () => undefined): Promise<Ended> {
  const started = spawn(process.execPath, [BIN, 'demo', '--scale', '0.01', ...args], {
    cwd: directory,
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = started;
  let stdout = '';
  let stderr = '';
  started.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  started.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    watch(stderr);
  });
  return new Promise((resolve) => started.once('close', (code) => resolve({ code, stdout, stderr })));
}

/** A copy of the server's programs is kept for the next run; everything else goes. */
const left = (): string[] => fs.readdirSync(directory).filter((name) => !name.startsWith('dbps-postgres-'));

/** Processes that were started with something in our directory. */
function processes(): string[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(directory) ? [command] : [];
      } catch {
        return [];
      }
    });
}

test.each([
  ['postgres', 'orders'],
  ['mysql', 'orders'],
  ['mixed', 'catalog'],
])(
  '%s: every phase, back and forward, and nothing is lost, made twice or left behind',
  async (engine, back) => {
    const { code, stdout, stderr } = await demo(['--engine', engine, '--format', 'json']);
    expect(stderr).toContain('dbps migrate advance payments --to decommissioned');
    expect(code).toBe(0);
    const { result } = JSON.parse(stdout) as { result: DemoResult };
    expect(result.proof).toMatchObject({
      lost: [],
      duplicated: [],
      orphans: [],
      failures: [],
      staleReads: 0,
    });
    expect(result.leftovers).toEqual([]);
    expect(result.proof.acknowledged).toBeGreaterThan(1500);
    expect(result.proof.compared).toBeGreaterThan(200);
    expect(result.proof.reads).toBeGreaterThan(20);
    expect(result.services.map(({ service }) => service)).toEqual(['users', 'catalog', 'orders', 'payments']);
    expect(result.switches.map(({ service, kind }) => `${kind} ${service}`)).toEqual([
      'cutover users',
      'cutover catalog',
      'cutover orders',
      'cutover payments',
      `rollback ${back}`,
      `cutover again ${back}`,
    ]);
    expect(left()).toEqual([]);
    expect(processes()).toEqual([]);
  },
  600_000,
);

test('a server that is not installed is named with the command that installs it', () => {
  expect(() => findMariadb([directory])).toThrow(MariadbMissing);
  expect(INSTALL_MARIADB).toContain('apt-get install');
  fs.writeFileSync(path.join(directory, 'mariadbd'), '');
  expect(findMariadb(['', directory])).toBe(path.join(directory, 'mariadbd'));
});

test('Ctrl-C in the middle leaves no process and no file', async () => {
  let isAsked = false;
  const { code } = await demo([], (stderr) => {
    if (isAsked || !stderr.includes('dbps run &')) return;
    isAsked = true;
    child?.kill('SIGINT');
  });
  expect(isAsked).toBe(true);
  expect(code).toBe(5);
  expect(left()).toEqual([]);
  expect(processes()).toEqual([]);
}, 300_000);
