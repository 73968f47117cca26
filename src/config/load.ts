/** dbps.yaml → Config: found, read, checked, every name resolved. Connections stay closed until somebody asks for one. */
import fs from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import type { z } from 'zod';
import type { ConnectionTarget } from '../model/connection-target.js';
import { ConfigError } from '../model/errors.js';
import type { Finding } from '../model/finding.js';
import { parseRelationId, relationId } from '../model/relation-id.js';
import {
  FileSchema,
  type Config,
  type ConfigFile,
  type HookConfig,
  type LocatedRelation,
  type MigrationConfig,
  type ReferenceConfig,
} from './config.js';
import { ConnectionUrlError, connectionTarget } from './connection.js';
import { YamlFile, type Problem, type YamlPath } from './document.js';
import { findConfig, type FindOptions } from './find.js';
import { interpolate, InterpolationError, type Environment } from './interpolate.js';
import { didYouMean } from './suggest.js';

export interface LoadOptions extends FindOptions {
  /** false: read none; undefined: `.env` beside the file, if there is one. */
  readonly envFile?: string | false | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Every file that was read, for --verbose and doctor. */
  readonly filesRead: readonly string[];
}

/** @throws ConfigError; E202 when there is no file at all. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const file = findConfig(options);
  if (file === null)
    throw new ConfigError({
      code: 'DBPS_E202',
      message: `no dbps.yaml in ${path.resolve(options.cwd)} or above it`,
      hint: 'dbps init',
    });
  const { variables, envFile } = environmentFor(file, options);
  const config = parseConfig(file, readText(file), variables);
  return { config, filesRead: envFile === null ? [file] : [file, envFile] };
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError({
      code: 'DBPS_E202',
      message: `cannot read ${file}: ${(cause as NodeJS.ErrnoException).code ?? 'error'}`,
      hint: 'it must be a file that you may read',
      cause,
    });
  }
}

/** The real environment wins over `.env`. */
export function environmentFor(
  file: string,
  options: LoadOptions,
): { readonly variables: Readonly<Record<string, string | undefined>>; readonly envFile: string | null } {
  if (options.envFile === false) return { variables: options.env, envFile: null };
  const envFile =
    options.envFile === undefined
      ? path.join(path.dirname(file), '.env')
      : path.resolve(options.cwd, options.envFile);
  if (!fs.existsSync(envFile)) {
    if (options.envFile === undefined) return { variables: options.env, envFile: null };
    throw new ConfigError({
      code: 'DBPS_E201',
      message: `there is no ${envFile}`,
      hint: 'it is named by --env-file',
    });
  }
  return { variables: { ...parseEnv(fs.readFileSync(envFile, 'utf8')), ...options.env }, envFile };
}

/** Only these values may hold secrets; they are replaced when a connection is asked for, not before. */
function isDeferred(at: YamlPath): boolean {
  if (at[0] === 'source') return !['engine', 'schemas', 'exclude'].includes(String(at[1]));
  if (at[0] === 'services') return at[2] === 'target' && !['engine', 'schema'].includes(String(at[3]));
  return at.join('.') === 'migration.hooks.route.url';
}

export function parseConfig(
  file: string,
  text: string,
  variables: Readonly<Record<string, string | undefined>>,
): Config {
  const yaml = new YamlFile(file, text);
  throwProblems(yaml, yaml.problems);
  const environment: Environment = { variables, directory: path.dirname(file) };
  const raw = yaml.value();
  throwProblems(yaml, replaceVariables(yaml, raw, environment));
  const parsed = FileSchema.safeParse(raw);
  if (!parsed.success)
    throwProblems(
      yaml,
      withoutEchoes(parsed.error.issues).flatMap((issue) => problemsOf(yaml, issue)),
    );
  return new Resolver(yaml, parsed.data as ConfigFile, environment).config();
}

function replaceVariables(yaml: YamlFile, raw: unknown, environment: Environment): Problem[] {
  const problems: Problem[] = [];
  for (const { path: at, text } of yaml.strings()) {
    if (!text.includes('$') || isDeferred(at)) continue;
    try {
      setIn(raw, at, interpolate(text, environment));
    } catch (error) {
      if (!(error instanceof InterpolationError)) throw error;
      problems.push({ message: error.message, hint: error.hint, location: yaml.locate(at) });
    }
  }
  return problems;
}

