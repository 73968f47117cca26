/**
 * Holds what a command printed to the schemas that the package ships: every run of the end-to-end tests passes here. Stricter than
 * the schemas themselves: a field that they do not know is an error too, so that nothing is printed that the types do not tell.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { commandLineProblem } from './command-lines.js';
import { ADMIN } from './global-setup.js';

const FOLDER = path.resolve(import.meta.dirname, '../../schema');
const ajv = new Ajv2020({ strict: false, allErrors: true });
const compiled = new Map<string, ValidateFunction>();

/** @throws with what is wrong and what was printed. */
export function checkPrinted(format: 'json' | 'ndjson', text: string): void {
  if (format === 'json') return checkEnvelope(JSON.parse(text));
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly type: string; readonly envelope?: unknown });
  for (const line of lines) check('ndjson.json', line);
  const ends = lines.filter(({ type }) => type === 'end');
  if (ends.length !== 1 || lines.at(-1) !== ends[0])
    throw new Error(`not exactly one end, at the end:\n${text}`);
  if (lines.filter(({ type }) => type === 'start').length > 1) throw new Error(`two starts:\n${text}`);
  checkEnvelope(ends[0]?.envelope);
}

function checkEnvelope(envelope: unknown): void {
  check('envelope.json', envelope);
  const { command } = envelope as { readonly command: string };
  const file = `${command.replaceAll(' ', '-')}.json`;
  // A command that does not exist has no result either.
  if (fs.existsSync(path.join(FOLDER, file))) check(file, envelope);
}

function check(file: string, value: unknown): void {
  let validate = compiled.get(file);
  if (validate === undefined) {
    const schema = JSON.parse(fs.readFileSync(path.join(FOLDER, file), 'utf8')) as object;
    compiled.set(file, (validate = ajv.compile(closed(schema) as object)));
  }
  if (validate(value)) return;
  const errors = (validate.errors ?? [])
    .slice(0, 8)
    .map(
      ({ instancePath, message, params }) => `  ${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
    );
  throw new Error(`not what ${file} says:\n${errors.join('\n')}\n${JSON.stringify(value).slice(0, 2000)}`);
}

/** No field but those that are named. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, closed(part)]));
  return 'properties' in copy && copy['type'] === 'object' && !('additionalProperties' in copy)
    ? { ...copy, additionalProperties: false }
    : copy;
}

/** Where JSON goes, by the arguments and the environment: null for stdout. */
export function jsonDestinations(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): readonly { readonly format: 'json' | 'ndjson'; readonly file: string | null }[] {
  const asked = args.flatMap((arg, i) =>
    arg === '--format'
      ? [args[i + 1] ?? '']
      : arg.startsWith('--format=')
        ? [arg.slice('--format='.length)]
        : [],
  );
  if (args.includes('--json')) asked.push('json');
  if (asked.length === 0) asked.push(env['DBPS_FORMAT'] ?? 'text');
  const output = args.indexOf('-o') >= 0 ? args[args.indexOf('-o') + 1] : args[args.indexOf('--output') + 1];
  const everywhere = args.includes('-o') || args.includes('--output') ? (output ?? null) : null;
  return asked.flatMap((text) => {
    const [format = '', file] = text.split(/=(.*)/s);
    return format === 'json' || format === 'ndjson' ? [{ format, file: file ?? everywhere }] : [];
  });
}

/** What may never be printed or written: the password that the tests' role has, in every form that it could travel in, and parts of it. */
export const SECRETS: readonly string[] = [
  ADMIN.password,
  encodeURIComponent(ADMIN.password),
  encodeURI(ADMIN.password),
  Buffer.from(ADMIN.password).toString('base64'),
  'p#ss',
  'p%23ss',
  'w?rd',
  'w%3Frd',
];

export function secretIn(text: string): string | null {
  return SECRETS.find((secret) => text.includes(secret)) ?? null;
}

/** Every `Next` line, and every next step of an envelope, is a command that the parser takes. */
export async function checkNextSteps(stdout: string): Promise<void> {
  const lines = [...stdout.matchAll(/^Next {2}(.*)$/gm)].map(([, line]) => line ?? '');
  if (stdout.startsWith('{')) {
    const last = stdout.trimStart().startsWith('{"') ? (stdout.trimEnd().split('\n').at(-1) ?? '') : stdout;
    const parsed = JSON.parse(last) as { nextSteps?: string[]; envelope?: { nextSteps: string[] } };
    lines.push(...(parsed.nextSteps ?? parsed.envelope?.nextSteps ?? []));
  }
  for (const line of lines) {
    const problem = await commandLineProblem(line);
    if (problem !== null) throw new Error(`"${line}" does not work when pasted: ${problem}`);
  }
}
