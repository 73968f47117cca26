/**
 * Runs bin/dbps.js as a user does: a process, its two streams, its exit code. On every run, so that no test has to ask for it: what it
 * prints as JSON is what the package's schemas say, its next steps are commands that the parser takes, and no password is printed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { checkNextSteps, checkPrinted, jsonDestinations, secretIn } from './printed.js';

export const BIN = path.resolve(import.meta.dirname, '../../bin/dbps.js');

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: { readonly name: NodeJS.Signals; readonly whenStderrHas: string };
}

/** Nothing of the caller's environment but what a process needs: a developer's NO_COLOR or DBPS_* must not change a test. */
export function cleanEnvironment(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    TMPDIR: process.env['TMPDIR'],
    ...env,
  };
}

export function dbps(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return start(args, options).ended;
}

/** A run that a test talks to while it lasts: waits for what it says, sends it signals. */
export interface Running {
  readonly child: ChildProcess;
  /** Checked as every run is. */
  readonly ended: Promise<CliResult>;
  /** Until stdout or stderr has it; rejects when the process ends without having said so. */
  until(text: string): Promise<void>;
}

/** Only so that a test that waits for the wrong words says which. */
const UNTIL_MS = 90_000;

export function start(args: readonly string[], options: CliOptions = {}): Running {
  const said: { text: string; listeners: Set<() => void> } = { text: '', listeners: new Set() };
  const { child, result } = spawnCli(args, options, (text) => {
    said.text += text;
    for (const listener of said.listeners) listener();
  });
  const ended = result.then((found) => checked(args, options, found));
  const { signal } = options;
  if (signal !== undefined) {
    const send = () => {
      if (!said.text.includes(signal.whenStderrHas)) return;
      said.listeners.delete(send);
      child.kill(signal.name);
    };
    said.listeners.add(send);
  }
  // Whoever waits for the end hears of it; until() must not leave a rejection that nobody handles.
  ended.catch(() => undefined);
  return {
    child,
    ended,
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!said.text.includes(text)) return;
          said.listeners.delete(look);
          clearTimeout(limit);
          resolve();
        };
        const giveUp = (what: string) => reject(new Error(`${what} before it said "${text}":\n${said.text}`));
        const limit = setTimeout(() => giveUp(`${UNTIL_MS / 1000} s went by`), UNTIL_MS);
        said.listeners.add(look);
        look();
        void result.then(({ code }) => giveUp(`ended with ${code}`)).finally(() => clearTimeout(limit));
      }),
  };
}

async function checked(args: readonly string[], options: CliOptions, result: CliResult): Promise<CliResult> {
  // Killed (a second Ctrl-C, SIGKILL): whatever was printed by then is all there is.
  const isCut = result.code === null || result.code > 128;
  for (const { format, file } of isCut ? [] : jsonDestinations(args, options.env ?? {})) {
    const text = file === null ? result.stdout : readIfThere(path.resolve(options.cwd ?? '.', file));
    // A usage error before the formats are known is told on stderr alone.
    if (text !== '' || result.code !== 2) checkPrinted(format, text);
  }
  const secret = secretIn(result.stdout + result.stderr);
  if (secret !== null)
    throw new Error(`dbps ${args.join(' ')} printed ${secret}:\n${result.stdout}\n${result.stderr}`);
  if (!isCut) await checkNextSteps(result.stdout);
  return result;
}

function readIfThere(file: string): string {
  return fs.existsSync(file) && fs.statSync(file).isFile() ? fs.readFileSync(file, 'utf8') : '';
}

function spawnCli(
  args: readonly string[],
  options: CliOptions,
  onText: (text: string) => void,
): { readonly child: ChildProcess; readonly result: Promise<CliResult> } {
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: options.cwd,
    env: cleanEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onText(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onText(text);
  });
  const result = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, result };
}