function setIn(root: unknown, at: YamlPath, value: string): void {
  let node = root as Record<string | number, unknown>;
  for (const key of at.slice(0, -1)) node = node[key] as Record<string | number, unknown>;
  node[at.at(-1) as string | number] = value;
}

/** Unknown keys first; a key that is missing because it was misspelt is told once, as the misspelling. */
function withoutEchoes(issues: readonly z.core.$ZodIssue[]): readonly z.core.$ZodIssue[] {
  const meant = new Set(
    issues.flatMap((issue) => {
      if (issue.code !== 'unrecognized_keys') return [];
      const at = issue.path as (string | number)[];
      return issue.keys.map((key) => [...at, didYouMean(key, knownKeys(at)) ?? ''].join('.'));
    }),
  );
  const isUnknown = ({ code }: z.core.$ZodIssue) => (code === 'unrecognized_keys' ? 0 : 1);
  return issues
    .filter((issue) => !(isMissing(issue) && meant.has(issue.path.join('.'))))
    .toSorted((a, b) => isUnknown(a) - isUnknown(b));
}

const isMissing = (issue: z.core.$ZodIssue) =>
  issue.code === 'invalid_type' && issue.message.endsWith('received undefined');

function problemsOf(yaml: YamlFile, issue: z.core.$ZodIssue): Problem[] {
  const at = issue.path as (string | number)[];
  const where = at.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(at);
    return issue.keys.map((key) => {
      const meant = didYouMean(key, known);
      return {
        message: `unknown key "${key}"${where === '' ? '' : ` in ${where}`}${meant === undefined ? '' : `. Did you mean "${meant}"?`}`,
        location: yaml.locateKey([...at, key]),
        ...(meant === undefined && known.length > 0 && { hint: `known here: ${known.join(', ')}` }),
      };
    });
  }
  if (issue.code === 'invalid_key')
    return [
      { message: `${where}: ${issue.issues[0]?.message ?? issue.message}`, location: yaml.locateKey(at) },
    ];
  return [
    {
      message: where === '' ? issue.message : `${where}: ${isMissing(issue) ? 'is required' : issue.message}`,
      location: yaml.locate(at),
    },
  ];
}

/** Keys that the schema knows at a path, by walking it. */
function knownKeys(at: readonly (string | number)[]): string[] {
  let nodes: unknown[] = [FileSchema];
  for (const key of [...at, undefined]) {
    nodes = nodes.flatMap(unwrap);
    if (key === undefined) break;
    nodes = nodes.flatMap((node) => {
      const { def } = node as {
        def: { type: string; shape?: Record<string, unknown>; valueType?: unknown; element?: unknown };
      };
      if (def.type === 'object') return def.shape?.[key] === undefined ? [] : [def.shape[key]];
      return def.type === 'record' ? [def.valueType] : def.type === 'array' ? [def.element] : [];
    });
  }
  return nodes.flatMap((node) => Object.keys((node as { def: { shape?: object } }).def.shape ?? {}));
}

function unwrap(node: unknown): unknown[] {
  const { def } = node as { def: { innerType?: unknown; options?: unknown[] } };
  if (def.innerType !== undefined) return unwrap(def.innerType);
  return def.options === undefined ? [node] : def.options.flatMap(unwrap);
}

function throwProblems(yaml: YamlFile, problems: readonly Problem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  if (problems.length === 1)
    throw new ConfigError({
      code: 'DBPS_E203',
      message: first.message,
      ...(first.hint !== undefined && { hint: first.hint }),
      location: { ...first.location, frame: yaml.frame(first.location) },
    });
  const frames = problems.map(
    ({ message, location }) =>
      `line ${location.line}:${location.column}  ${message}\n${yaml.frame(location)}`,
  );
  throw new ConfigError({
    code: 'DBPS_E203',
    message: `${problems.length} problems, the first: ${first.message}`,
    ...(first.hint !== undefined && { hint: first.hint }),
    location: { ...first.location, frame: frames.join('\n') },
  });
}

class Resolver {
  readonly #defaultSchema: string;

  constructor(
    private readonly yaml: YamlFile,
    private readonly file: ConfigFile,
    private readonly environment: Environment,
  ) {
    this.#defaultSchema = file.source.schemas?.[0] ?? this.#implicitSchema();
  }

