/**
 * Runs one command and turns what comes of it into output and an exit code: an outcome is rendered in each format asked for, an
 * error becomes the same envelope (stdout) and a few lines for people (stderr). The only place where a result is written.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DbpsError, InternalError, InterruptedError, UsageError } from '../model/errors.js';
import type { Finding } from '../model/finding.js';
import { envelope, ENVELOPE_FORMAT, scrub, toJson, type Envelope } from '../report/envelope.js';
import { printable } from '../report/printable.js';
import type { Style } from '../report/style.js';
import { errorText } from '../report/text/error.js';
import { Context, styleFor, type Format, type GlobalFlags, type Streams } from './context.js';
import { exitCodeOf, type ExitCode } from './exit-codes.js';
import { IncompleteOutcome } from './incomplete.js';
import { describeTerminal } from './terminal.js';
import type { Progress } from './progress.js';
import type { CommandName, CommandResults, OutputLine } from './results.js';

export interface Outcome<R = unknown> {
  readonly result: R;
  readonly findings?: readonly Finding[];
  /** The answer: exit 0 or 1. */
  readonly isYes: boolean;
  /** Commands that work when pasted; the first is the `Next` line. */
  readonly nextSteps: readonly string[];
  /** '' for a command whose whole answer is its next step. */
  readonly text: (style: Style) => string;
  /** The signal is how it is meant to end: the exit code is that of the answer. */
  readonly endsWithSignal?: true;
  /** Other formats that this command knows. */
  readonly renderers?: Partial<Record<Format, (envelope: Envelope) => string | Promise<string>>>;
}

export type Action<O, R> = (context: Context, args: readonly string[], options: O) => Promise<Outcome<R>>;

/** Binds a command's action to its name and formats, as a commander action. */
export type Bind = <C extends CommandName, O extends object>(
  command: C,
  formats: readonly Format[],
  action: Action<O, CommandResults[C]>,
) => (...args: unknown[]) => Promise<void>;

export interface Process {
  readonly streams: Streams;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly version: string;
  readonly signal: AbortSignal;
  setExitCode(code: ExitCode): void;
}

/** A summary of more than a mebibyte is refused as a whole; a character takes up to three bytes. */
const SUMMARY_CHARACTERS = 340_000;

interface Destination {
  readonly format: Format;
  readonly file: string | null;
}

export function bindTo(process: Process, globalFlags: () => GlobalFlags): Bind {
  return (command, formats, action) =>
    async (...args) => {
      // commander hands over: arguments…, options, the command.
      const options = args.at(-2) as object;
      const texts = args
        .slice(0, -2)
        .flat()
        .filter((text): text is string => typeof text === 'string');
      await execute(process, globalFlags(), command, formats, (context) =>
        action(context, texts, options as never),
      );
    };
}

async function execute(
  process: Process,
  flags: GlobalFlags,
  command: string,
  formats: readonly Format[],
  action: (context: Context) => Promise<Outcome>,
): Promise<void> {
  const terminal = describeTerminal({
    ...process.streams,
    env: process.env,
    input: flags.input !== false,
    color: flags.color !== false,
  });
  let destinations: readonly Destination[] = [
    { format: isJson(flags, process.env) ? 'json' : 'text', file: null },
  ];
  let progress: Progress | undefined;
  const isQuiet = flags.quiet === true || (process.env['DBPS_QUIET'] ?? '') !== '';
  try {
    destinations = readDestinations(flags, process.env, formats);
    progress = await makeProgress(process, terminal, destinations, isQuiet, command);
    const ndjson = destinations.find(({ format }) => format === 'ndjson');
    const context = new Context({
      ...process,
      flags,
      terminal,
      events: progress.sink,
      writeLine: ndjson === undefined ? null : (line) => append(process, ndjson, outputLine(line)),
    });
    let partial: IncompleteOutcome | undefined;
    const outcome = await action(context).catch((thrown: unknown) => {
      if (!(thrown instanceof IncompleteOutcome)) throw thrown;
      partial = thrown;
      return thrown.outcome;
    });
    progress.finish();
    if (outcome.endsWithSignal !== true) process.signal.throwIfAborted();
    const result = envelope({
      version: process.version,
      command,
      ok: outcome.isYes && partial === undefined,
      ...(partial !== undefined && { error: partial }),
      result: outcome.result,
      findings: outcome.findings ?? [],
      nextSteps: outcome.nextSteps,
    });
    for (const destination of destinations) {
      if (destination.format === 'text' && destination.file === null && isQuiet) continue;
      const style = await styleFor(destination.file === null && terminal.stdoutColor);
      write(process, destination, await render(outcome, result, destination.format, style));
    }
    if (destinations.some(({ format }) => format === 'github')) await summarise(process, outcome, result);
    if (partial === undefined) {
      process.setExitCode(outcome.isYes ? 0 : 1);
      return;
    }
    const code = exitCodeOf(partial);
    process.streams.stderr.write(`${errorText(partial, code, await styleFor(terminal.stderrColor))}\n`);
    process.setExitCode(code);
  } catch (thrown) {
    progress?.finish();
    await fail(process, { flags, command, destinations, hasColor: terminal.stderrColor }, thrown);
  }
}

