/**
 * From a URL, or from its parts, to a connection target. A URL is taken apart here rather than by `new URL`: a password with an
 * unencoded `#`, `/`, `?` or `@` otherwise becomes part of a host name, and the error of whoever looks that host up shows it.
 */
import { exec } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { ConnectionTarget, type ConnectionParts } from '../model/connection-target.js';
import type { EngineName } from '../model/database-schema.js';
import { DatabaseError } from '../model/errors.js';

/** Never holds a secret: `got` is redacted. */
export class ConnectionUrlError extends Error {
  constructor(
    message: string,
    readonly got: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

const SCHEMES: Readonly<Record<string, EngineName>> = {
  postgres: 'postgres',
  postgresql: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
};
const DEFAULT_PORT: Readonly<Record<EngineName, number>> = { postgres: 5432, mysql: 3306 };
/** Parameters that are about TLS or repeat a part of the URL: read here, not handed to the driver. */
const OWN_PARAMETERS = ['sslmode', 'ssl-mode', 'sslrootcert', 'sslcert', 'sslkey', 'ssl'];

/** `scheme://user:***@host/database`, from text that may not be a URL at all: nothing before the last @ is shown but the user. */
export function redactUrl(text: string): string {
  const scheme = /^([a-z][a-z0-9+]*):\/\//i.exec(text)?.[1];
  if (scheme === undefined) return '***';
  const rest = text.slice(scheme.length + 3);
  const at = rest.lastIndexOf('@');
  if (at < 0) return `${scheme}://***`;
  const user = /^[\w.-]*/.exec(rest)?.[0] ?? '';
  const after = rest.slice(at + 1);
  return `${scheme}://${user}:***@${after.replace(/[?#].*$/s, '')}`;
}

interface UrlPieces {
  readonly engine: EngineName;
  readonly user: string;
  readonly password: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** @throws ConnectionUrlError */
export function parseConnectionUrl(text: string): UrlPieces {
  const got = redactUrl(text);
  const fail = (message: string, hint: string): never => {
    throw new ConnectionUrlError(message, got, hint);
  };
  const match = /^([a-z][a-z0-9+]*):\/\/([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/is.exec(text.trim());
  const engine = SCHEMES[(match?.[1] ?? '').toLowerCase()];
  if (match === null || engine === undefined)
    return fail('is not a valid connection URL', 'write postgres://user@host:5432/database, or mysql://…');
  const [, , authority = '', pathname = '', query = '', fragment] = match;
  const at = authority.lastIndexOf('@');
  const credentials = at < 0 ? '' : authority.slice(0, at);
  const server = authority.slice(at + 1);

  // What follows a stray character looks like a path, a query or a fragment that holds the rest of the credentials.
  const stray =
    fragment !== undefined
      ? '#'
      : query.includes('@')
        ? '?'
        : pathname.includes('@') || pathname.slice(1).includes('/')
          ? '/'
          : undefined;
  if (stray !== undefined) return fail('is not a valid connection URL', unencoded(stray));

  const address = /^(\[[0-9a-f:.%]+\]|[^:[\]]*)(?::(\d{1,5}))?$/i.exec(server);
  if (address === null)
    return fail('is not a valid connection URL', 'the host and port after the last "@" are not readable');
  const port = address[2] === undefined ? DEFAULT_PORT[engine] : Number(address[2]);
  if (port < 1 || port > 65_535)
    return fail('is not a valid connection URL', 'a port is between 1 and 65535');

  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      return fail('is not a valid connection URL', unencoded('%'));
    }
  };
  const colon = credentials.indexOf(':');
  const user = decode(colon < 0 ? credentials : credentials.slice(0, colon));
  const password = colon < 0 ? undefined : decode(credentials.slice(colon + 1));
  return {
    engine,
    user,
    password,
    host: (address[1] as string).replace(/^\[|\]$/g, '') || 'localhost',
    port,
    database: decode(pathname.slice(1)),
    parameters: Object.fromEntries(new URLSearchParams(query.slice(1))),
  };
}

function unencoded(character: string): string {
  return `the password has an unencoded "${character}". Write \${DB_PASSWORD|urlencode}, or give host, user and password as separate keys`;
}

export interface ConnectionInput {
  readonly engine?: EngineName | undefined;
  readonly url?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | number | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly passwordCommand?: string | undefined;
  readonly database?: string | undefined;
  readonly tls?:
    | boolean
    | {
        ca?: string | undefined;
        cert?: string | undefined;
        key?: string | undefined;
        verify?: boolean | undefined;
      }
    | undefined;
  /** Where relative certificate paths start and the command runs. */
  readonly directory: string;
}

/** Parts given beside a URL win over the URL's own. @throws ConnectionUrlError */
export function connectionTarget(input: ConnectionInput): ConnectionTarget {
  const pieces = input.url === undefined ? undefined : parseConnectionUrl(input.url);
  const engine = pieces?.engine ?? input.engine ?? 'postgres';
  const got =
    input.url === undefined
      ? `${engine}://${input.user ?? ''}:***@${input.host ?? ''}`
      : redactUrl(input.url);
  if (pieces !== undefined && input.engine !== undefined && pieces.engine !== input.engine)
    throw new ConnectionUrlError(
      `is a ${pieces.engine} URL, but engine is ${input.engine}`,
      got,
      `set engine: ${pieces.engine}, or correct the URL`,
    );
  const host = input.host ?? pieces?.host;
  const database = input.database ?? pieces?.database;
  if (host === undefined)
    throw new ConnectionUrlError(
      'has neither url nor host',
      got,
      'give url, or host, user, password and database',
    );
  if (database === undefined || database === '')
    throw new ConnectionUrlError(
      'names no database',
      got,
      'write it after the host: postgres://user@host:5432/database',
    );
  const user = input.user ?? pieces?.user;
  if (user === undefined || user === '')
    throw new ConnectionUrlError(
      'names no user',
      got,
      'write it before the host: postgres://user@host:5432/database',
    );
  const port = Number(input.port ?? pieces?.port ?? DEFAULT_PORT[engine]);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new ConnectionUrlError('has no valid port', got, 'a port is a number between 1 and 65535');
  const parameters = Object.fromEntries(
    Object.entries(pieces?.parameters ?? {}).filter(([name]) => !OWN_PARAMETERS.includes(name)),
  );
  return new ConnectionTarget({
    engine,
    host,
    port,
    user,
    database,
    parameters,
    tls: readTls(input, pieces?.parameters ?? {}, got),
    password: passwordSource(input, pieces?.password),
  });
}

function passwordSource(
  input: ConnectionInput,
  fromUrl: string | undefined,
): () => Promise<string | undefined> {
  const { passwordCommand, directory } = input;
  if (passwordCommand === undefined) {
    const password = input.password ?? fromUrl;
    return async () => password;
  }
  return async () => {
    try {
      const { stdout } = await promisify(exec)(passwordCommand, { cwd: directory, timeout: 30_000 });
      return stdout.replace(/\r?\n$/, '');
    } catch (error) {
      // Neither its output nor the driver's view of it: both may hold the secret.
      const { code, killed } = error as { code?: number | string; killed?: boolean };
      throw new DatabaseError({
        code: 'DBPS_E403',
        message: `passwordCommand ${killed === true ? 'took longer than 30 s' : `ended with ${String(code ?? 'an error')}`}`,
        hint: 'run the command by hand as this user; it must print the password and nothing else',
      });
    }
  };
}

function readTls(
  input: ConnectionInput,
  parameters: Readonly<Record<string, string>>,
  got: string,
): ConnectionParts['tls'] {
  const mode = (parameters['sslmode'] ?? parameters['ssl-mode'] ?? parameters['ssl'])
    ?.toLowerCase()
    .replaceAll('_', '-');
  const given = input.tls;
  if (given === false) return false;
  const isOff =
    mode === undefined ||
    ['disable', 'disabled', 'allow', 'prefer', 'preferred', 'false', '0'].includes(mode);
  if (given === undefined && isOff) return false;
  const files = typeof given === 'object' ? given : {};
  const read = (file: string | undefined): string | undefined => {
    if (file === undefined) return undefined;
    try {
      return fs.readFileSync(path.resolve(input.directory, file), 'utf8');
    } catch (error) {
      throw new ConnectionUrlError(
        `cannot read the certificate file ${file}: ${(error as NodeJS.ErrnoException).code ?? 'error'}`,
        got,
        'tls.ca, tls.cert and tls.key are paths of PEM files, relative to dbps.yaml',
      );
    }
  };
  const ca = read(files.ca ?? parameters['sslrootcert']);
  const cert = read(files.cert ?? parameters['sslcert']);
  const key = read(files.key ?? parameters['sslkey']);
  // As in libpq: `require` encrypts, `verify-*` also checks who answers; `tls: true` checks.
  const verify =
    (typeof given === 'object' ? given.verify : given) ??
    (mode?.startsWith('verify') === true || mode === 'true');
  return {
    verify,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}
