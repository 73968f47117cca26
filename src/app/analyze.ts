/** `analyze`: reads a schema (live, from a script, or from a saved analysis), with the workload where there is one, and proposes boundaries. */
import { analyzeBoundaries } from '../analysis/analyze.js';
import { FEWEST_VALUES, guessedReferences } from '../analysis/inferred-references.js';
import { nameResolver } from '../analysis/workload.js';
import type { ConfiguredReference } from '../analysis/evidence.js';
import { peekDumpText, readDumpText, type DumpInput } from '../engines/dump-text.js';
import type { ReadOnlyDatabase } from '../engines/engine.js';
import type { ServerWorkload } from '../engines/usage.js';
import { detectDialect, loadOfflineRoles } from '../engines/offline.js';
import type { Analysis, BoundaryPins } from '../model/analysis.js';
import type { ConnectionTarget } from '../model/connection-target.js';
import type { DatabaseSchema, EngineName, UnsupportedObject } from '../model/database-schema.js';
import { UsageError } from '../model/errors.js';
import type { RelationId } from '../model/relation-id.js';
import { openReadOnly } from './databases.js';
import { gatherUses, rootWrites, type SeenTogether, type WorkloadCounts } from './gather-uses.js';

export { GRANULARITIES, isGranularityName } from '../analysis/granularity.js';

export type AnalyzeSource =
  | { readonly kind: 'live'; readonly target: ConnectionTarget; readonly schemas?: readonly string[] }
  | { readonly kind: 'sql'; readonly file: DumpInput; readonly engine?: EngineName };

export interface AnalyzeOptions {
  readonly source: AnalyzeSource;
  readonly pins?: BoundaryPins;
  readonly references?: readonly ConfiguredReference[];
  /** What a configuration says of its own database, whose schema may be read from elsewhere. */
  readonly configured?: ConfiguredWord;
  /** Globs have been applied by the caller: these relations are not looked at. */
  readonly exclude?: (relation: RelationId) => boolean;
  /** 0 coarse … 1 fine; 0.5 balanced. */
  readonly granularity?: number;
  readonly servicesWanted?: number;
  /** Files of the server's statement log. */
  readonly logs?: readonly string[];
  /** Relations written together, as observed in the change stream. */
  readonly observed?: readonly SeenTogether[];
  /** False: the server is not asked what statements it has counted. Default true. */
  readonly readWorkload?: boolean;
  /** True: references that are guessed are looked up in a bounded sample of the data (live only). Default false. */
  readonly checkData?: boolean;
  /** Connections that all processes of one service hold together. */
  readonly poolSize?: number;
  /** What the server gives, where it is not there to be asked. */
  readonly maxConnections?: number;
  readonly defaultSchema?: string;
  readonly signal?: AbortSignal;
}

/** Unless it is for sure meant for what is read, it holds where at least half of the relations that it names are there: another database is left alone. */
export interface ConfiguredWord extends Pick<AnalyzeOptions, 'pins' | 'references' | 'exclude'> {
  readonly isMeant: boolean;
  readonly engine: EngineName;
  /** Of a script's relations, where the script is of that engine and says nothing itself. */
  readonly defaultSchema: string;
}

export interface AnalyzeResult {
  /** Never a secret: the redacted URL or the file's name. */
  readonly source: { readonly kind: 'live' | 'dump'; readonly name: string };
  readonly schema: DatabaseSchema;
  readonly analysis: Analysis;
  readonly workload: WorkloadCounts;
  readonly readMs: number;
}

export const NO_PINS: BoundaryPins = { services: {}, together: [], apart: [], shared: [] };

