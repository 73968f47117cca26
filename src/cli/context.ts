/** What a command is given of the process it runs in: streams, flags, environment, the signal to stop. Nothing below cli/ sees a process. */
import path from 'node:path';
import type { LoadedConfig } from '../config/load.js';
import { UsageError } from '../model/errors.js';
import type { EventSink } from '../model/events.js';
import { PLAIN, type Style } from '../report/style.js';
import type { OutputLine } from './results.js';
import type { Terminal } from './terminal.js';

export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export const FORMATS = [
  'text',
  'json',
  'ndjson',
  'markdown',
  'mermaid',
  'html',
  'sarif',
  'junit',
  'github',
] as const;
export type Format = (typeof FORMATS)[number];

export interface GlobalFlags {
  readonly config?: string;
  readonly envFile?: string | false;
  readonly format?: readonly string[];
  readonly json?: boolean;
  readonly output?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  readonly yes?: boolean;
  readonly input?: boolean;
  readonly color?: boolean;
  readonly lockTimeout?: string;
}

export interface ContextInput {
  readonly streams: Streams;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly version: string;
  readonly flags: GlobalFlags;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly events: EventSink;
  readonly writeLine: ((line: OutputLine) => void) | null;
}

export class Context {
  readonly streams: Streams;
  readonly env: ContextInput['env'];
  readonly cwd: string;
  readonly version: string;
  readonly flags: GlobalFlags;
  readonly terminal: Terminal;
  /** First Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Progress of long work: drawn, printed as lines or written as ndjson. */
  readonly events: EventSink;
  /** With --format ndjson: one more line of it. */
  readonly writeLine: ContextInput['writeLine'];
  #config: LoadedConfig | undefined;

  constructor(input: ContextInput) {
    this.streams = input.streams;
    this.env = input.env;
    this.cwd = input.cwd;
    this.version = input.version;
    this.flags = input.flags;
    this.terminal = input.terminal;
    this.signal = input.signal;
    this.events = input.events;
    this.writeLine = input.writeLine;
  }

  get isQuiet(): boolean {
    return this.flags.quiet === true || isSet(this.env['DBPS_QUIET']);
  }

  get isVerbose(): boolean {
    return this.flags.verbose === true || this.env['DBPS_LOG'] === 'debug';
  }

  get isDebug(): boolean {
    return this.flags.debug === true || isSet(this.env['DBPS_DEBUG']);
  }

  /** How long to wait for another's lease. */
  async lockTimeoutMs(): Promise<number> {
    const text = this.flags.lockTimeout ?? this.env['DBPS_LOCK_TIMEOUT'];
    return text === undefined ? 0 : this.duration('--lock-timeout', text);
  }

  async duration(flag: string, text: string): Promise<number> {
    const { parseDuration } = await import('../config/units.js');
    const value = parseDuration(text);
    if (value === null)
      throw new UsageError({
        code: 'DBPS_E103',
        message: `"${text}" is no duration (${flag})`,
        hint: 'write 500ms, 5s, 10m, 2h or 7d',
      });
    return value;
  }

  number(flag: string, text: string, minimum: number, maximum: number): number {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < minimum || value > maximum)
      throw new UsageError({
        code: 'DBPS_E103',
        message: `"${text}" is no number from ${minimum} to ${maximum} (${flag})`,
      });
    return value;
  }

  choice<T extends string>(flag: string, text: string, choices: readonly T[]): T {
    if ((choices as readonly string[]).includes(text)) return text as T;
    throw new UsageError({
      code: 'DBPS_E103',
      message: `"${text}" is not one of ${choices.join(', ')} (${flag})`,
    });
  }

  async loadedConfig(): Promise<LoadedConfig> {
    if (this.#config === undefined) {
      const { loadConfig } = await import('../config/load.js');
      this.#config = loadConfig({
        cwd: this.cwd,
        env: this.env,
        file: this.flags.config,
        envFile: this.flags.envFile,
      });
      if (this.isVerbose)
        this.note(`read ${this.#config.filesRead.map((file) => this.relative(file)).join(', ')}`);
    }
    return this.#config;
  }

  /** After dbps.yaml was written by this command. */
  async reloadedConfig(): Promise<LoadedConfig> {
    this.#config = undefined;
    return this.loadedConfig();
  }

  /** Like loadedConfig, but null where there is no dbps.yaml and none was named. */
  async configIfAny(): Promise<LoadedConfig | null> {
    const { findConfig } = await import('../config/find.js');
    return findConfig({ cwd: this.cwd, env: this.env, file: this.flags.config }) === null
      ? null
      : this.loadedConfig();
  }

  /** For people: as short as it can be typed from here. */
  relative(file: string): string {
    const relative = path.relative(this.cwd, file);
    return relative === '' || relative.startsWith('..') ? file : relative;
  }

  note(text: string): void {
    if (!this.isQuiet) this.streams.stderr.write(`${text}\n`);
  }

  async stderrStyle(): Promise<Style> {
    return styleFor(this.terminal.stderrColor);
  }

  async stdoutStyle(): Promise<Style> {
    return styleFor(this.terminal.stdoutColor);
  }
}

/** chalk 5 does not know NO_COLOR: whether there is colour was decided before. */
export async function styleFor(hasColor: boolean): Promise<Style> {
  if (!hasColor) return PLAIN;
  const { Chalk } = await import('chalk');
  return new Chalk({ level: 1 });
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== '' && text !== '0' && text !== 'false';
}
