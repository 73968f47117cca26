/** `analyze`: reads a schema (live, from a script, or from a saved analysis), with the workload where there is one, and proposes boundaries. */
import fs from 'node:fs';
import { analyzeBoundaries } from '../analysis/analyze.js';
import {
  asTransaction,
  countTransactions,
  nameResolver,
  resolveUses,
  type ResolvedUse,
  type UsedStatement,
} from '../analysis/workload.js';
import type { ConfiguredReference } from '../analysis/evidence.js';
import { readStatementLog, type LoggedStatement } from '../analysis/statement-log.js';
import { readDumpText } from '../engines/dump-text.js';
import type { StatementReader, WorkloadStatement } from '../engines/engine.js';
import { detectDialect, loadOfflineRoles } from '../engines/offline.js';
import type { Analysis, BoundaryPins } from '../model/analysis.js';
import type { ConnectionTarget } from '../model/connection-target.js';
import type { DatabaseSchema, EngineName } from '../model/database-schema.js';
import { UsageError } from '../model/errors.js';
import type { RelationId } from '../model/relation-id.js';
import { openReadOnly } from './databases.js';

export type AnalyzeSource =
  | { readonly kind: 'live'; readonly target: ConnectionTarget; readonly schemas?: readonly string[] }
  | { readonly kind: 'sql'; readonly file: string; readonly engine?: EngineName };

export interface AnalyzeOptions {
  readonly source: AnalyzeSource;
  readonly pins?: BoundaryPins;
  readonly references?: readonly ConfiguredReference[];
  /** Globs have been applied by the caller: these relations are not looked at. */
  readonly exclude?: (relation: RelationId) => boolean;
  /** 0 coarse … 1 fine; 0.5 balanced. */
  readonly granularity?: number;
  readonly servicesWanted?: number;
  /** Files of the server's statement log. */
  readonly logs?: readonly string[];
  /** Relations written together, as observed in the change stream. */
  readonly observed?: readonly { readonly writes: readonly RelationId[]; readonly times: number }[];
  readonly defaultSchema?: string;
  readonly signal?: AbortSignal;
}

export interface AnalyzeResult {
  /** Never a secret: the redacted URL or the file's name. */
  readonly source: { readonly kind: 'live' | 'dump'; readonly name: string };
  readonly schema: DatabaseSchema;
  readonly analysis: Analysis;
  readonly workload: { readonly statements: number; readonly unread: number; readonly transactions: number };
  readonly readMs: number;
}

export const NO_PINS: BoundaryPins = { services: {}, together: [], apart: [], shared: [] };

/** @throws UsageError when pins contradict each other or a script's dialect cannot be told; DatabaseError when a database cannot be used. */
export async function analyze(options: AnalyzeOptions): Promise<AnalyzeResult> {
  const started = performance.now();
  const { schema: read, name, live, maxConnections } = await readSource(options);
  const readMs = Math.round(performance.now() - started);
  const { exclude } = options;
  const schema =
    exclude === undefined
      ? read
      : { ...read, relations: read.relations.filter((relation) => !exclude(relation.id)) };
  const roles = await loadOfflineRoles(schema.engine);
  const defaultSchema = options.defaultSchema ?? roles.defaultSchema(schema.database);
  const workload = await readWorkload(options, schema, live, roles.statementReader, defaultSchema);
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
      workload: workload.uses,
      hitRates: new Map(),
      ...(maxConnections === undefined ? {} : { maxConnections }),
    },
  );
  return {
    source: { kind: options.source.kind === 'live' ? 'live' : 'dump', name },
    schema,
    analysis,
    workload: workload.counts,
    readMs,
  };
}

interface SourceRead {
  readonly schema: DatabaseSchema;
  readonly name: string;
  readonly live: readonly WorkloadStatement[];
  readonly maxConnections?: number;
}