  config(): Config {
    const { file, yaml } = this;
    return {
      file: yaml.file,
      directory: this.environment.directory,
      source: {
        engine: file.source.engine,
        location: yaml.locateKey(['source']),
        target: () => this.#target(['source'], file.source, file.source.engine),
        schemas: file.source.schemas,
        defaultSchema: this.#defaultSchema,
        exclude: file.source.exclude,
      },
      services: Object.entries(file.services).map(([name, service]) => {
        const { target } = service;
        const engine = target?.engine ?? file.source.engine;
        return {
          name,
          location: yaml.locateKey(['services', name]),
          relations: this.#relations(['services', name, 'relations'], service.relations),
          target:
            target === undefined
              ? null
              : {
                  engine,
                  location: yaml.locateKey(['services', name, 'target']),
                  target: () => this.#target(['services', name, 'target'], target, engine),
                  schema: target.schema ?? null,
                },
        };
      }),
      shared: file.shared.map((shared, index) => ({
        relations: this.#relations(['shared', index, 'relations'], shared.relations),
        owner: shared.owner ?? null,
        readers: shared.readers,
        location: yaml.locate(['shared', index]),
      })),
      references: file.references.map((reference, index) => this.#reference(reference, index)),
      together: file.together.map((group, index) => this.#relations(['together', index], group)),
      apart: file.apart.map(
        (pair, index) =>
          this.#relations(['apart', index], pair) as unknown as readonly [LocatedRelation, LocatedRelation],
      ),
      analysis: {
        pool: file.analysis.pool ?? null,
        maxConnections: file.analysis.maxConnections ?? null,
      },
      migration: this.#migration(),
      suppress: file.suppress.map((entry, index) => ({
        code: entry.code,
        subject: entry.subject,
        reason: entry.reason,
        until: entry.until,
        location: yaml.locate(['suppress', index]),
      })),
      warnings: this.#warnings(),
    };
  }

  /** MySQL calls a database a schema; its name is in the URL. */
  #implicitSchema(): string {
    if (this.file.source.engine === 'postgres') return 'public';
    return this.#target(['source'], this.file.source, 'mysql').database;
  }

  #relations(at: YamlPath, names: readonly string[]): readonly LocatedRelation[] {
    return names.map((name, index) => ({
      id: this.#relation(name),
      location: this.yaml.locate([...at, index]),
    }));
  }

  #relation(name: string): string {
    const { schema, name: relation } = parseRelationId(name, this.#defaultSchema);
    return relationId(schema, relation);
  }

