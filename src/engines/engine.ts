/**
 * The roles that a database engine plays, and nothing else: no SQL, no driver, no behaviour. Everything
 * above (migration, verification, app) talks to databases through these; everything that knows a dialect
 * lives in engines/<engine>/. A role that an engine lacks is absent, and a difference between engines is a
 * documented capability, never a test of the engine's name.
 *
 * Words: docs/architecture.md. Protocol: docs/protocol.md.
 */
import type { ConnectionTarget } from '../model/connection-target.js';
import type { DatabaseSchema, EngineName } from '../model/database-schema.js';
import type { Finding } from '../model/finding.js';
import type { RelationId } from '../model/relation-id.js';
import type { ServicePlan } from '../model/plan.js';
import type { StatementText } from './statement-splitter.js';
import type { ReferenceProbe, TransactionWatch, WatchOptions, WorkloadReader } from './usage.js';

/** Opaque outside its engine: an LSN, a GTID set, a trigger-log id. Text, so that it fits any checkpoint. */
export type Position = string & { readonly position?: never };

/** Which way a stream runs: legacy → service, or back. Each has its own publication, slot and checkpoint. */
export type Direction = 'forward' | 'reverse';

export interface Capabilities {
  /** Changes of several relations in one transaction can be created and rolled back as DDL. Default true. */
  readonly transactionalDdl: boolean;
  /**
   * How writes are refused: `lock` (PostgreSQL: locks held to the commit, which makes the fence) or `control-row` (MySQL family: triggers that
   * are there before, and read a row that the commit updates; see Fence.arm).
   */
  readonly fenceKind: 'lock' | 'control-row';
  /** Several sessions can share one consistent view. */
  readonly sharedSnapshots: boolean;
  /** Log-based capture is available at all. */
  readonly logCapture: boolean;
  readonly triggerCapture: boolean;
  /** A schema of the model is a database of the server: a service's relations live in the one that its target names. */
  readonly schemasAreDatabases: boolean;
  /** A maximum safe number of parallel chunk streams; undefined: no bound of the engine's own. */
  readonly maxParallelChunks?: number;
}

/** One engine (a literal entry of engines/registry.ts, loaded on first use). */
export interface Engine {
  readonly name: EngineName;
  readonly capabilities: Capabilities;
  /** All roles, for a process that may write. `owner` names who is at work, for the server's session list. */
  open(target: ConnectionTarget, options: OpenOptions): Promise<Database>;
  /** A session that the server itself holds read-only *and* that lacks every mutating role. */
  openReadOnly(target: ConnectionTarget, options: OpenOptions): Promise<ReadOnlyDatabase>;
  /** False when the server is there and the database is not. */
  databaseExists(target: ConnectionTarget, options: OpenOptions): Promise<boolean>;
  /** Needs the right to create databases only when there is something to create. @returns true when this call created it. */
  createDatabaseIfMissing(target: ConnectionTarget, options: OpenOptions): Promise<boolean>;
  readonly ddl: Ddl;
  readonly dumpReader?: DumpReader;
  readonly statementReader?: StatementReader;
}

export interface OpenOptions {
  readonly applicationName: string;
  readonly signal?: AbortSignal;
  /** Most connections this handle opens for itself (replication and lock sessions come on top). Default 4. */
  readonly poolSize?: number;
  /** Give up connecting after this long. Default 10 000. */
  readonly connectTimeoutMs?: number;
  /** How changes are captured: from the server's log, or by triggers where the log is out of reach. Default `log`. */
  readonly capture?: CaptureMethod;
}

export type CaptureMethod = 'log' | 'trigger';

export interface ReadOnlyDatabase {
  readonly engine: EngineName;
  readonly target: ConnectionTarget;
  readonly capabilities: Capabilities;
  readonly introspector: Introspector;
  readonly checksum: Checksum;
  readonly preflight: Preflight;
  readonly workload?: WorkloadReader;
  readonly references?: ReferenceProbe;
  readonly traces?: TraceReader;
  /** The halves of the mutating roles that only look: status, guards and --dry-run use nothing else. */
  readonly control: ControlReader;
  readonly changes: CaptureObserver;
  readonly fence: FenceObserver;
  close(): Promise<void>;
}

export interface Database extends ReadOnlyDatabase {
  readonly control: Control;
  readonly ddlRunner: DdlRunner;
  readonly snapshot: Snapshot;
  readonly changes: ChangeSource;
  readonly sink: SinkFactory;
  readonly fence: Fence;
  readonly retirement: Retirement;
  readonly traces?: TraceRemover;
}

// ---------------------------------------------------------------- introspection

export interface Introspector {
  /** @param schemas undefined: every schema that is not the server's or dbps's own. */
  read(options: IntrospectOptions): Promise<DatabaseSchema>;
  /** Only the named relations with all partitions and inheritance children, and only what a fingerprint is made of: fast. */
  readRelations(relations: readonly RelationId[]): Promise<DatabaseSchema>;
}