/** @throws UsageError when pins contradict each other or a script is of neither dialect; DatabaseError when a database cannot be used. */
export async function analyze(given: AnalyzeOptions): Promise<AnalyzeResult> {
  const started = performance.now();
  const { schema: read, name, live, hitRates } = await readSource(given);
  const readMs = Math.round(performance.now() - started);
  const options = withConfigured(given, read);
  const schema = options.exclude === undefined ? read : withoutExcluded(read, options.exclude);
  const roles = await loadOfflineRoles(schema.engine);
  const defaultSchema = options.defaultSchema ?? roles.defaultSchema(schema.database);
  const names = nameResolver(schema, defaultSchema);
  const { uses, counts } = await gatherUses({
    schema,
    defaultSchema,
    reader: roles.statementReader,
    live: live?.statements ?? [],
    logs: options.logs ?? [],
    observed: options.observed ?? [],
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  const most = options.maxConnections ?? live?.maxConnections ?? undefined;
  const analysis = analyzeBoundaries(
    {
      schema,
      pins: options.pins ?? NO_PINS,
      granularity: options.granularity ?? 0.5,
      ...(options.servicesWanted === undefined ? {} : { servicesWanted: options.servicesWanted }),
    },
    {
      defaultSchema,
      configured: options.references ?? [],
      workload: uses,
      hitRates,
      connections: {
        ...(most !== undefined && { most }),
        ...(live?.usedConnections != null && { used: live.usedConnections }),
        ...(options.poolSize !== undefined && { pool: options.poolSize }),
      },
      ...(live !== null && {
        workloadGaps: live.gaps,
        ...(live.statementsForMs !== null && { workloadForMs: live.statementsForMs }),
        ...(live.writes !== null && { writes: rootWrites(live.writes, names) }),
      }),
    },
  );
  return {
    source: { kind: options.source.kind === 'live' ? 'live' : 'dump', name },
    schema,
    analysis,
    workload: { ...counts, source: live?.source ?? null },
    readMs,
  };
}

function withConfigured(options: AnalyzeOptions, { relations }: DatabaseSchema): AnalyzeOptions {
  const { configured, exclude } = options;
  if (configured === undefined) return options;
  const { isMeant, pins, references, exclude: isLeftOut } = configured;
  const { services, together, apart, shared } = pins ?? NO_PINS;
  const ends = (references ?? []).flatMap(({ child, parent }) => [child, parent]);
  const named = new Set([...Object.values(services), ...together, ...apart, shared, ends].flat());
  const known = relations.filter(({ id }) => named.has(id)).length;
  if (!isMeant && (known === 0 || known * 2 < named.size)) return options;
  return {
    ...options,
    ...(pins !== undefined && { pins }),
    ...(references !== undefined && { references }),
    exclude: (id) => exclude?.(id) === true || isLeftOut?.(id) === true,
  };
}

interface SourceRead {
  readonly schema: DatabaseSchema;
  readonly name: string;
  /** null: not asked, or this engine keeps no count. */
  readonly live: ServerWorkload | null;
  /** By `child.column`. */
  readonly hitRates: ReadonlyMap<string, number>;
}

async function readSource({
  source,
  defaultSchema,
  configured,
  readWorkload = true,
  checkData = false,
  exclude,
  signal,
}: AnalyzeOptions): Promise<SourceRead> {
  const aborting = signal === undefined ? {} : { signal };
  if (source.kind === 'sql') {
    const name = typeof source.file === 'string' ? source.file : source.file.name;
    const { head, pieces } = await peekDumpText(readDumpText(source.file, signal), HEAD_LENGTH);
    // A pipe of which the first part has failed: no proposal must come from it.
    if (head.trim() === '')
      throw new UsageError({
        code: 'DBPS_E152',
        message: `${name} is empty`,
        hint: 'make the dump again, and look at the exit code of pg_dump or mysqldump',
      });
    const told = source.engine ?? detectDialect(head) ?? configured?.engine;
    const engine = told ?? (await likelierDialect(name, head));
    const { dumpReader } = await loadOfflineRoles(engine);
    const unqualified =
      defaultSchema ?? (configured?.engine === engine ? configured.defaultSchema : undefined);
    const read = await dumpReader.read({
      name,
      text: pieces,
      ...(unqualified === undefined ? {} : { defaultSchema: unqualified }),
      ...aborting,
    });
    const schema =
      told === undefined ? { ...read, unsupported: [...read.unsupported, untold(name, engine)] } : read;
    return { schema, name, live: null, hitRates: new Map() };
  }
  const database = await openReadOnly(source.target, signal);
  try {
    const schema = await database.introspector.read({
      ...(source.schemas === undefined ? {} : { schemas: source.schemas }),
      ...aborting,
    });
    const live = readWorkload ? ((await database.workload?.read(signal)) ?? null) : null;
    const looked = exclude === undefined ? schema : withoutExcluded(schema, exclude);
    const hitRates = checkData ? await probe(database, looked, signal) : new Map<string, number>();
    return { schema, name: source.target.toString(), live, hitRates };
  } finally {
    await database.close();
  }
}

const withoutExcluded = (
  schema: DatabaseSchema,
  exclude: (relation: RelationId) => boolean,
): DatabaseSchema => ({
  ...schema,
  relations: schema.relations.filter((relation) => !exclude(relation.id)),
});

const SAMPLE_VALUES = 1000;
const PROBE_TIMEOUT_MS = 5000;

/** Guesses that the data could say something about; the rest stay guesses. */
async function probe(
  database: ReadOnlyDatabase,
  schema: DatabaseSchema,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number>> {
  const guesses = guessedReferences(schema);
  if (database.references === undefined || guesses.length === 0) return new Map();
  const probed = await database.references.hitRates(guesses, {
    sampleValues: SAMPLE_VALUES,
    timeoutMs: PROBE_TIMEOUT_MS,
    ...(signal !== undefined && { signal }),
  });
  const rates = new Map<string, number>();
  guesses.forEach(({ child, column }, at) => {
    const { values = 0, hitRate = null } = probed[at] ?? {};
    if (hitRate !== null && values >= FEWEST_VALUES) rates.set(`${child}.${column}`, hitRate);
  });
  return rates;
}

const HEAD_LENGTH = 200_000;

/**
 * Of a script that bears no mark of either: the one whose grammar reads more of its beginning. Where both read all of it PostgreSQL, which takes
 * for a key what MySQL only parses (REFERENCES beside a column).
 *
 * @throws UsageError when neither finds a relation in it.
 */
async function likelierDialect(name: string, head: string): Promise<EngineName> {
  const whole = head.lastIndexOf(';') + 1;
  const beginning = whole === 0 ? head : head.slice(0, whole);
  const [postgres, mysql] = (await Promise.all(
    (['postgres', 'mysql'] as const).map(async (engine) => {
      const { dumpReader } = await loadOfflineRoles(engine);
      const { relations, unsupported } = await dumpReader.read({ name, text: once(beginning) });
      return { relations: relations.length, unread: unsupported.length };
    }),
  )) as [Trial, Trial];
  if (postgres.relations === 0 && mysql.relations === 0)
    throw new UsageError({
      code: 'DBPS_E151',
      message: `${name} has no CREATE TABLE that PostgreSQL or MySQL would take, and nothing else tells what it is`,
      hint: 'give the output of pg_dump -s or mysqldump --no-data; if it is one, say which with --engine postgres or --engine mysql',
    });
  if (postgres.relations !== mysql.relations)
    return postgres.relations > mysql.relations ? 'postgres' : 'mysql';
  return postgres.unread <= mysql.unread ? 'postgres' : 'mysql';
}

interface Trial {
  readonly relations: number;
  readonly unread: number;
}

async function* once(text: string): AsyncIterable<string> {
  yield text;
}

const untold = (name: string, engine: EngineName): UnsupportedObject => ({
  kind: 'dialect',
  name,
  reason: `Nothing in it belongs to PostgreSQL or MySQL only; it was read as ${engine === 'postgres' ? 'PostgreSQL' : 'MySQL'}.`,
  remedy: `--engine ${engine === 'postgres' ? 'mysql' : 'postgres'}`,
});
