/** dbps as a user runs it: a process for each command, judged by its exit code and read through its JSON envelope. */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';

/** bin/ stands beside dist/ (and src/). */
const BIN = path.resolve(import.meta.dirname, '../../bin/dbps.js');
const KILL_AFTER_MS = 10_000;

export interface Envelope {
  readonly ok: boolean;
  readonly result: unknown;
  readonly findings: readonly {
    readonly code: string;
    readonly severity: string;
    readonly message: string;
    readonly remedy?: string;
    readonly data?: Readonly<Record<string, unknown>>;
  }[];
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string | null } | null;
  readonly nextSteps: readonly string[];
}

export interface CommandResult {
  /** As shown to people: without a connection's password. */
  readonly shown: string;
  readonly code: number;
  readonly envelope: Envelope | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

export class CommandFailed extends Error {
  constructor(readonly command: CommandResult) {
    const { shown, code, envelope, stderr } = command;
    const said = envelope?.error ? `${envelope.error.code} ${envelope.error.message}` : '';
    super([`${shown} ended with ${code}`, said, stderr.trim().slice(-2000)].filter(Boolean).join('\n'));
    this.name = 'CommandFailed';
  }
}

export interface DbpsOptions {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export class Dbps {
  readonly #options: DbpsOptions;
  readonly #running = new Set<ChildProcess>();

  constructor(options: DbpsOptions) {
    this.#options = options;
  }

  /** @throws CommandFailed unless the exit code is one of `expected`. */
  async command(args: readonly string[], expected: readonly number[] = [0]): Promise<CommandResult> {
    this.#options.signal.throwIfAborted();
    const startedAt = Date.now();
    const child = this.#spawn([...args, '--format', 'json']);
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const stop = () => child.kill('SIGINT');
    this.#options.signal.addEventListener('abort', stop, { once: true });
    const code = await ended(child);
    this.#options.signal.removeEventListener('abort', stop);
    this.#options.signal.throwIfAborted();
    const result = {
      shown: show(args),
      code,
      envelope: parse(stdout),
      stdout,
      stderr,
      startedAt,
      endedAt: Date.now(),
    };
    if (!expected.includes(code)) throw new CommandFailed(result);
    return result;
  }

  /** `dbps run`, the long-lived replicator. */
  startRun(): RunProcess {
    return new RunProcess(this.#spawn(['run']));
  }

  /** Whatever still runs: asked first, then killed. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map((child) => end(child)));
  }

  #spawn(args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: this.#options.directory,
      // CI: never a question, never a redrawn line.
      env: { ...process.env, ...this.#options.env, CI: '1', NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#running.add(child);
    child.once('close', () => this.#running.delete(child));
    return child;
  }
}

export class RunProcess {
  #log = '';
  #hasFailed = false;

  constructor(private readonly child: ChildProcess) {
    const keep = (data: Buffer) => (this.#log = (this.#log + data.toString()).slice(-20_000));
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.once('close', (code) => (this.#hasFailed = code !== 0));
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** The end of what it printed. */
  get log(): string {
    return this.#log;
  }

  async stop(): Promise<void> {
    await end(this.child);
  }
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? -1));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = ended(child);
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  await gone;
  clearTimeout(timer);
}

function show(args: readonly string[]): string {
  return ['dbps', ...args.map((arg) => (arg.includes('://') ? '"$SHARED_DATABASE_URL"' : arg))].join(' ');
}

function parse(text: string): Envelope | null {
  try {
    return JSON.parse(text) as Envelope;
  } catch {
    return null;
  }
}