  #reference(reference: ConfigFile['references'][number], index: number): ReferenceConfig {
    const child = this.#columns(['references', index, 'from'], reference.from);
    const parent = this.#columns(['references', index, 'to'], reference.to);
    if (child.columns.length !== parent.columns.length)
      this.#fail(
        ['references', index],
        `${reference.from} and ${reference.to} have different numbers of columns`,
      );
    return {
      child: child.relation,
      childColumns: child.columns,
      parent: parent.relation,
      parentColumns: parent.columns,
      onDelete: reference.onDelete,
      copy: reference.copy,
      location: this.yaml.locate(['references', index]),
    };
  }

  /** `orders.user_id`, `sales.orders.user_id`, `orders.(tenant_id, user_id)`. */
  #columns(at: YamlPath, text: string): { readonly relation: string; readonly columns: readonly string[] } {
    const match = /^(.+)\.(?:\(([^()]+)\)|"((?:[^"]|"")+)"|([^."()]+))$/.exec(text.trim());
    try {
      if (match === null) throw new RangeError();
      const columns = match[2]?.split(',').map((column) => column.trim()) ?? [
        match[3]?.replaceAll('""', '"') ?? (match[4] as string),
      ];
      return { relation: this.#relation(match[1] as string), columns };
    } catch {
      return this.#fail(at, `"${text}" is not a column; write relation.column or relation.(a, b)`);
    }
  }

  #migration(): MigrationConfig {
    const { migration } = this.file;
    const { readCutover, writeCutover, decommission } = migration.gates;
    return {
      capture: migration.capture,
      walBudgetBytes: migration.walBudget,
      chunkRows: migration.chunk.rows,
      jobs: migration.jobs,
      throttleMaxLagMs: migration.throttle.maxLag,
      readCutover: { verify: readCutover.verify, maxLagMs: readCutover.maxLag },
      writeCutover: {
        verify: writeCutover.verify,
        maxLagMs: writeCutover.maxLag,
        fenceTimeoutMs: writeCutover.fenceTimeout,
      },
      decommission: {
        verify: decommission.verify,
        soakMs: decommission.soak,
        graceMs: decommission.grace,
      },
      archive:
        typeof migration.archive === 'string'
          ? { directory: path.resolve(this.environment.directory, migration.archive) }
          : migration.archive,
      routeHook: this.#hook(),
    };
  }

  #hook(): HookConfig | null {
    const { route } = this.file.migration.hooks;
    if (route === undefined) return null;
    const at = ['migration', 'hooks', 'route'];
    const common = { timeoutMs: route.timeout, onFailure: route.onFailure };
    if (route.run !== undefined && route.url === undefined)
      return { ...common, kind: 'command', command: route.run, directory: this.environment.directory };
    const { url } = route;
    if (url === undefined || route.run !== undefined) return this.#fail(at, 'a hook has either run or url');
    return { ...common, kind: 'url', url: () => this.#interpolate([...at, 'url'], url) };
  }

  #target(at: YamlPath, given: Connection, engine: 'postgres' | 'mysql'): ConnectionTarget {
    const text = (key: keyof Connection): string | undefined => {
      const value = given[key];
      return typeof value === 'string' ? this.#interpolate([...at, key], value) : undefined;
    };
    const port = typeof given.port === 'number' ? given.port : text('port');
    const tls = given.tls;
    try {
      return connectionTarget({
        engine,
        url: text('url'),
        host: text('host'),
        port,
        user: text('user'),
        password: text('password'),
        passwordCommand: text('passwordCommand'),
        database: text('database'),
        tls:
          typeof tls === 'object'
            ? {
                verify: tls.verify,
                ca: tls.ca && this.#interpolate([...at, 'tls', 'ca'], tls.ca),
                cert: tls.cert && this.#interpolate([...at, 'tls', 'cert'], tls.cert),
                key: tls.key && this.#interpolate([...at, 'tls', 'key'], tls.key),
              }
            : tls,
        directory: this.environment.directory,
      });
    } catch (error) {
      if (!(error instanceof ConnectionUrlError)) throw error;
      const location = this.yaml.locate(given.url === undefined ? at : [...at, 'url']);
      throw new ConfigError({
        code: 'DBPS_E204',
        message: `${at.join('.')}${given.url === undefined ? '' : '.url'} ${error.message}`,
        hint: error.hint,
        location: { ...location, frame: `got   ${error.got}` },
      });
    }
  }

  #interpolate(at: YamlPath, text: string): string {
    try {
      return interpolate(text, this.environment);
    } catch (error) {
      if (!(error instanceof InterpolationError)) throw error;
      const location = this.yaml.locate(at);
      throw new ConfigError({
        code: 'DBPS_E205',
        message: `${at.join('.')}: ${error.message}`,
        hint: error.hint,
        location: { ...location, frame: this.yaml.frame(location) },
      });
    }
  }

  #fail(at: YamlPath, message: string): never {
    const location = this.yaml.locate(at);
    throw new ConfigError({
      code: 'DBPS_E203',
      message: `${at.join('.')}: ${message}`,
      location: { ...location, frame: this.yaml.frame(location) },
    });
  }

  #warnings(): readonly Finding[] {
    const warnings: Finding[] = [];
    for (const { path: at, text } of this.yaml.strings()) {
      const key = at.at(-1);
      const inUrl = key === 'url' && /^[a-z][a-z0-9+]*:\/\/[^:/@]*:(?!\$\{[^}]*\}@)[^@]+@/is.test(text);
      const alone = key === 'password' && !/^\$\{[^}]*\}$/.test(text);
      if (!isDeferred(at) || !(inUrl || alone)) continue;
      const { file, line, column } = this.yaml.locate(at);
      warnings.push({
        code: 'SEC101',
        severity: 'warning',
        subject: at.join('.'),
        message: 'the password stands in dbps.yaml in clear',
        remedy:
          'put it into the environment or a file, and write ${DB_PASSWORD|urlencode} or ${file:/run/secrets/db}',
        location: { file, line, column },
      });
    }
    return warnings;
  }
}

type Connection = Omit<NonNullable<ConfigFile['services'][string]['target']>, 'engine' | 'schema'>;
