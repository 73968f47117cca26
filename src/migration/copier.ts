/**
 * Copies what is there, while capture runs beside it: every relation in ranges of its key, several at once, the largest relation
 * first, so that its indexes are built while the small ones are copied. Tables are loaded bare; the key's index follows a relation's
 * last chunk, non-unique indexes follow the key. What is done is on record in the target, chunk by chunk: a copy that was killed goes on where
 * it was. Capture, its position and the log it keeps are the runner's business (docs/protocol.md, copy).
 */
import type {
  Chunk,
  ChunkFormat,
  DdlRunner,
  Ownership,
  Position,
  RecordedChunk,
  RelationMap,
  Sink,
  Snapshot,
  StagedStatement,
} from '../engines/engine.js';
import { loadEngine } from '../engines/registry.js';
import { RefusedError } from '../model/errors.js';
import type { EventSink } from '../model/events.js';
import type { Finding } from '../model/finding.js';
import type { RelationId } from '../model/relation-id.js';
import { CopyMeter } from './copy-meter.js';
import type { MoveContext } from './move-context.js';
import { readAhead } from './read-ahead.js';
import { openSink } from './translating-sink.js';
import { inParallel, WorkQueue } from './work-queue.js';

export interface CopyOptions {
  /** Awaited before each chunk: the runner's throttle (lag, the log's budget) holds the copy back here. */
  readonly mayContinue?: (signal: AbortSignal) => Promise<void>;
}

export interface CopyOutcome {
  readonly relations: readonly CopiedRelation[];
  /** Rows and bytes that this run copied; what an earlier one did is in the relations' figures only. */
  readonly rows: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Replay that has passed this has seen everything a chunk may have missed; null when there was no relation. */
  readonly position: Position | null;
}

