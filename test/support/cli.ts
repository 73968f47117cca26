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
  /** Given the process, for a test that has to do something to it while it runs. */
  readonly onStart?: (child: ChildProcess) => void;
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

export async function dbps(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const result = await runToEnd(args, options);
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

function runToEnd(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: options.cwd,
      env: cleanEnvironment(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let isSignalled = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (options.signal !== undefined && !isSignalled && stderr.includes(options.signal.whenStderrHas)) {
        isSignalled = true;
        child.kill(options.signal.name);
      }
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    options.onStart?.(child);
  });
}