async function makeProgress(
  process: Process,
  terminal: { readonly isLive: boolean; readonly stderrColor: boolean },
  destinations: readonly Destination[],
  isQuiet: boolean,
  command: string,
): Promise<Progress> {
  const { SILENT, lineProgress, liveProgress, ndjsonProgress } = await import('./progress.js');
  const ndjson = destinations.find((destination) => destination.format === 'ndjson');
  if (ndjson !== undefined) {
    write(
      process,
      ndjson,
      outputLine({ type: 'start', format: ENVELOPE_FORMAT, dbps: process.version, command }),
    );
    return ndjsonProgress((line) => append(process, ndjson, line));
  }
  if (isQuiet) return SILENT;
  const { stderr } = process.streams;
  return terminal.isLive
    ? liveProgress(stderr, await styleFor(terminal.stderrColor), Date.now)
    : lineProgress((line) => stderr.write(line), Date.now);
}

async function render(outcome: Outcome, result: Envelope, format: Format, style: Style): Promise<string> {
  if (format === 'json') return `${toJson(result, 2)}\n`;
  if (format === 'ndjson') return outputLine({ type: 'end', envelope: result });
  if (format === 'text') {
    const [next] = outcome.nextSteps;
    const text = printable(outcome.text(style)).trimEnd();
    return (
      [text, next === undefined ? '' : `${style.dim('Next')}  ${printable(next)}`]
        .filter((part) => part !== '')
        .join('\n') + '\n'
    );
  }
  const renderer = outcome.renderers?.[format];
  if (renderer === undefined)
    throw new Error(`${result.command} declares the format ${format} and does not render it`);
  return renderer(result);
}

function outputLine(line: OutputLine): string {
  return `${toJson(line)}\n`;
}

function isJson(flags: GlobalFlags, env: Process['env']): boolean {
  const asked = flags.format ?? [env['DBPS_FORMAT'] ?? 'text'];
  return flags.json === true || asked.includes('json');
}

function readDestinations(
  flags: GlobalFlags,
  env: Process['env'],
  formats: readonly Format[],
): readonly Destination[] {
  const asked = [...(flags.format ?? []), ...(flags.json === true ? ['json'] : [])];
  if (asked.length === 0) asked.push((env['DBPS_FORMAT'] ?? '') || 'text');
  const destinations = asked.map((text): Destination => {
    const [format = '', file] = text.split(/=(.*)/s);
    if (!(formats as readonly string[]).includes(format))
      throw new UsageError({
        code: 'DBPS_E104',
        message: `this command has no format "${format}"`,
        hint: `it has ${formats.join(', ')}`,
      });
    return { format: format as Format, file: file ?? flags.output ?? null };
  });
  const seen = destinations.map(({ file }) => file ?? '-');
  if (new Set(seen).size < seen.length)
    throw new UsageError({
      code: 'DBPS_E104',
      message: 'two formats would be written to the same place',
      hint: 'name a file for each: --format text --format sarif=out.sarif',
    });
  return destinations;
}

