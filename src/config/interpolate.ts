/**
 * `${VAR}` is required: unset or empty is an error that names it. `${VAR:-default}`, `${VAR|urlencode}` for use inside a URL,
 * `${file:/run/secrets/x}` (its trailing newline trimmed), `$$` for a dollar. Replaced in values after the YAML was read, so a
 * value can never change the shape of the file.
 */
import fs from 'node:fs';
import path from 'node:path';

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Where relative `${file:…}` start. */
  readonly directory: string;
}

/** Says what is wrong without ever holding a value. */
export class InterpolationError extends Error {
  constructor(
    message: string,
    readonly hint: string,
    readonly variable?: string,
  ) {
    super(message);
  }
}

const PATTERN = /\$\$|\$\{([^}]*)\}?/g;

export function interpolate(text: string, environment: Environment): string {
  return text.replaceAll(PATTERN, (whole, body: string | undefined) => {
    if (whole === '$$') return '$';
    if (body === undefined || !whole.endsWith('}'))
      throw new InterpolationError('"${" is not closed', 'write ${VAR}, or $$ for a dollar');
    return expand(body, environment);
  });
}

function expand(body: string, environment: Environment): string {
  const [expression, ...filters] = splitFilters(body);
  let value = valueOf(expression, environment);
  for (const filter of filters) {
    if (filter !== 'urlencode')
      throw new InterpolationError(
        `"\${${body}}" has an unknown filter "${filter}"`,
        'the only filter is urlencode',
      );
    value = encodeURIComponent(value);
  }
  return value;
}

/** The filter comes last: a default may hold a `|` only before it, `${A:-x|urlencode}` encodes the default too. */
function splitFilters(body: string): [string, ...string[]] {
  const match = /^(.*?)\|\s*([a-z]+)\s*$/s.exec(body);
  return match === null ? [body] : [match[1] as string, match[2] as string];
}

function valueOf(expression: string, environment: Environment): string {
  const file = /^file:(.+)$/s.exec(expression)?.[1];
  if (file !== undefined) return readSecret(file.trim(), environment.directory);
  const match = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?::-(.*))?$/s.exec(expression);
  if (match === null)
    throw new InterpolationError(
      `"\${${expression}}" is not a variable`,
      'write ${VAR}, ${VAR:-default}, ${VAR|urlencode} or ${file:/path}',
    );
  const name = match[1] as string;
  const value = environment.variables[name];
  if (value !== undefined && value !== '') return value;
  if (match[2] !== undefined) return match[2];
  throw new InterpolationError(
    `the variable ${name} is ${value === undefined ? 'not set' : 'empty'}`,
    `set ${name} in the environment or in .env beside dbps.yaml, or write \${${name}:-default}`,
    name,
  );
}

function readSecret(file: string, directory: string): string {
  const full = path.resolve(directory, file);
  try {
    return fs.readFileSync(full, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new InterpolationError(
      `cannot read ${full}: ${(error as NodeJS.ErrnoException).code ?? 'error'}`,
      'check that the file exists and that this user may read it',
    );
  }
}
