/** The command tree. Declarations only: what a command needs is imported when it runs, so that --help answers at once. */
import { Command, CommanderError } from 'commander';
import { addDemo } from './commands/demo.js';
import { addPlan } from './commands/plan.js';
import { addVerify } from './commands/verify.js';
import { addMigrate } from './commands/migrate.js';
import { addRollback } from './commands/rollback.js';
import { addRun } from './commands/run.js';
import { addStatus } from './commands/status.js';
import { addAnalyze } from './commands/analyze.js';
import { addGenerate } from './commands/generate.js';
import { addDoctor } from './commands/doctor.js';
import { addInit } from './commands/init.js';
import { addLint } from './commands/lint.js';
import { addExplain } from './commands/explain.js';
import { EXIT_CODES } from './exit-codes.js';
import type { Bind } from './runner.js';

export interface ProgramOutput {
  readonly writeOut: (text: string) => void;
}

export function createProgram(version: string, bind: Bind, output?: ProgramOutput): Command {
  const program = new Command('dbps');
  // Set before the commands are added, which inherit it: commander alone would exit 1 for a usage error.
  program.exitOverride();
  program.configureOutput({
    ...(output !== undefined && { writeOut: (text) => output.writeOut(text) }),
    // Errors are printed by the runner, in one form with all others.
    writeErr: () => undefined,
  });
  program
    .description('Takes a shared PostgreSQL or MySQL database apart into one database per service.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .option('-c, --config <file>', 'dbps.yaml to use (DBPS_CONFIG)')
    .option('--env-file <file>', 'read variables from this file instead of .env')
    .option('--no-env-file', 'read no .env')
    .option('--format <format>', 'text, json, …; repeat as format=file for several (DBPS_FORMAT)', collect)
    .option('--json', 'the same as --format json')
    .option('-o, --output <file>', 'write the result to this file')
    .option('-q, --quiet', 'errors and the exit code only (DBPS_QUIET)')
    .option('-v, --verbose', 'say more: statements, which files were read (DBPS_LOG=debug)')
    .option('--debug', 'show stacks (DBPS_DEBUG)')
    .option('-y, --yes', 'answer yes to confirmations of what can be taken back')
    .option('--no-input', 'never ask (DBPS_NO_INPUT, CI)')
    .option('--no-color', 'no colour (NO_COLOR, FORCE_COLOR)')
    .option(
      '--lock-timeout <time>',
      'wait this long for another runner (DBPS_LOCK_TIMEOUT); default: fail at once',
    )
    .showSuggestionAfterError(true)
    .addHelpText(
      'after',
      '\nA first look, without dbps.yaml:\n  $ dbps analyze --url postgres://user@host:5432/shop\n\nMore:  dbps help environment | exit-codes | formats',
    );
  program.configureHelp({ showGlobalOptions: true });
  for (const add of [
    addInit,
    addDoctor,
    addAnalyze,
    addPlan,
    addGenerate,
    addMigrate,
    addRun,
    addStatus,
    addVerify,
    addRollback,
    addLint,
    addExplain,
    addDemo,
  ])
    add(program, bind);
  addTopics(program, output);
  return program;
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

const TOPICS: Readonly<Record<string, string>> = {
  environment: `Environment variables

  DBPS_CONFIG        the dbps.yaml to use
  DBPS_FORMAT        default of --format
  DBPS_QUIET         as --quiet
  DBPS_LOG=debug     as --verbose
  DBPS_DEBUG         as --debug
  DBPS_NO_INPUT, CI  never ask
  DBPS_LOCK_TIMEOUT  default of --lock-timeout
  NO_COLOR           no colour;  FORCE_COLOR: colour even into a file
  GITHUB_STEP_SUMMARY  with --format github: the whole report as Markdown is appended there
  
What dbps.yaml names as \${VAR} comes from the environment, or from .env beside it;
the environment wins. --yes and --confirm have no variable, on purpose.
`,
  'exit-codes': `Exit codes

${EXIT_CODES.map(({ code, meaning }) => `  ${String(code).padEnd(4)} ${meaning}`).join('\n')}
`,
  formats: `Formats

  text      for people; the same on a terminal and in a file
  json      one object: {dbps, format, command, ok, result, findings[], error, nextSteps[]},
            on failure too; its JSON Schemas are in the package under schema/
  ndjson    long commands: one event a line, the last with the whole result
  markdown  for summaries and pull requests
  sarif     for code scanning;  junit: for test reports;  github: annotations
  mermaid, html   the graph of services

Several at once: --format text --format sarif=dbps.sarif
`,
};

function addTopics(program: Command, output: ProgramOutput | undefined): void {
  program.helpCommand(false);
  program
    .command('help')
    .summary('help for a command or a topic')
    .description('Shows help for a command, or for one of the topics environment, exit-codes, formats.')
    .argument('[command...]', 'a command or a topic')
    .addHelpText('after', '\nExample:\n  $ dbps help exit-codes')
    .action((words: readonly string[]) => {
      const [first] = words;
      const topic = first === undefined ? undefined : TOPICS[first];
      if (topic !== undefined) {
        output?.writeOut(topic);
        return;
      }
      let command = program;
      for (const word of words) {
        const next = command.commands.find((candidate) => candidate.name() === word);
        if (next === undefined)
          throw new CommanderError(2, 'commander.unknownCommand', `error: unknown command '${word}'`);
        command = next;
      }
      command.outputHelp();
    });
}
