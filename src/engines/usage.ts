/**
 * How a database is used, for boundaries that are drawn from use: what the server has counted, what its data says about references that no key
 * declares, and what is written together while somebody watches. Interfaces only; the first two change nothing and work on a read-only session.
 */
import type { RelationId } from '../model/relation-id.js';

/** What the server has counted. Never fails because something may not be seen: that is a gap, with what would close it. */
export interface WorkloadReader {
  read(signal?: AbortSignal): Promise<ServerWorkload>;
}

export interface ServerWorkload {
  /** What counts statements: `pg_stat_statements`, `performance_schema`. null: nothing does that this session may read. */
  readonly source: string | null;
  readonly statements: readonly WorkloadStatement[];
  /** How long statements have been counted, milliseconds; null: not known. */
  readonly statementsForMs: number | null;
  /** null: not counted, or not to be seen. */
  readonly writes: WriteCounts | null;
  /** Connections that accounts without special rights share; null: not known. */
  readonly maxConnections: number | null;
  /** Connections in use now. */
  readonly usedConnections: number | null;
  readonly gaps: readonly WorkloadGap[];
}

export interface WorkloadStatement {
  readonly sql: string;
  readonly calls: number;
  readonly totalMs: number;
  /** The role or account that sent it, where the server says so. */
  readonly user?: string;
  /** Where its names without a schema are looked for, where the server says so. */
  readonly schema?: string;
}

export interface WriteCounts {
  /** Counted for so long, milliseconds; null: not known. */
  readonly forMs: number | null;
  /** Rows inserted, updated and deleted; leaves of a partitioned relation by their own names. */
  readonly relations: readonly { readonly relation: RelationId; readonly rows: number }[];
}

export interface WorkloadGap {
  readonly what: 'statements' | 'texts' | 'users' | 'writes';
  readonly reason: string;
  /** What the user can type or do. */
  readonly remedy: string;
}

/** Asks a bounded sample of the data whether a column refers to another relation. Reads only. */
export interface ReferenceProbe {
  /** In the order of the candidates. */
  hitRates(
    candidates: readonly ReferenceCandidate[],
    options: ProbeOptions,
  ): Promise<readonly ReferenceProbed[]>;
}

export interface ReferenceCandidate {
  readonly child: RelationId;
  readonly column: string;
  readonly parent: RelationId;
  readonly parentColumn: string;
}

export interface ProbeOptions {
  /** Most distinct values looked at for each candidate. */
  readonly sampleValues: number;
  /** A candidate that takes longer is given up. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ReferenceProbed {
  /** Distinct values looked up. */
  readonly values: number;
  /** Share of them that the parent has; null: there were none, or they could not be looked up. */
  readonly hitRate: number | null;
  readonly reason?: string;
}

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** How often the server is asked. Default 1000. */
  readonly pollMs?: number;
}

/** Committed transactions as they happen. Ends when it is closed, or the signal says so. */
export interface TransactionWatch extends AsyncIterable<readonly WatchedTransaction[]> {
  /** What was made on the server for it, in words. It goes with the session, however that ends. */
  readonly made: string;
  close(): Promise<void>;
}

export interface WatchedTransaction {
  /** Relations that it wrote, each once; leaves of a partitioned relation by their own names. Transactions of dbps's own are left out. */
  readonly writes: readonly RelationId[];
}
