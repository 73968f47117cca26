/**
 * The roles that a database engine plays, and nothing else: no SQL, no driver, no behaviour. Everything
 * above (migration, verification, app) talks to databases through these; everything that knows a dialect
 * lives in engines/<engine>/. A role that an engine lacks is absent, and a difference between engines is a
 * documented capability, never a test of the engine's name.
 *
 * Words: docs/architecture.md. Protocol: docs/protocol.md.
 */
import type { ConnectionTarget } from '../model/connection-target.js';
import type { TextRules } from '../model/text-rules.js';
import type { EngineName } from '../model/database-schema.js';
import type { CaptureMethod, CaptureObserver, ChangeSource } from './roles/changes.js';
import type { Checksum } from './roles/checksum.js';
import type { Ddl, DdlRunner } from './roles/ddl.js';
import type { Fence, FenceObserver, Retirement } from './roles/fence.js';
import type { Control, ControlReader } from './roles/identity.js';
import type { DumpReader, Introspector, StatementReader } from './roles/introspection.js';
import type { Preflight } from './roles/preflight.js';
import type { SinkFactory } from './roles/sink.js';
import type { Snapshot } from './roles/snapshot.js';
import type { TraceReader, TraceRemover } from './roles/traces.js';
import type { ReferenceProbe, WorkloadReader } from './usage.js';

export type * from './roles/checksum.js';
export type * from './roles/ddl.js';
export type * from './roles/fence.js';
export type * from './roles/identity.js';
export type * from './roles/introspection.js';
export type * from './roles/position.js';
export type * from './roles/preflight.js';
export type * from './roles/relation-map.js';
export type * from './roles/sink.js';
export type * from './roles/snapshot.js';
export type * from './roles/traces.js';
export type * from './roles/changes.js';
export { UNCHANGED } from './roles/changes.js';

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
  /**
   * Needs the right to create databases only when there is something to create. @returns true when this call created it.
   * @param like the shared database's, on the same engine: texts are to sort and change case as they did. Refused where the server cannot.
   */
  createDatabaseIfMissing(target: ConnectionTarget, options: OpenOptions, like?: TextRules): Promise<boolean>;
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