/** GitHub shows ten annotations of a kind in a step; the page of the run has room for all of it. */
async function summarise(process: Process, outcome: Outcome, result: Envelope): Promise<void> {
  const file = process.env['GITHUB_STEP_SUMMARY'] ?? '';
  const markdown = outcome.renderers?.markdown;
  if (file === '' || markdown === undefined) return;
  const text = await markdown(result);
  writing(file, () => fs.appendFileSync(file, `${text.slice(0, SUMMARY_CHARACTERS)}\n`));
}

function write(process: Process, destination: Destination, text: string): void {
  if (destination.file === null) {
    process.streams.stdout.write(text);
    return;
  }
  // The last line of ndjson joins the events that were written while the work ran.
  if (destination.format === 'ndjson' && !text.startsWith('{"type":"start"'))
    return append(process, destination, text);
  const file = path.resolve(process.cwd, destination.file);
  writing(file, () => {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  });
}

function append(process: Process, destination: Destination, text: string): void {
  if (destination.file === null) {
    process.streams.stdout.write(text);
    return;
  }
  const file = path.resolve(process.cwd, destination.file);
  writing(file, () => fs.appendFileSync(file, text));
}

function writing(file: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw new UsageError({
      code: 'DBPS_E105',
      message: `cannot write ${file}: ${(error as NodeJS.ErrnoException).code ?? 'error'}`,
      hint: 'check the folder and its permissions',
      cause: error,
    });
  }
}

interface Failure {
  readonly flags: GlobalFlags;
  readonly command: string;
  readonly destinations: readonly Destination[];
  readonly hasColor: boolean;
}

/** Also for what goes wrong before there is a command: commander's own errors. */
export async function fail(process: Process, failure: Failure, thrown: unknown): Promise<void> {
  const error = await classify(process, thrown);
  const code = exitCodeOf(error);
  const result = envelope({ version: process.version, command: failure.command, ok: false, error });
  for (const destination of failure.destinations) {
    const text =
      destination.format === 'json'
        ? `${toJson(result, 2)}\n`
        : destination.format === 'ndjson'
          ? outputLine({ type: 'end', envelope: result })
          : null;
    try {
      if (text !== null) write(process, destination, text);
    } catch {
      // What cannot be written is the error being reported, or comes on top of it: stderr tells.
    }
  }
  const style = await styleFor(failure.hasColor);
  process.streams.stderr.write(`${errorText(error, code, style)}\n`);
  const isDebug = failure.flags.debug === true || (process.env['DBPS_DEBUG'] ?? '') !== '';
  if (isDebug && thrown instanceof Error) process.streams.stderr.write(`${scrub(thrown.stack ?? '')}\n`);
  process.setExitCode(code);
}

async function classify(process: Process, thrown: unknown): Promise<DbpsError> {
  if (thrown instanceof DbpsError) return thrown;
  if (process.signal.aborted && isAbort(thrown, process.signal))
    return new InterruptedError({
      code: 'DBPS_E501',
      message: 'stopped on request; what was finished is kept',
      hint: 'run the same command again to go on',
    });
  const { describeFailure } = await import('../app/describe-failure.js');
  const described = describeFailure(thrown);
  if (described !== null) return described;
  const report = writeDebugReport(process, thrown);
  return new InternalError({
    code: 'DBPS_E901',
    message: `${thrown instanceof Error ? thrown.message : String(thrown)}`,
    hint: report === null ? 'add --debug for the stack' : `this is a bug in dbps; its report is ${report}`,
  });
}

function isAbort(thrown: unknown, signal: AbortSignal): boolean {
  return (
    thrown === signal.reason ||
    (thrown instanceof Error && (thrown.name === 'AbortError' || thrown.cause === signal.reason))
  );
}

/** Stack, versions and arguments; no environment, no configuration, no credentials. */
function writeDebugReport(process: Process, thrown: unknown): string | null {
  const file = path.join(os.tmpdir(), `dbps-debug-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`);
  const stackOf = (error: unknown): string =>
    error instanceof Error
      ? `${error.stack ?? error.message}${error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`}`
      : String(error);
  try {
    const report = {
      dbps: process.version,
      node: globalThis.process.version,
      platform: `${os.platform()} ${os.arch()}`,
      arguments: process.argv.map(scrub),
      stack: scrub(stackOf(thrown)).split('\n'),
    };
    fs.writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
    return file;
  } catch {
    return null;
  }
}
