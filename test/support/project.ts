/** A folder with a dbps.yaml and a .env over test databases: what a user has when he starts. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { start, type CliOptions, type CliResult, type Running } from './cli.js';
import { secretIn } from './printed.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';

/** A database that a project uses: the tests' own on either engine. */
export interface Place {
  readonly name: string;
  readonly url: string;
  readonly applicationUrl: string;
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
  drop(): Promise<void>;
}

export interface Project<P extends Place = TestDatabase> {
  readonly directory: string;
  readonly legacy: P;
  readonly targets: Readonly<Record<string, P>>;
  /** Everything that any command of this project wrote to its streams so far. */
  readonly written: () => string;
  run(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** A run that lasts. Whoever starts it ends it. */
  start(args: readonly string[], options?: CliOptions): Running;
  /** A test that failed half way has not ended what it began. */
  endAll(): Promise<void>;
  /** The envelope of a command, run with --json. */
  json(args: readonly string[], options?: CliOptions): Promise<Envelope>;
  writeConfig(text: string): void;
  close(): Promise<void>;
}

export interface Envelope {
  readonly code: number | null;
  readonly ok: boolean;
  readonly command: string;
  readonly result: unknown;
  readonly findings: readonly {
    readonly code: string;
    readonly subject: string;
    readonly severity: string;
    readonly remedy: string;
  }[];
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
  readonly nextSteps: readonly string[];
}

export interface ProjectOptions {
  readonly sql: string;
  readonly services: Readonly<Record<string, readonly string[]>>;
  /** Lines under `migration:`, indented by two spaces. */
  readonly migration?: string;
}

/** On PostgreSQL, with a database of its own for each service. */
export async function createProject(options: ProjectOptions): Promise<Project> {
  const legacy = await createTestDatabase('legacy', options.sql);
  const targets: Record<string, TestDatabase> = {};
  for (const name of Object.keys(options.services)) targets[name] = await createTestDatabase('service');
  return createProjectOn(legacy, targets, options);
}

const engineOf = (place: Place): string => (place.url.startsWith('mysql:') ? 'mysql' : 'postgres');

/** On databases that are there; closing drops them. */
export function createProjectOn<P extends Place>(
  legacy: P,
  targets: Readonly<Record<string, P>>,
  options: Omit<ProjectOptions, 'sql'>,
): Project<P> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-project-'));
  const names = Object.keys(options.services);
  const variable = (name: string) => `${name.toUpperCase()}_URL`;
  const writeConfig = (text: string) => fs.writeFileSync(path.join(directory, 'dbps.yaml'), text);
  writeConfig(
    [
      'version: 1',
      engineOf(legacy) === 'mysql'
        ? 'source: { engine: mysql, url: "${SHARED_URL}" }'
        : 'source: { engine: postgres, url: "${SHARED_URL}", schemas: [public] }',
      'services:',
      ...names.map(
        (name) =>
          `  ${name}:\n    relations: [${(options.services[name] ?? []).join(', ')}]\n    target: { engine: ${engineOf(targets[name] ?? legacy)}, url: "\${${variable(name)}}" }`,
      ),
      ...(options.migration === undefined ? [] : ['migration:', options.migration]),
      '',
    ].join('\n'),
  );
  // In .env, so that no test passes because a secret happened to be in the environment.
  fs.writeFileSync(
    path.join(directory, '.env'),
    [
      `SHARED_URL=${legacy.url}`,
      ...names.map((name) => `${variable(name)}=${targets[name]?.url ?? ''}`),
      '',
    ].join('\n'),
  );
  let written = '';
  const begun: Running[] = [];
  const begin = (args: readonly string[], more: CliOptions = {}): Running => {
    const running = start(args, { cwd: directory, ...more });
    const note = (text: string) => (written += text);
    begun.push(running);
    running.child.stdout?.on('data', note);
    running.child.stderr?.on('data', note);
    return running;
  };
  const run = (args: readonly string[], more: CliOptions = {}): Promise<CliResult> => begin(args, more).ended;
  const endAll = async () => {
    for (const { child, ended } of begun.filter((running) => running.child.exitCode === null)) {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
    }
  };
  return {
    directory,
    legacy,
    targets,
    written: () => written,
    run,
    start: begin,
    endAll,
    json: async (args, more) => {
      const result = await run([...args, '--json'], more);
      try {
        return { code: result.code, ...(JSON.parse(result.stdout) as Omit<Envelope, 'code'>) };
      } catch (cause) {
        throw new Error(`dbps ${args.join(' ')} printed no envelope:\n${result.stdout}\n${result.stderr}`, {
          cause,
        });
      }
    },
    writeConfig,
    close: async () => {
      await endAll();
      const kept = [legacy, ...Object.values(targets)];
      const leaks = [...secretsInFiles(directory), ...(await Promise.all(kept.map(secretsInTables))).flat()];
      fs.rmSync(directory, { recursive: true, force: true });
      for (const database of kept) await database.drop();
      if (leaks.length > 0) throw new Error(`a password was written down: ${leaks.join('; ')}`);
    },
  };
}

/** Everything that commands wrote beside the .env: plan, analysis, generated files, archives, reports. */
function secretsInFiles(directory: string): readonly string[] {
  return fs
    .readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => path.basename(file) !== '.env' && fs.statSync(path.join(directory, file)).isFile())
    .flatMap((file) => {
      const secret = secretIn(readText(path.join(directory, file)));
      return secret === null ? [] : [`${secret} in ${file}`];
    });
}

function readText(file: string): string {
  const bytes = fs.readFileSync(file);
  return (file.endsWith('.gz') ? zlib.gunzipSync(bytes) : bytes).toString('latin1');
}

/** State store, journal, requests, routes, checkpoints: every row of the control schema; comments and routines too. */
async function secretsInTables(database: Place): Promise<readonly string[]> {
  const texts = engineOf(database) === 'mysql' ? await mysqlTexts(database) : await postgresTexts(database);
  return texts.flatMap(({ place, text }) => {
    const secret = secretIn(text);
    return secret === null ? [] : [`${secret} in ${place} of ${database.name}`];
  });
}

interface PlacedText {
  readonly place: string;
  readonly text: string;
}

async function mysqlTexts(database: Place): Promise<readonly PlacedText[]> {
  const tables = await database.query(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'dbps'",
  );
  const texts: PlacedText[] = [];
  for (const { name } of tables)
    texts.push({
      place: `dbps.${String(name)}`,
      text: JSON.stringify(await database.query(`SELECT * FROM dbps.\`${String(name)}\``)),
    });
  return texts;
}

async function postgresTexts(database: Place): Promise<readonly PlacedText[]> {
  const tables = (await database.query(
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'dbps'",
  )) as unknown as readonly { name: string }[];
  const texts: PlacedText[] = [];
  for (const sql of [
    ...tables.map(({ name }) => `SELECT '${name}' AS place, t::text AS text FROM ${name} t`),
    "SELECT 'routines' AS place, prosrc AS text FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'dbps'",
    "SELECT 'comments' AS place, description AS text FROM pg_description WHERE objoid > 16384",
  ])
    texts.push(...((await database.query(sql)) as unknown as readonly PlacedText[]));
  return texts;
}
