/** File → text, for scripts/generate-docs.ts and the test that holds the committed files to it. */
import type { Command, Option } from 'commander';
import { z } from 'zod';
import { EXIT_CODES } from '../src/cli/exit-codes.js';
import { createProgram } from '../src/cli/program.js';
import { FileSchema } from '../src/config/config.js';
import { parseType, TYPE_RULES, type TypeRule } from '../src/engines/type-mapping.js';
import { ERROR_CODES, FINDING_CODES } from '../src/model/codes/index.js';
import { PHASES, TRANSITIONS } from '../src/model/phases.js';
import { explainMarkdown } from '../src/report/text/explain.js';
import { outputSchemas } from './output-schemas.js';

const MADE = '<!-- Made by npm run docs. Do not edit. -->';

export function renderedDocs(): Readonly<Record<string, string>> {
  const program = createProgram('0.0.0', () => async () => undefined);
  return {
    'docs/codes.md': codes(),
    'docs/cli.md': cliMarkdown(program),
    'docs/cli.json': `${JSON.stringify(cliJson(program), null, 2)}\n`,
    'docs/phases.md': phases(),
    'docs/types.md': types(),
    'schema/dbps.yaml.json': `${JSON.stringify(z.toJSONSchema(FileSchema, { io: 'input', unrepresentable: 'any' }), null, 2)}\n`,
    ...outputSchemas(),
  };
}

function types(): string {
  const table = (rules: readonly TypeRule[]) =>
    [
      '| type | becomes | what differs |',
      '| --- | --- | --- |',
      ...rules.map(({ from, to, loss }) => {
        const question = {
          type: parseType(''),
          userType: undefined,
          indexable: 768,
          longest: 4000,
          isReference: true,
        };
        const what = typeof loss === 'function' ? loss(question) : loss;
        return `| ${from} | ${to} | ${what ?? ''} |`;
      }),
    ].join('\n');
  return (
    [
      MADE,
      '# Types across engines',
      'A service may have its database on another engine than the shared one. This is what each type becomes; the first row that fits counts. `dbps plan` lists what a service of yours loses (TYP402) and what has no counterpart (TYP403). A value that the other side cannot hold is refused by name (DBPS_E360), never rounded, cut or replaced.',
      '## From PostgreSQL to MySQL and MariaDB',
      table(TYPE_RULES['postgres->mysql']),
      '## From MySQL and MariaDB to PostgreSQL',
      table(TYPE_RULES['mysql->postgres']),
    ].join('\n\n') + '\n'
  );
}

function codes(): string {
  const sorted = <T>(entries: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));
  return [
    MADE,
    '# Codes',
    'Every code that a report or an error prints. `dbps explain <code>` prints the same, offline.',
    '# Findings: facts about your database',
    explainMarkdown(sorted(FINDING_CODES)),
    '# Errors: what stopped dbps',
    explainMarkdown(sorted(ERROR_CODES)),
  ].join('\n\n');
}

interface CommandDoc {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly arguments: readonly {
    readonly name: string;
    readonly required: boolean;
    readonly variadic: boolean;
  }[];
  readonly options: readonly { readonly flags: string; readonly description: string }[];
  readonly commands: readonly CommandDoc[];
}

function cliJson(program: Command): unknown {
  return {
    options: visible(program.options).map(describeOption),
    exitCodes: EXIT_CODES,
    commands: program.commands.map((command) => describe(command)),
  };
}

function describe(command: Command, prefix = ''): CommandDoc {
  const name = `${prefix}${command.name()}`;
  return {
    name,
    summary: command.summary(),
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      required: argument.required,
      variadic: argument.variadic,
    })),
    options: visible(command.options).map(describeOption),
    commands: command.commands.map((child) => describe(child, `${name} `)),
  };
}

const visible = (options: readonly Option[]) => options.filter((option) => !option.hidden);
const describeOption = ({ flags, description }: Option) => ({ flags, description });

function cliMarkdown(program: Command): string {
  const sections: string[] = [
    MADE,
    '# Command line',
    'Options of the program, accepted before and after the command:',
    optionTable(visible(program.options).map(describeOption)),
    '## Exit codes',
    [
      '| code | meaning |',
      '| --- | --- |',
      ...EXIT_CODES.map(({ code, meaning }) => `| ${code} | ${meaning} |`),
    ].join('\n'),
    '## JSON',
    'Every command prints one object with `--format json`, on success and on failure: [envelope.json](../schema/envelope.json). Its `result` is described for each command in `schema/<command>.json` (`dbps/schema/migrate-advance.json` in the package), a line of `--format ndjson` in [ndjson.json](../schema/ndjson.json). Minor versions add fields, major versions break.',
  ];
  const add = (doc: CommandDoc) => {
    const usage = doc.arguments.map(({ name, required, variadic }) => {
      const text = variadic ? `${name}...` : name;
      return required ? `<${text}>` : `[${text}]`;
    });
    sections.push(`## dbps ${[doc.name, ...usage].join(' ')}`, doc.description);
    if (doc.options.length > 0) sections.push(optionTable(doc.options));
    doc.commands.forEach(add);
  };
  program.commands.map((command) => describe(command)).forEach(add);
  return `${sections.join('\n\n')}\n`;
}

function optionTable(options: readonly { readonly flags: string; readonly description: string }[]): string {
  return [
    '| option | |',
    '| --- | --- |',
    ...options.map(
      ({ flags, description }) =>
        `| \`${flags.replaceAll('|', '\\|')}\` | ${description.replaceAll('|', '\\|')} |`,
    ),
  ].join('\n');
}

function phases(): string {
  const rows = TRANSITIONS.map(
    (transition) =>
      `| ${transition.from} → ${transition.to} | ${transition.summary} | ${transition.guards.join(', ') || 'none'} | ${transition.steps.join(', ')} | ${transition.confirmation} |`,
  );
  return [
    MADE,
    '# Phases',
    `A service goes through: ${PHASES.join(' → ')}. What each transition asks first (guards) and does (steps):`,
    ['| transition | | guards | steps | |', '| --- | --- | --- | --- | --- |', ...rows].join('\n'),
    '',
  ].join('\n\n');
}
