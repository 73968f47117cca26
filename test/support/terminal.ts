/** bin/dbps.js in a terminal of its own (a pseudo-terminal by util-linux's `script`), driven as a person does: wait for words, type keys. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { debianProgram } from './debian-program.js';

const BIN = path.resolve(import.meta.dirname, '../../bin/dbps.js');

export const KEY = { enter: '\r', down: '\x1b[B', up: '\x1b[A', ctrlC: '\x03' } as const;

export interface TerminalSession {
  /** Everything shown so far, without colours and cursor movements. */
  shown(): string;
  /** Resolves when `text` was shown after the last keys. @throws with the screen when it is not within half a minute. */
  until(text: string): Promise<void>;
  type(keys: string): void;
  /** Moves down the list until the cursor stands before `text`, then picks it. */
  pick(text: string): Promise<void>;
  readonly exit: Promise<number | null>;
}

const ESCAPES = /\x1b(?:\[[\d;?]*[ -/]*[@-~]|[@-_])/g;

export function openTerminal(
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): TerminalSession {
  const quoted = [process.execPath, BIN, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const child = spawn(
    debianProgram(['script'], 'bsdutils'),
    ['--quiet', '--return', '--flush', '--command', quoted.join(' '), '/dev/null'],
    {
      cwd: options.cwd,
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        TMPDIR: process.env['TMPDIR'],
        TERM: 'xterm',
        COLUMNS: '120',
        LINES: '40',
        NO_COLOR: '1',
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  // A test that fails half way leaves nobody at a question.
  onTestFinished(() => {
    if (child.exitCode === null) child.kill('SIGTERM');
  });
  let output = '';
  let since = 0;
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    for (const listener of listeners) listener();
  });
  const plain = (from: number) => output.slice(from).replaceAll(ESCAPES, '').replaceAll('\r', '');
  const exit = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  const when = (isThere: () => boolean, what: string) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        listeners.delete(look);
        reject(new Error(`${what} was not shown:\n${plain(0)}`));
      }, 30_000);
      const look = () => {
        if (!isThere()) return;
        clearTimeout(timer);
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
      look();
    });
  const type = (keys: string) => {
    since = output.length;
    child.stdin.write(keys);
  };
  return {
    shown: () => plain(0),
    until: (text) => when(() => plain(since).includes(text), text),
    type,
    pick: async (text) => {
      const isAt = () =>
        plain(since)
          .split('\n')
          .some((line) => /^\s*(?:❯|>)/.test(line) && line.includes(text));
      for (let tries = 0; tries < 60 && !isAt(); tries++) {
        type(KEY.down);
        await when(() => /(?:❯|>)/.test(plain(since)), 'a list');
      }
      if (!isAt()) throw new Error(`${text} is not in the list:\n${plain(since)}`);
      type(KEY.enter);
    },
    exit,
  };
}