async function readSource({ source, defaultSchema, signal }: AnalyzeOptions): Promise<SourceRead> {
  const aborting = signal === undefined ? {} : { signal };
  if (source.kind === 'sql') {
    if (!fs.existsSync(source.file))
      throw new UsageError({
        code: 'DBPS_E201',
        message: `there is no ${source.file}`,
        hint: 'give the path of a .sql file: pg_dump -s, structure.sql or mysqldump --no-data',
      });
    const engine = source.engine ?? (await dialectOf(source.file));
    const { dumpReader } = await loadOfflineRoles(engine);
    const schema = await dumpReader.read({
      path: source.file,
      ...(defaultSchema === undefined ? {} : { defaultSchema }),
      ...aborting,
    });
    return { schema, name: source.file, live: [] };
  }
  const database = await openReadOnly(source.target, signal);
  try {
    const schema = await database.introspector.read({
      ...(source.schemas === undefined ? {} : { schemas: source.schemas }),
      ...aborting,
    });
    const live = (await database.workload?.read(signal)) ?? [];
    return { schema, name: source.target.toString(), live };
  } finally {
    await database.close();
  }
}

const HEAD_LENGTH = 200_000;

/** @throws UsageError when nothing in the file tells. */
export async function dialectOf(file: string): Promise<EngineName> {
  let head = '';
  for await (const piece of readDumpText(file)) {
    head += piece.slice(0, HEAD_LENGTH - head.length);
    if (head.length >= HEAD_LENGTH) break;
  }
  const found = detectDialect(head);
  if (found !== null) return found;
  if (head.trim() === '') return 'postgres';
  throw new UsageError({
    code: 'DBPS_E151',
    message: `${file} could be PostgreSQL or MySQL: nothing in it tells`,
    hint: 'say which: --engine postgres or --engine mysql',
  });
}

async function readWorkload(
  options: AnalyzeOptions,
  schema: DatabaseSchema,
  live: readonly WorkloadStatement[],
  reader: StatementReader,
  defaultSchema: string,
): Promise<{ uses: readonly ResolvedUse[]; counts: AnalyzeResult['workload'] }> {
  const names = nameResolver(schema, defaultSchema);
  const logged: LoggedStatement[] = [];
  for (const file of options.logs ?? []) {
    if (!fs.existsSync(file))
      throw new UsageError({
        code: 'DBPS_E201',
        message: `there is no ${file}`,
        hint: 'give the path of a statement log',
      });
    for await (const statement of readStatementLog(readDumpText(file, options.signal)))
      logged.push(statement);
  }
  const texts = [...live.map((statement) => statement.sql), ...logged.map((statement) => statement.sql)];
  const read = await reader.read(texts);
  const statements: UsedStatement[] = [];
  const sessions = new Map<string, ResolvedUse[]>();
  const transactions: ResolvedUse[] = [];
  read.forEach((use, at) => {
    const own = live[at];
    const log = logged[at - live.length];
    const session = own === undefined ? log?.session : undefined;
    if (use === null) return;
    if (use.isTransactionControl && session !== undefined) {
      const open = sessions.get(session);
      const whole = open === undefined || open.length === 0 ? null : asTransaction(open);
      if (whole !== null) transactions.push(whole);
      if (/^\s*(?:begin|start)/i.test(log?.sql ?? '')) sessions.set(session, []);
      else sessions.delete(session);
      return;
    }
    const user = own?.user ?? log?.user;
    const statement: UsedStatement = {
      text: texts[at] as string,
      calls: own?.calls ?? 1,
      totalMs: own?.totalMs ?? log?.ms ?? 0,
      ...(user === undefined ? {} : { user }),
      use,
    };
    statements.push(statement);
    const open = session === undefined ? undefined : sessions.get(session);
    if (open !== undefined) open.push(...resolveUses([statement], names));
  });
  const observed = (options.observed ?? []).map((seen): ResolvedUse => ({
    kind: 'transaction',
    text: `writes ${[...seen.writes].sort().join(', ')}`,
    calls: seen.times,
    totalMs: 0,
    reads: [],
    writes: [...new Set(seen.writes.flatMap((id) => names.expand(id)))].sort(),
    columns: new Map(),
  }));
  const counted = countTransactions([...transactions, ...observed]);
  return {
    uses: [...resolveUses(statements, names), ...counted],
    counts: {
      statements: texts.length,
      unread: read.filter((use) => use === null).length,
      transactions: counted.reduce((sum, transaction) => sum + transaction.calls, 0),
    },
  };
}
