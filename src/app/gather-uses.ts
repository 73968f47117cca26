/** Everything that is known of how relations are used, from the server's counts, statement logs and what was observed, as uses of relations. */
import type { RelationWrites } from '../analysis/boundary-evidence.js';
import { readStatementLog } from '../analysis/statement-log.js';
import { withoutValues } from '../analysis/statement-text.js';
import {
  countTransactions,
  countUses,
  nameResolver,
  resolveUses,
  type NameResolver,
  type ResolvedUse,
  type UsedStatement,
} from '../analysis/workload.js';
import { readDumpText } from '../engines/dump-text.js';
import type { StatementReader, StatementUse } from '../engines/engine.js';
import type { WorkloadStatement, WriteCounts } from '../engines/usage.js';
import type { DatabaseSchema } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import { LoggedUses } from './logged-uses.js';

/** Relations written in one transaction, and how often that was seen. */
export interface SeenTogether {
  readonly writes: readonly RelationId[];
  readonly times: number;
}

export interface WorkloadCounts {
  /** What counts statements on the server; null: nothing was asked, or nothing answered. */
  readonly source: string | null;
  readonly statements: number;
  /** Texts that could not be read. */
  readonly unread: number;
  readonly transactions: number;
}

export interface UseSources {
  readonly schema: DatabaseSchema;
  readonly defaultSchema: string;
  readonly reader: StatementReader;
  readonly live: readonly WorkloadStatement[];
  /** Files of statement logs. */
  readonly logs: readonly string[];
  readonly observed: readonly SeenTogether[];
  readonly signal?: AbortSignal;
}

/** @throws UsageError when a log is not there. */
export async function gatherUses(
  sources: UseSources,
): Promise<{ readonly uses: readonly ResolvedUse[]; readonly counts: Omit<WorkloadCounts, 'source'> }> {
  const { schema, defaultSchema, reader, live, observed, signal } = sources;
  const resolvers = new Map<string, NameResolver>();
  const namesIn = (schemaName: string): NameResolver => {
    const known = resolvers.get(schemaName) ?? nameResolver(schema, schemaName);
    resolvers.set(schemaName, known);
    return known;
  };
  const names = namesIn(defaultSchema);
  const logged = new LoggedUses(schema.engine, reader, names);
  for (const file of sources.logs)
    for await (const statement of readStatementLog(readDumpText(file, signal))) await logged.take(statement);

  const texts = live.map((statement) => statement.sql);
  const shapes = texts.map((text) => withoutValues(text, schema.engine));
  const read = await readEach(texts, shapes, reader);
  const uses = live.flatMap((own, at): readonly ResolvedUse[] => {
    const use = read[at];
    if (use == null) return [];
    const statement: UsedStatement = {
      text: shapes[at] as string,
      calls: own.calls,
      totalMs: own.totalMs,
      ...(own.user === undefined ? {} : { user: own.user }),
      use,
    };
    return resolveUses([statement], own.schema === undefined ? names : namesIn(own.schema));
  });
  const watched = observed.flatMap((seen): ResolvedUse[] => {
    const writes = [...new Set(seen.writes.flatMap((id) => names.expand(id)))].sort();
    if (writes.length === 0) return [];
    const text = `writes ${writes.join(', ')}`;
    return [
      { kind: 'transaction', text, calls: seen.times, totalMs: 0, reads: [], writes, columns: new Map() },
    ];
  });
  const counted = countTransactions([...logged.transactions, ...watched]);
  return {
    uses: [...countUses([...uses, ...logged.uses]), ...counted],
    counts: {
      statements: texts.length + logged.statements,
      unread: read.filter((use) => use === null).length + logged.unread,
      transactions: counted.reduce((sum, transaction) => sum + transaction.calls, 0),
    },
  };
}

/** The same statement with other values touches the same relations: each shape is read once. */
async function readEach(
  texts: readonly string[],
  shapes: readonly string[],
  reader: StatementReader,
): Promise<readonly (StatementUse | null)[]> {
  const place = new Map<string, number>();
  const distinct: string[] = [];
  shapes.forEach((shape, at) => {
    if (place.has(shape)) return;
    place.set(shape, distinct.length);
    distinct.push(texts[at] as string);
  });
  const read = await reader.read(distinct);
  return shapes.map((shape) => read[place.get(shape) as number] ?? null);
}

/** Counts of a partitioned relation's leaves under their root; relations that are not looked at are left out. */
export function rootWrites(writes: WriteCounts, names: NameResolver): RelationWrites {
  const rows = new Map<RelationId, number>();
  for (const { relation, rows: written } of writes.relations)
    for (const id of names.expand(relation)) rows.set(id, (rows.get(id) ?? 0) + written);
  return { forMs: writes.forMs, rows };
}