export interface IntrospectOptions {
  readonly schemas?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface DumpReader {
  /** Never throws for a statement it cannot read: that becomes `unsupported` with its line. */
  read(source: DumpSource): Promise<DatabaseSchema>;
}

export interface DumpSource {
  readonly path: string;
  readonly defaultSchema?: string;
  readonly signal?: AbortSignal;
}

/** Reads statements of applications with the engine's grammar; connects to nothing. */
export interface StatementReader {
  /** A script into its statements, as they stand. Never fails: what is no statement is found by reading it. */
  split(text: string): readonly StatementText[];
  /** One entry a text, null where it could not be read (cut off, another dialect). A text may hold several statements. */
  read(texts: readonly string[]): Promise<readonly (StatementUse | null)[]>;
}

/** A name as the statement wrote it: `schema` undefined where the search path decides. */
export interface WrittenName {
  readonly schema?: string;
  readonly name: string;
}

/** What a statement touches, before names are resolved against a schema. */
export interface StatementUse {
  readonly reads: readonly WrittenName[];
  readonly writes: readonly WrittenName[];
  /** Columns compared for equality across two relations. */
  readonly joins: readonly {
    readonly left: WrittenName;
    readonly leftColumn: string;
    readonly right: WrittenName;
    readonly rightColumn: string;
  }[];
  /** Columns read, `*` for all. A bare name is listed for each relation in its scope: the schema tells which one has it. */
  readonly columns: readonly { readonly relation: WrittenName; readonly column: string }[];
  readonly calls: readonly WrittenName[];
  /** True when the text opens, commits or rolls back a transaction. */
  readonly isTransactionControl: boolean;
}

// ---------------------------------------------------------------- data definition

/** A statement that is going to be run, with why and how to take it back: what --dry-run prints. */
export interface Statement {
  readonly sql: string;
  readonly purpose: string;
  /** SQL that undoes it, or null where nothing needs undoing. */
  readonly undo: string | null;
  /** Statements of one group run in one transaction where the engine can. */
  readonly group: string;
  /** A query that returns a row when the effect is there already: the statement is then skipped, so that a run can be repeated. */
  readonly unless?: string;
}

/** Plans statements; runs nothing. Pure. */
export interface Ddl {
  quote(identifier: string): string;
  /** Routines may share a name, and are dropped with the types of their arguments. */
  readonly hasOverloads: boolean;
  /**
   * The whole schema of a service on an empty database: schemas, extensions, types, sequences, tables with
   * columns, keys, checks, indexes, foreign keys inside the service, views, routines, triggers, policies,
   * grants, comments. In load order; `stage` says when during a migration each may exist (docs/protocol.md).
   */
  createService(plan: ServicePlan): readonly StagedStatement[];
  /** How this engine would hold a schema that another engine has: same names, its own types. What it cannot hold is noted, never dropped in silence. */
  readonly adopt: (schema: DatabaseSchema) => AdoptedSchema;
  /** Difference between two shapes of the same objects, as statements, empty when equal. */
  alter(from: DatabaseSchema, to: DatabaseSchema): readonly Statement[];
}

export interface AdoptedSchema {
  readonly schema: DatabaseSchema;
  /** Counters by the name they have here → in the other schema. */
  readonly sequences: Readonly<Record<RelationId, RelationId>>;
  readonly notes: readonly AdoptionNote[];
}

/** `loss`: a type holds or checks less. `left-out`: an object is not carried over. */
export interface AdoptionNote {
  readonly kind: 'loss' | 'left-out';
  /** `orders.total`, `view order_overview`. */
  readonly subject: string;
  readonly relation?: RelationId;
  readonly what: string;
}

/**
 * `base`: before the copy (roles, types, sequences, routines, bare tables, grants on them).
 * `key`: the index that identifies rows (after a relation's chunks, before replay).
 * `index`: non-unique indexes (may overlap the copy).
 * `constraint`: other unique, exclusion and check constraints, then views (after convergence, apply paused).
 * `open`: user triggers, rules, row-level security, foreign keys without looking at the rows (in or after the transaction that opens it).
 * `validate`: looks at the rows for the foreign keys, without stopping writers (after the cutover).
 */
export type Stage = 'base' | 'key' | 'index' | 'constraint' | 'open' | 'validate';

export interface StagedStatement extends Statement {
  readonly stage: Stage;
  readonly relation?: RelationId;
}

/** Runs planned statements, each group in one transaction that begins with the epoch check. */
export interface DdlRunner {
  /** Run again after a crash: a statement whose object is there already is passed over. */
  run(statements: readonly Statement[], owner: Ownership, signal?: AbortSignal): Promise<void>;
  /** The statements' `undo`, last first; what is not there is passed over. */
  undo(statements: readonly Statement[], owner: Ownership, signal?: AbortSignal): Promise<void>;
}

// ---------------------------------------------------------------- identity

/** Who writes: every transaction of dbps locks this service's epoch row first and aborts when it is not its own. */
export interface Ownership {
  readonly service: string;
  readonly epoch: number;
}

export interface ControlReader {
  isInstalled(): Promise<boolean>;
  readEpoch(service: string): Promise<number | null>;
  readCheckpoint(service: string, direction: Direction): Promise<Checkpoint | null>;
  /** Per relation, as committed with the chunks; empty before the copy. */
  readCopyProgress(service: string): Promise<readonly CopyProgress[]>;
  /** Sizes of the durable sets of keys: to be healed, and changed since they were last verified. */
  readKeySets(
    service: string,
    direction: Direction,
  ): Promise<{ readonly heal: number; readonly changed: number }>;
  /** Keys changed since they were last verified, oldest first; an empty key stands for the whole relation. `map` as in the stream. */
  readChangedKeys(stream: StreamIdentity, map: RelationMap, limit: number): Promise<readonly Key[]>;
}

/** dbps's own tables beside the data: epoch, checkpoint, barrier, chunk, heal and changed-key sets, spool. */
export interface Control extends ControlReader {
  /** Idempotent, and safe when two processes race. Records the service's epoch row if missing. */
  install(service: string): Promise<void>;
  /** Drops this service's rows; drops the schema with the last service's. */
  remove(owner: Ownership): Promise<void>;
  /** Drops what was kept for one direction on the side that is written: checkpoint, chunks, spool, sets of keys. Idempotent. */
  forgetStream(owner: Ownership, direction: Direction): Promise<void>;
  /** Raises the epoch and thereby waits for every open transaction of a former owner. */
  raiseEpoch(owner: Ownership): Promise<void>;
  /** Commits a barrier row with a fresh nonce; seeing it on the other side proves everything before it arrived. */
  writeBarrier(owner: Ownership, nonce: string): Promise<void>;
}

/** The last position durably applied, with everything that must match before streaming may go on from it. */
export interface Checkpoint {
  readonly service: string;
  readonly direction: Direction;
  readonly epoch: number;
  /** Applied to the data. */
  readonly applied: Position;
  /** Received and durable (equals `applied` unless changes are spooled during a copy). */
  readonly received: Position;
  /** Identity of the source: system identifier, timeline, slot or server id, and a nonce of dbps's own. */
  readonly source: Readonly<Record<string, string>>;
  readonly updatedAt: string;
}

// ---------------------------------------------------------------- relations on the move

/** How one relation is read here and written there. Column lists leave generated columns out. */
export interface RelationMap {
  /** Name in legacy and in the service; equal unless the plan says otherwise. */
  readonly source: RelationId;
  readonly target: RelationId;
  readonly columns: readonly ColumnMap[];
  /** Columns of the key (replica identity, or the primary key under FULL), in key order, by source name. */
  readonly key: readonly string[];
  /**
   * Leaves of a partitioned relation in the source; [source] for every other relation. A member of a plain inheritance tree has
   * rows and columns of its own, so each has a map of its own: read it with ONLY (never wrong unless it is partitioned).
   */
  readonly leaves: readonly RelationId[];
  /** Unique keys other than `key` exist or a constraint is deferrable: merged batches may have to be unmerged. */
  readonly hasOtherUniqueness: boolean;
}

export interface ColumnMap {
  readonly name: string;
  readonly target: string;
  readonly sourceType: string;
  readonly targetType: string;
}

// ---------------------------------------------------------------- copy

/** A half-open range of the key, `null` = unbounded, in the engine's canonical text per key column. */
export interface Chunk {
  readonly relation: RelationId;
  readonly index: number;
  readonly from: readonly string[] | null;
  readonly to: readonly string[] | null;
  readonly estimatedRows: number;
}

/** Bytes between equal engines (`binary` when all column types are the same, else `text`), rows across engines. */
export type ChunkFormat = 'postgres-binary' | 'postgres-text' | 'mysql-load' | 'rows';

export interface Snapshot {
  readonly formats: readonly ChunkFormat[];
  /** The fastest of the accepted formats that keeps every column's value: binary only where both sides mean the same by it. */
  chunkFormat(map: RelationMap, accepted: readonly ChunkFormat[]): Promise<ChunkFormat>;
  /** Splits by key into ranges of about `rowsPerChunk`; a relation without rows gives one chunk. Resumable: same input, same cuts is NOT promised. */
  planChunks(map: RelationMap, rowsPerChunk: number, signal?: AbortSignal): Promise<readonly Chunk[]>;
  /**
   * Blocks until every transaction that could have committed before capture began is visible (docs/protocol.md, copy).
   */
  waitUntilVisible(since: string, signal?: AbortSignal): Promise<void>;
  /** Token for waitUntilVisible: who was running when capture began. */
  currentSnapshot(): Promise<string>;
  readChunk(map: RelationMap, chunk: Chunk, format: ChunkFormat, signal?: AbortSignal): Promise<ChunkReader>;
  /** One row by key, as chunks of one: used by the heal set. */
  readKeys(
    map: RelationMap,
    keys: readonly Key[],
    format: ChunkFormat,
    signal?: AbortSignal,
  ): Promise<ChunkReader>;
}

export interface ChunkReader {
  readonly format: ChunkFormat;
  /** Buffers for byte formats; arrays of rows for `rows`. */
  readonly data: AsyncIterable<Buffer | readonly (readonly Value[])[]>;
  /** After `data` ended: the source's insert position, and what was read. */
  finish(): Promise<{ readonly position: Position; readonly rows: number }>;
  cancel(): Promise<void>;
}

// ---------------------------------------------------------------- changes

/** A column's value in the engine's canonical text; null is SQL NULL; UNCHANGED: stored out of line and not in the log. */
export const UNCHANGED: unique symbol = Symbol('unchanged out-of-line value');
export type Value = string | null | typeof UNCHANGED;
export type Key = readonly string[];

export type Change =
  /** `values` in the order of the map's columns. */
  | { readonly kind: 'insert'; readonly map: RelationMap; readonly values: readonly Value[] }
  /** `oldKey` only when the key changed. */
  | {
      readonly kind: 'update';
      readonly map: RelationMap;
      readonly values: readonly Value[];
      readonly oldKey: Key | null;
    }
  | { readonly kind: 'delete'; readonly map: RelationMap; readonly key: Key }
  /** A leaf's truncate names the leaf; restart identity and cascade as in the log. */
  | {
      readonly kind: 'truncate';
      readonly maps: readonly RelationMap[];
      readonly leaves: readonly RelationId[];
    };

/** A committed transaction of the source, in commit order; large ones arrive in several pieces, `last` on the final one. */
export interface ChangeTransaction {
  readonly commit: Position;
  /** Where streaming goes on after it. */
  readonly end: Position;
  readonly committedAtMs: number;
  /** True when it began with a change of dbps's checkpoint or chunk table: written by dbps, not by an application. */
  readonly isOwn: boolean;
  readonly changes: readonly Change[];
  readonly barriers: readonly string[];
  readonly last: boolean;
  /** Bytes in the log's form, for budgets and rates. */
  readonly bytes: number;
}

export interface StreamIdentity {
  readonly service: string;
  readonly direction: Direction;
}

export interface CaptureObserver {
  /**
   * Its streams can hand out what dbps itself applied for another service, which feeds copies of relations that are kept current that way
   * (StreamOptions.followsApplied). Absent: dbps's own are all alike to it.
   */
  readonly followsApplied?: true;
  /** null when there is no such capture. */
  status(stream: StreamIdentity): Promise<CaptureStatus | null>;
  currentPosition(): Promise<Position>;
  /** GTID sets are only partly ordered: ask, never compare. */
  reached(current: Position, target: Position): boolean;
  /** Bytes between two positions, null where the engine cannot say. */
  distance(from: Position, to: Position): number | null;
}

export interface ChangeSource extends CaptureObserver {
  /** Makes the publication, then the slot (idempotent); returns the position where streaming begins, and the source identity. */
  prepare(
    stream: StreamIdentity,
    maps: readonly RelationMap[],
    owner: Ownership,
    signal?: AbortSignal,
  ): Promise<PreparedCapture>;
  /** Refuses (RefusedError) when the start would skip: checkpoint below what was confirmed, lost slot, another system or timeline. */
  stream(options: StreamOptions): Promise<ChangeStream>;
  /** Idempotent: drops publication and slot. */
  teardown(stream: StreamIdentity, owner: Ownership): Promise<void>;
  /**
   * Committed transactions from now on, each as the relations that it writes, for `analyze --observe`: no service, no plan, no rows. What it makes on
   * the server goes with its session, however that ends. Absent where an engine cannot promise that.
   */
  watch?(options: WatchOptions): Promise<TransactionWatch>;
}

export interface PreparedCapture {
  readonly start: Position;
  readonly identity: Readonly<Record<string, string>>;
  /** False when it had been there already. */
  readonly created: boolean;
}

export interface CaptureStatus {
  /** What keeps the changes on this server, in words: `slot dbps_…_fwd`, `binary log from binlog.000007`, `change log dbps.change_log_…`. */
  readonly name: string;
  readonly isActive: boolean;
  readonly confirmed: Position;
  /** Log kept because of it, bytes; null where unknown. */
  readonly retainedBytes: number | null;
  readonly isLost: boolean;
  /** How what is captured was changed behind dbps's back: from then on changes may be missing for good. Absent: it was not. */
  readonly altered?: string;
  /** Absent: from the log. */
  readonly method?: CaptureMethod;
  readonly identity: Readonly<Record<string, string>>;
}

export interface StreamOptions {
  readonly stream: StreamIdentity;
  readonly maps: readonly RelationMap[];
  readonly checkpoint: Checkpoint;
  readonly signal: AbortSignal;
  /** Only what dbps wrote for this very service is its own; what it applies for others is a change like any other. */
  readonly followsApplied?: true;
  /** Pieces of a large transaction are cut at about this many changes. Default 20 000. */
  readonly maxChanges?: number;
}

/** Pull-based, so that a slow target slows the socket: nothing is buffered without bound. */
export interface ChangeStream extends AsyncIterable<ChangeTransaction> {
  /** Only what is durable on the other side. */
  acknowledge(position: Position): void;
  /** The log's head as last told by the server. */
  readonly head: Position;
  /** An idle position that can be made durable and then acknowledged (keep-alives), or null. */
  idlePosition(): Position | null;
  close(): Promise<void>;
}

// ---------------------------------------------------------------- sink

export interface SinkFactory {
  /** Writes of one service and direction, under one owner's epoch. */
  open(options: SinkOptions): Promise<Sink>;
}

export interface SinkOptions {
  readonly stream: StreamIdentity;
  readonly owner: Ownership;
  readonly maps: readonly RelationMap[];
}

export interface Sink {
  readonly formats: readonly ChunkFormat[];
  /** First call for a stream: writes the checkpoint row. */
  begin(capture: PreparedCapture): Promise<Checkpoint>;
  checkpoint(): Promise<Checkpoint>;