export interface CopiedRelation {
  readonly relation: RelationId;
  readonly chunks: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Everything a copy needs, and nothing else of the move. */
export interface CopyWork {
  readonly service: string;
  readonly owner: Ownership;
  readonly maps: readonly RelationMap[];
  readonly snapshot: Snapshot;
  readonly sink: Pick<
    Sink,
    'formats' | 'recordedChunks' | 'recordChunks' | 'writeChunk' | 'copyProgress' | 'analyze'
  >;
  readonly ddlRunner: Pick<DdlRunner, 'run'>;
  /** The target's statements; only the stages `key` and `index` are run. */
  readonly statements: readonly StagedStatement[];
  /** Bytes of a relation where known: the largest goes first. */
  readonly bytesOf?: (map: RelationMap) => number | null;
  /** Later of two positions of the source. */
  readonly later: (a: Position, b: Position) => Position;
  readonly chunkRows: number;
  readonly jobs: number;
  readonly emit: EventSink;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly at: (point: string) => Promise<void>;
  readonly mayContinue?: (signal: AbortSignal) => Promise<void>;
}

export async function copyService(context: MoveContext, options: CopyOptions = {}): Promise<CopyOutcome> {
  const { legacy, target, service, owner } = context;
  const engine = await loadEngine(target.engine);
  const sink = await openSink(legacy, target, {
    stream: { service: service.name, direction: 'forward' },
    owner,
    maps: context.maps,
  });
  try {
    return await copyRelations({
      service: service.name,
      owner,
      maps: context.maps,
      snapshot: legacy.snapshot,
      sink,
      ddlRunner: target.ddlRunner,
      statements: engine.ddl.createService(service),
      bytesOf: (map) => service.schema.relations.find((r) => r.id === map.target)?.bytes ?? null,
      later: (a, b) => (legacy.changes.reached(a, b) ? a : b),
      chunkRows: context.settings.chunkRows,
      jobs: context.settings.jobs,
      emit: context.emit,
      signal: context.signal,
      now: context.now,
      at: context.at,
      ...options,
    });
  } finally {
    await sink.close();
  }
}

export function assessKeys(maps: readonly RelationMap[]): readonly Finding[] {
  return maps
    .filter((map) => map.key.length === 0)
    .map((map) => ({
      code: 'RPL201',
      severity: 'error',
      subject: map.source,
      relation: map.source,
      message: `${map.source} has no key that identifies a row: its changes cannot be applied twice with the same result`,
      remedy: 'dbps doctor has the statement that gives it one; or leave it out of the service',
    }));
}

export async function copyRelations(work: CopyWork): Promise<CopyOutcome> {
  const keyless = assessKeys(work.maps);
  if (keyless.length > 0) {
    for (const finding of keyless) work.emit({ type: 'finding', finding });
    throw new RefusedError({
      code: 'DBPS_E320',
      message: `relations without a key cannot be copied: ${keyless.map((f) => f.subject).join(', ')}`,
      hint: 'dbps explain RPL201',
    });
  }
  const startedAt = work.now();
  const stop = new AbortController();
  const abort = () => stop.abort(work.signal.reason);
  if (work.signal.aborted) abort();
  work.signal.addEventListener('abort', abort, { once: true });
  try {
    // Capture exists: from here on nothing that it will not deliver may still be invisible.
    const since = await work.snapshot.currentSnapshot();
    await work.snapshot.waitUntilVisible(since, stop.signal);
    await work.at('copy.visible');

    const relations = await planRelations(work, stop);
    const already = (await work.sink.copyProgress()).reduce((sum, p) => sum + p.rows, 0);
    const meter = new CopyMeter(
      work.service,
      'copy',
      relations.reduce((sum, relation) => sum + relation.estimatedRows, 0),
      already,
      work.now,
      work.emit,
    );
    await copyAndBuild(work, relations, meter, stop);
    return await outcome(work, meter, startedAt);
  } finally {
    work.signal.removeEventListener('abort', abort);
  }
}

interface PlannedRelation {
  readonly map: RelationMap;
  readonly format: ChunkFormat;
  readonly pending: readonly RecordedChunk[];
  readonly estimatedRows: number;
}

/** Cuts each relation once and puts the cuts on record; the largest first. */
async function planRelations(work: CopyWork, stop: AbortController): Promise<readonly PlannedRelation[]> {
  const planned: PlannedRelation[] = [];
  const queue = new WorkQueue<RelationMap>();
  queue.push(...work.maps);
  queue.close();
  await queue.drain(work.jobs, stop, async (map) => {
    const format = await work.snapshot.chunkFormat(map, work.sink.formats);
    let chunks = await work.sink.recordedChunks(map);
    if (chunks.length === 0)
      chunks = await work.sink.recordChunks(
        map,
        await work.snapshot.planChunks(map, work.chunkRows, stop.signal),
      );
    planned.push({
      map,
      format,
      pending: chunks.filter((chunk) => !chunk.isDone),
      estimatedRows: chunks.reduce((sum, chunk) => sum + chunk.estimatedRows, 0),
    });
  });
  await work.at('copy.planned');
  const weight = (relation: PlannedRelation) => work.bytesOf?.(relation.map) ?? relation.estimatedRows;
  return planned.sort((a, b) => weight(b) - weight(a) || a.map.source.localeCompare(b.map.source));
}

/** Work on a relation whose rows are there, and what may only follow it. */
interface Build {
  readonly run: () => Promise<void>;
  readonly then: readonly Build[];
}

async function copyAndBuild(
  work: CopyWork,
  relations: readonly PlannedRelation[],
  meter: CopyMeter,
  stop: AbortController,
): Promise<void> {
  const chunks = new WorkQueue<{ readonly relation: PlannedRelation; readonly chunk: Chunk }>();
  const builds = new WorkQueue<Build>();
  const left = new Map(relations.map((relation) => [relation, relation.pending.length]));
  /** Relations still copied, and builds not yet done: any of them may bring further builds. */
  let open = relations.length;
  const follow = (next: readonly Build[]) => {
    open += next.length - 1;
    builds.push(...next);
    if (open === 0) builds.close();
  };

  for (const relation of relations) chunks.push(...relation.pending.map((chunk) => ({ relation, chunk })));
  chunks.close();
  for (const relation of relations)
    if (left.get(relation) === 0) follow(buildsOf(work, relation.map, stop.signal));
  if (relations.length === 0) builds.close();

  const copying = inParallel(work.jobs, stop, (signal) =>
    readAhead(
      async () => {
        const item = await chunks.next(signal);
        if (item === undefined) return undefined;
        await work.mayContinue?.(signal);
        const { relation, chunk } = item;
        return { item, reader: await work.snapshot.readChunk(relation.map, chunk, relation.format, signal) };
      },
      async ({ item: { relation, chunk }, reader }) => {
        const written = await work.sink.writeChunk(relation.map, chunk, reader, signal);
        await work.at('copy.chunk-written');
        meter.add(relation.map.source, written.rows, written.bytes);
        const rest = (left.get(relation) ?? 0) - 1;
        left.set(relation, rest);
        if (rest === 0) follow(buildsOf(work, relation.map, signal));
      },
    ),
  );
  const building = builds.drain(work.jobs, stop, async (build) => {
    await build.run();
    await work.at('copy.index-built');
    follow(build.then);
  });
  const [copied, built] = await Promise.allSettled([copying, building]);
  if (copied.status === 'rejected') throw copied.reason;
  if (built.status === 'rejected') throw built.reason;
}

/** Statistics and the key's index, alone on their table; then the other indexes side by side. */
function buildsOf(work: CopyWork, map: RelationMap, signal: AbortSignal): readonly Build[] {
  const own = work.statements.filter((statement) => statement.relation === map.target);
  const groups = (stage: StagedStatement['stage']) => {
    const byGroup = new Map<string, StagedStatement[]>();
    for (const statement of own.filter((s) => s.stage === stage))
      byGroup.set(statement.group, [...(byGroup.get(statement.group) ?? []), statement]);
    return [...byGroup.values()];
  };
  const ddl = (statements: readonly StagedStatement[]) => () =>
    work.ddlRunner.run(statements, work.owner, signal);
  const indexes = groups('index').map((statements): Build => ({ run: ddl(statements), then: [] }));
  const key = groups('key').flat();
  return [
    {
      run: () => work.sink.analyze(map),
      then: key.length === 0 ? indexes : [{ run: ddl(key), then: indexes }],
    },
  ];
}

async function outcome(work: CopyWork, meter: CopyMeter, startedAt: number): Promise<CopyOutcome> {
  await work.at('copy.done');

  const progress = await work.sink.copyProgress();
  const positions = progress.flatMap((p) => (p.position === null ? [] : [p.position]));
  return {
    relations: progress.map(({ relation, chunks, rows, bytes }) => ({ relation, chunks, rows, bytes })),
    rows: meter.rows,
    bytes: meter.bytes,
    durationMs: work.now() - startedAt,
    position: positions.length === 0 ? null : positions.reduce(work.later),
  };
}
