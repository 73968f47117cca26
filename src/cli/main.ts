/** The process: arguments in, exit code out. Never process.exit after output: a pipe would be cut short. */
import fs from 'node:fs';
import { CommanderError } from 'commander';
import { UsageError } from '../model/errors.js';
import type { GlobalFlags } from './context.js';
import { createProgram } from './program.js';
import { bindTo, fail, type Process } from './runner.js';

const { version } = JSON.parse(fs.readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The first signal asks for a clean stop; the second does not wait for it. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    process.stderr.write('stopping cleanly; once more to stop at once\n');
    controller.abort(new Error(`stopped by ${signal}`));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}

/** commander's own words, as one of dbps's errors. */
function usageError(error: CommanderError, words: readonly string[]): UsageError {
  let message = error.message.replace(/^error: /, '').replaceAll(/'([^'\n]*)'/g, '"$1"');
  message = message.replace(
    /\s*\n?\(Did you mean (.+?)\?\)/s,
    (_all, meant: string) => `. Did you mean "${meant.replace(/^one of /, '')}"?`,
  );
  if (
    error.code === 'commander.unknownCommand' &&
    words[0] !== undefined &&
    !message.includes(`"${words[0]}"`)
  )
    message = message.replace('unknown command "', `unknown command "${words[0]} `);
  return new UsageError({
    code: error.code === 'commander.unknownCommand' ? 'DBPS_E101' : 'DBPS_E102',
    message,
    hint: 'dbps --help',
  });
}

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  // A reader that has seen enough (| head) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const self: Process = {
    streams: { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr },
    env: process.env,
    cwd: process.cwd(),
    argv,
    version,
    signal: stopSignal(),
    setExitCode: (code) => {
      process.exitCode = code;
    },
  };
  const bind = bindTo(self, () => program.opts<GlobalFlags>());
  const program = createProgram(version, bind, { writeOut: (text) => process.stdout.write(text) });
  try {
    if (argv.length === 0) {
      program.outputHelp();
      return;
    }
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const words = argv.filter((word) => !word.startsWith('-'));
    const flags = program.opts<GlobalFlags>();
    const isAsked = (format: string) =>
      argv.some(
        (word, i) => word === `--format=${format}` || (word === '--format' && argv[i + 1] === format),
      ) || process.env['DBPS_FORMAT'] === format;
    const format = isAsked('ndjson') ? 'ndjson' : argv.includes('--json') || isAsked('json') ? 'json' : null;
    await fail(
      self,
      {
        flags,
        command: program.commands.find((command) => command.name() === words[0])?.name() ?? '',
        destinations: format === null ? [] : [{ format, file: null }],
        hasColor:
          process.stderr.isTTY === true &&
          (process.env['NO_COLOR'] ?? '') === '' &&
          !argv.includes('--no-color'),
      },
      error instanceof CommanderError ? usageError(error, words) : error,
    );
  }
}

await main();