  /** One transaction: epoch, the chunk's mark and progress, the rows. A chunk already there is skipped. */
  writeChunk(
    map: RelationMap,
    chunk: Chunk,
    reader: ChunkReader,
    signal?: AbortSignal,
  ): Promise<{ readonly rows: number; readonly bytes: number }>;
  copyProgress(): Promise<readonly CopyProgress[]>;
  /** The relation's planned chunks in key order; empty when none were recorded yet. */
  recordedChunks(map: RelationMap): Promise<readonly RecordedChunk[]>;
  /** Records the planned chunks of a relation once, and returns those on record: a resumed copy uses the same cuts. */
  recordChunks(map: RelationMap, chunks: readonly Chunk[]): Promise<readonly RecordedChunk[]>;
  /** Statistics for the planner, after a relation's chunks: without them the first queries of the service go astray. */
  analyze(map: RelationMap): Promise<void>;
  /** Removes rows and progress of one relation, to copy it again. */
  resetRelation(map: RelationMap): Promise<void>;

  /** Durable without being applied; advances `received`. */
  spool(transactions: readonly ChangeTransaction[], received: Position): Promise<void>;
  /** Spooled transactions in order. A segment is removed by the batch that applies it (ApplyBatch.spooled). */
  readSpool(signal?: AbortSignal): AsyncIterable<SpoolSegment>;

