/** Command lines that dbps prints for people to paste: read by its own parser, and found inside sentences. */
import { CommanderError, type Command, type Option } from 'commander';
import { createProgram } from '../../src/cli/program.js';
import { PHASES } from '../../src/model/phases.js';

const quiet = () => createProgram('0.0.0', () => async () => undefined);

/** @returns what is wrong with a line that is to be pasted as it is; null: the parser takes it. */
export async function commandLineProblem(line: string): Promise<string | null> {
  const words = shellWords(line);
  if (words === null) return 'a quote is not closed';
  if (words[0] !== 'dbps') return 'it does not begin with dbps';
  if (words.some((word) => /^<.*>$|…/.test(word))) return 'it has a placeholder';
  const to = words[words.indexOf('--to') + 1];
  if (words.includes('--to') && !(PHASES as readonly string[]).includes(to ?? '')) return `${to} is no phase`;
  try {
    await quiet().parseAsync(words.slice(1), { from: 'user' });
    return null;
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
}

function shellWords(line: string): readonly string[] | null {
  const words = [...line.matchAll(/'((?:[^']|'\\'')*)'|"([^"]*)"|([^\s'"]+)/g)].map(
    ([, single, double, plain]) => single?.replaceAll("'\\''", "'") ?? double ?? plain ?? '',
  );
  return /^(?:[^'"]|'[^']*'|"[^"]*")*$/.test(line) ? words : null;
}

const program = quiet();
const PLACEHOLDER = /^(<[\w .-]+>|'.+'|[A-Z]{3}\d{3}|DBPS_E\d{3}|[\w./-]+\.(json|sql|yaml|html))$/;

/**
 * Commands inside a sentence: `dbps plan diff shows what changed` is `dbps plan diff`. Words count as arguments only when they look like
 * one (a placeholder, a file, a code, or what `isName` accepts); flags always count.
 * @returns each command, and what is wrong with it.
 */
export function commandsIn(
  text: string,
  isName: (word: string) => boolean,
): readonly { readonly line: string; readonly problem: string | null }[] {
  return [...text.matchAll(/(?<![\w./-])dbps ((?:[^\n`]|<[^>]*>)*)/g)].flatMap(([, rest = '']) => {
    const found = readCommand(words(rest), isName);
    return found === null ? [] : [found, ...commandsIn(rest, isName)];
  });
}

function words(text: string): readonly string[] {
  return text.match(/<[^>]*>[^\s]*|'[^']*'|\S+/g) ?? [];
}

function readCommand(
  given: readonly string[],
  isName: (word: string) => boolean,
): { readonly line: string; readonly problem: string | null } | null {
  let command: Command = program;
  const taken: string[] = [];
  const left = [...given];
  let hasEnded = false;
  const next = (): string | undefined => {
    const word = left[0];
    if (word === undefined || hasEnded) return undefined;
    // Punctuation ends the command with this word.
    const bare = word.replace(/[.,;:)?!]+$/, '');
    hasEnded = bare !== word;
    return bare;
  };
  const take = (word: string) => {
    taken.push(word);
    left.shift();
  };
  for (;;) {
    const before = hasEnded;
    const word = next();
    const child = command.commands.find((candidate) => candidate.name() === word);
    if (child === undefined) {
      hasEnded = before;
      break;
    }
    take(child.name());
    command = child;
  }
  if (command === program) return null;
  const options = [...command.options, ...program.options];
  let positionals = 0;
  let problem: string | null = null;
  for (;;) {
    const word = next();
    if (word === undefined) break;
    if (word.startsWith('-')) {
      const [flag = '', value] = word.split(/=(.*)/s);
      const option = options.find((candidate) => candidate.long === flag || candidate.short === flag);
      if (option === undefined) problem ??= `${command.name()} has no ${flag}`;
      take(word);
      if (option !== undefined && takesValue(option) && value === undefined) {
        const argument = next();
        if (argument === undefined) problem ??= `${flag} needs a value`;
        else take(argument);
      }
    } else if (PLACEHOLDER.test(word) || isName(word)) {
      take(word);
      positionals++;
    } else break;
  }
  const line = `dbps ${taken.join(' ')}`;
  const required = command.registeredArguments.filter((argument) => argument.required).length;
  const isGroup = command.commands.length > 0 && command.name() === 'migrate';
  if (positionals < required) problem ??= 'an argument is missing';
  if (isGroup) problem ??= 'it is no command by itself';
  return { line, problem };
}

const takesValue = (option: Option) => option.required || option.optional;