  /** One target transaction (all pieces of a large one): mark and checkpoint first, then net changes, then the changed keys. */
  apply(batch: ApplyBatch): Promise<ApplyOutcome>;
  /** Persists an idle position without data. */
  advance(position: Position): Promise<void>;
  /** Where the source stood at each read of it (chunks, healed rows): replay that has passed all of them, with nothing left to heal, has converged. */
  readPositions(): Promise<readonly Position[]>;

  readonly heal: KeySet;
  readonly changed: KeySet;
  /** Rewrites the rows of heal keys as read from the source and clears them from the set, in one transaction. */
  healRows(map: RelationMap, keys: readonly Key[], reader: ChunkReader): Promise<void>;
  close(): Promise<void>;
}

export interface RecordedChunk extends Chunk {
  readonly isDone: boolean;
}

export interface CopyProgress {
  readonly relation: RelationId;
  readonly chunks: number;
  readonly done: number;
  readonly rows: number;
  readonly bytes: number;
  /** The greatest of its chunks' source positions; null until one is done. */
  readonly position: Position | null;
}

/** Spooled together, applied together. */
export interface SpoolSegment {
  readonly id: string;
  readonly transactions: readonly ChangeTransaction[];
}

export interface ApplyBatch {
  readonly transactions: AsyncIterable<ChangeTransaction> | Iterable<ChangeTransaction>;
  /** Where the checkpoint goes; null: to the end of the last transaction, which is not known before its last piece. */
  readonly end: Position | null;
  /** The last spool segment in it, read when the transactions have ended: it and those before it are removed in the same transaction. */
  readonly spooled?: { readonly through: string };
  /**
   * Until convergence an update that finds no row, or a key change, goes to the heal set. @see unsettled
   */
  readonly isConverged: boolean;
  /** Before convergence, the keys for which that holds; undefined: every key. All others are exact already. */
  readonly unsettled?: UnsettledKeys;
}

/** Keys whose rows on the other side may be newer than what is being replayed, or missing. */
export interface UnsettledKeys {
  has(map: RelationMap, key: Key): boolean;
  /** Told by the sink of each key that it puts into the heal set. */
  add(map: RelationMap, keys: readonly Key[]): void;
}

export interface ApplyOutcome {
  readonly changes: number;
  readonly statements: number;
  /** True when a unique violation made it apply in source order instead of merged. */
  readonly wasUnmerged: boolean;
}

/** A durable set of row keys beside the checkpoint. */
export interface KeySet {
  size(): Promise<number>;
  /** Of heal sets only: rows that are to be read again from the source and rewritten, whatever is here. */
  add?(map: RelationMap, keys: readonly Key[]): Promise<void>;
  take(map: RelationMap, limit: number): Promise<readonly Key[]>;
  /** Keys handled, if they have not been added again since they were taken. */
  remove(map: RelationMap, keys: readonly Key[]): Promise<void>;
}

// ---------------------------------------------------------------- verification

export type Side = 'source' | 'target';

/**
 * Within one engine, keys and values are in the engine's own text. Across engines (`peer` is another one) they are in canonical text
 * (model/canonical-kinds.ts), in every argument and result.
 */
export interface Checksum {
  /**
   * How this side would compare each column, and which it cannot. Both sides are asked, and what both can do is done
   * (verification/compare-methods.ts). `isStrict`: values that are equal but look different (numeric 1.0 and 1.00) differ too.
   */
  method(map: RelationMap, side: Side, options: MethodOptions): Promise<ChecksumMethod>;
  /** Cuts for comparison from this side's data; half-open, together covering everything. */
  ranges(
    map: RelationMap,
    rowsPerChunk: number,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly Chunk[]>;
  /** Row count and an order-free hash of one range. `side` says whose column names and relation to use. */
  hash(
    map: RelationMap,
    chunk: Chunk,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<RangeHash>;
  count(map: RelationMap, side: Side, signal?: AbortSignal): Promise<number>;
  /** A hash for each row of a range, in no order. */
  rowHashes(
    map: RelationMap,
    chunk: Chunk,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly RowHash[]>;
  /** The same for given keys; keys without a row are left out. */
  keyHashes(
    map: RelationMap,
    keys: readonly Key[],
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly RowHash[]>;
  /** Whole rows, to show and to repair: a value for each of the map's columns, null for those that are not compared. */
  rows(
    map: RelationMap,
    keys: readonly Key[],
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly ComparedRow[]>;
  /** SQL of this engine that makes this side's row equal to `values` (null: delete it); a comment where columns are not compared. */
  repairSql(
    map: RelationMap,
    key: Key,
    values: readonly (string | null)[] | null,
    method: ChecksumMethod,
    side: Side,
  ): string;
  /**
   * Values of the columns that more than one row holds, at most `limit`. For unique keys that are not checked row by row while changes are applied;
   * absent where the engine has no such keys.
   */
  duplicates?(key: DuplicateQuery, limit: number, signal?: AbortSignal): Promise<readonly Key[]>;
  /** What goes around such statements, so that the closed fence lets them pass and nothing of them is carried back as a write of an application. */
  repairFrame(service: string, direction: Direction): { readonly before: string; readonly after: string };
  orphans(reference: OrphanQuery, limit: number, signal?: AbortSignal): Promise<OrphanResult>;
  sequences(ids: readonly RelationId[], signal?: AbortSignal): Promise<readonly SequenceState[]>;
}

export interface MethodOptions {
  readonly isStrict: boolean;
  readonly peer: EngineName;
}

export interface ChecksumMethod {
  readonly name: string;
  /** Each compared column, by its source name. `as` is the engine's word for how; sides with different words compare text. */
  readonly columns: readonly {
    readonly column: string;
    readonly as: string;
    /** What counts as equal although it is written differently, if anything. */
    readonly note?: string;
  }[];
  /**
   * How this side orders each column of the key (its collation and version). Columns on which the sides agree share ranges in that order;
   * others use `bytes`, which no index serves.
   */
  readonly order: readonly string[];
  /** Columns left out, each with the reason: always shown. */
  readonly notCompared: readonly { readonly column: string; readonly reason: string }[];
}

export interface RangeHash {
  readonly rows: number;
  readonly hash: string;
}

export interface RowHash {
  readonly key: Key;
  readonly hash: string;
}

export interface ComparedRow {
  readonly key: Key;
  readonly values: readonly (string | null)[];
}

export interface OrphanQuery {
  readonly child: RelationId;
  readonly childColumns: readonly string[];
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
}

export interface DuplicateQuery {
  readonly relation: RelationId;
  readonly columns: readonly string[];
  /** Two rows without a value are two rows of the same value. */
  readonly nullsNotDistinct: boolean;
}

export interface OrphanResult {
  readonly count: number;
  readonly sample: readonly Key[];
}

export interface SequenceState {
  readonly id: RelationId;
  /** Next value it would give, as text. */
  readonly next: string;
  readonly increment: string;
  readonly minimum: string;
  readonly maximum: string;
  readonly cache: string;
}

// ---------------------------------------------------------------- fence and cutover

/** Observed, not remembered: what the database itself says about who may write. */
export interface FenceState {
  readonly relation: RelationId;
  readonly state: 'absent' | 'open' | 'closed' | 'damaged';
  readonly detail?: string;
}

/** What a read-only session can say of fences: for status, guards and --dry-run. */
export interface FenceObserver {
  observe(service: string, relations: readonly RelationId[]): Promise<readonly FenceState[]>;
  /**
   * Everything that would stop a fence from closing over these relations, or let writers round it (error), and who could take it away
   * (warning).
   */
  assess(request: FenceRequest): Promise<readonly Finding[]>;
  /** This database's row of who owns the service's writes; null when there is none. */
  ownership(service: string): Promise<OwnershipRow | null>;
  /** Sequences that a closed fence has bounded, with the bounds that opening restores. */
  fencedSequences(service: string): Promise<readonly Pick<SequenceState, 'id' | 'minimum' | 'maximum'>[]>;
  /** Sessions other than dbps's own that touch the relations now. */
  access(relations: readonly RelationId[]): Promise<readonly RelationAccess[]>;
  /** What the server has counted of statements that name the relations, of all roles but dbps's own. Absent: it counts none. */
  usage?(relations: readonly RelationId[]): Promise<RelationUsage>;
}

export interface RelationUsage {
  /** One a statement and role; null where the server does not count, or does not show. */
  readonly counts: readonly { readonly id: string; readonly user: string; readonly calls: number }[] | null;
  /** Why not, for people. */
  readonly reason?: string;
}

export interface FenceRequest {
  readonly service: string;
  readonly relations: readonly RelationId[];
  readonly sequences: readonly RelationId[];
}

/**
 * Each database says whether it owns a service's writes; the row changes in the transaction that closes or opens its fence. The row with
 * the higher revision is the newer truth, so that two rows that disagree say which way to roll forward.
 */
export interface OwnershipRow {
  readonly owner: 'legacy' | 'service';
  readonly epoch: number;
  readonly revision: number;
}

export interface RelationAccess {
  readonly relation: RelationId;
  readonly user: string;
  readonly detail: string;
}

/**
 * Refuses writes to a service's relations with all their descendants. Every closing holds locks that drain writers first; opening is a body
 * swap, for which nobody waits.
 */
export interface Fence extends FenceObserver {
  /**
   * Where the fence is a control row: all of it that takes DDL, well before a cutover, while nobody waits. The triggers (they let everybody
   * through until the row says otherwise) and of what the opening was to create all that may be there before. Idempotent; absent where the
   * commit itself makes the fence. @returns what had to be done, in words.
   */
  arm?(
    owner: Ownership,
    relations: readonly RelationId[],
    options: Pick<FenceOptions, 'applier'>,
    signal?: AbortSignal,
  ): Promise<readonly string[]>;
  /** Puts the service's relations behind a closed fence at once (the target, before anything owns it). */
  close(owner: Ownership, relations: readonly RelationId[], options: CloseOptions): Promise<void>;
  /**
   * One transaction: body swap, user triggers enabled, foreign keys restored (not yet validated), ownership row written. Idempotent.
   * @throws RefusedError when the ownership row already holds a higher revision.
   */
  open(owner: Ownership, relations: readonly RelationId[], options: OpenFenceOptions): Promise<void>;
  /** Removes it in small retries. Idempotent. */
  remove(owner: Ownership, relations: readonly RelationId[], signal?: AbortSignal): Promise<void>;
  /** One session that holds writers of all relations waiting until it commits or dies. */
  hold(owner: Ownership, relations: readonly RelationId[], options: HoldOptions): Promise<HeldFence>;
  /**
   * Zero-row writes, rolled back: proves that writing works, or names what refuses. As the given role, with just the writes it was
   * granted; undefined: as this session's own, without the applier's pass.
   */
  proveWritable(
    relations: readonly RelationId[],
    role?: string,
  ): Promise<readonly { readonly relation: RelationId; readonly error: string }[]>;

  /**
   * Makes the closed side fit to be applied to: identities take the owner's values, and where the applier cannot be a replica, foreign keys among
   * the relations go. Remembered, as by detachKeys. Idempotent.
   */
  prepareApplier(
    owner: Ownership,
    relations: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<readonly string[]>;
  /**
   * Takes foreign keys away in small retries (readers would queue behind one long wait) and remembers them: `inner` keys have both ends among
   * the relations, `crossing` ones exactly one. Idempotent.
   */
  detachKeys(
    owner: Ownership,
    relations: readonly RelationId[],
    scope: KeyScope,
    signal?: AbortSignal,
  ): Promise<readonly string[]>;
  /** Restores what detachKeys took and opening could not do at once; then validates. A key that rows break is returned, and stays unvalidated. */
  attachKeys(
    owner: Ownership,
    relations: readonly RelationId[],
    scope: KeyScope,
    signal?: AbortSignal,
  ): Promise<readonly BrokenKey[]>;

  /** Sets sequences so that none gives a value the other side has given, and lifts their fence. @throws RefusedError without room. */
  advanceSequences(owner: Ownership, advances: readonly SequenceAdvance[]): Promise<void>;
}

/** Takes relations away for good, in small retries: readers that are still there must not queue behind it. */
export interface Retirement {
  /** Takes every privilege from everybody but the owner, then renames (`dbps_retired_…`), so that whoever still uses one is heard of. */
  retire(
    owner: Ownership,
    relations: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<readonly RetiredRelation[]>;
  retired(service: string): Promise<readonly RetiredRelation[]>;
  /** Drops what was retired. @throws RefusedError when something depends on it (RESTRICT). */
  drop(owner: Ownership, signal?: AbortSignal): Promise<void>;
}

export interface RetiredRelation {
  readonly relation: RelationId;
  readonly renamedTo: RelationId;
  readonly at: string;
}

export type KeyScope = 'inner' | 'crossing';

export interface BrokenKey {
  readonly relation: RelationId;
  readonly name: string;
  readonly error: string;
  /** What to do once the rows are mended, in this engine's SQL where it takes any. */
  readonly remedy: string;
}

export interface SequenceAdvance {
  readonly id: RelationId;
  /** What the other side would have given next. */
  readonly peer: SequenceState;
  /** Sessions of the other side that may still hold cached values. */
  readonly clients: number;
}

export interface FenceOptions {
  /** Session user that passes, in sessions that dbps opened: the applier's. */
  readonly applier: string;
  readonly lockTimeoutMs: number;
  /** What the error tells an application that is refused. */
  readonly message: string;
}

export interface CloseOptions extends FenceOptions {
  /** Who owns the writes meanwhile. */
  readonly newOwner: 'legacy' | 'service';
  /**
   * Run by the opening: in its transaction, so that triggers and keys hold from the first write on; what would have to wait for readers
   * and only makes the shape stricter (identity) by attachKeys.
   */
  readonly whenOpening?: readonly Pick<Statement, 'sql' | 'unless'>[];
}

export interface DetachedKey {
  readonly relation: RelationId;
  readonly name: string;
  /** `FOREIGN KEY (…) REFERENCES …`, without NOT VALID. */
  readonly definition: string;
  /** False: it was not valid before either, and stays so. */
  readonly isValidated: boolean;
}

export interface OpenFenceOptions extends FenceOptions {
  readonly ownership: OwnershipRow;
}

export interface HoldOptions extends FenceOptions {
  /** The server ends the session (and with it the locks) when dbps is silent this long. */
  readonly pauseBudgetMs: number;
  readonly attempts: number;
  /** Held too, so that they cannot move and can be fenced at the commit. */
  readonly sequences: readonly RelationId[];
  readonly signal?: AbortSignal;
}

/** From here writers wait; nobody gets an error. Dropping it is a rollback by the server. */
export interface HeldFence {
  /** Since the attempt that succeeded began to lock: how long writers may have waited by now. */
  heldMs(): number;
  readonly attempts: number;
  /** Relations with all descendants, listed behind the locks. */
  readonly relations: readonly RelationId[];
  /** As they stand behind the locks. */
  readonly sequences: readonly SequenceState[];
  /** Sessions on this database, as a bound for who may hold cached sequence values. */
  readonly clients: number;
  /** The schema as it stands under the locks. */
  fingerprint(): Promise<string>;
  /**
   * The commit point, one transaction: fence triggers, sequences fenced, user triggers off, ownership by compare-and-set with the epoch, the
   * opposite stream's checkpoint stored, COMMIT. Resolves only when the outcome is known; a lost answer is settled by locking and reading the
   * ownership row. @throws InterruptedError when the row cannot be read.
   */
  commit(commitPoint: CommitPoint): Promise<'committed' | 'not-committed'>;
  /** Idempotent; also after the session was lost. */
  rollback(): Promise<void>;
}

export interface CommitPoint {
  readonly newOwner: 'legacy' | 'service';
  readonly expectedOwner: 'legacy' | 'service';
  /** The other database's revision: the new one is higher than both. */
  readonly peerRevision: number;
  /** Where the opposite stream starts. */
  readonly reverseStart: Checkpoint;
  /** Called when everything but COMMIT has been done: tests stop here. */
  readonly beforeCommit?: () => Promise<void>;
}

// ---------------------------------------------------------------- what dbps leaves in a database

/** An object that dbps made in a database: a slot, a publication, a fence, its control tables. */
export interface Trace {
  readonly kind: 'slot' | 'publication' | 'fence' | 'control';
  readonly name: string;
  /** null: for no service in particular. */
  readonly service: string | null;
  /** Somebody is using it now. */
  readonly isActive: boolean;
  /** Log kept because of it, bytes; null where it keeps none. */
  readonly retainedBytes: number | null;
}

export interface TraceReader {
  /** @param services the services that may have traces: what belongs to none of them is listed as `service: null`. */
  list(services: readonly string[]): Promise<readonly Trace[]>;
}

export interface TraceRemover extends TraceReader {
  /** Idempotent. Refuses what is in use. */
  remove(traces: readonly Trace[]): Promise<void>;
}

// ---------------------------------------------------------------- preflight

/** Reads facts and judges them; a check that could not look says so (that is not a problem found). */
export interface Preflight {
  checks(request: PreflightRequest): Promise<readonly PreflightCheck[]>;
  /** Those of the relations (and of what is below them) that rewrite what is written to them. Absent: the engine has no rules. */
  ruled?(relations: readonly RelationId[]): Promise<readonly RelationId[]>;
}

export interface PreflightRequest {
  readonly role: 'source' | 'target';
  readonly relations: readonly RelationId[];
  readonly service?: string;
  /** Relations that have rules, or will have them on this side: rows are applied to them as a replica only. */
  readonly ruled?: readonly RelationId[];
  /** What the configuration lets a slot hold back. */
  readonly walBudgetBytes?: number;
  readonly signal?: AbortSignal;
}

export interface PreflightCheck {
  readonly name: string;
  readonly outcome: 'ok' | 'problem' | 'skipped' | 'unknown';
  readonly detail: string;
  readonly finding?: Finding;
}
