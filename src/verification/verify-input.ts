/** What a comparison is given: two databases it may only read, and a way to let one catch up with the other. */
import type { Key, OrphanQuery, ReadOnlyDatabase, RelationMap, Side } from '../engines/engine.js';
import type { DatabaseSchema } from '../model/database-schema.js';
import type { EventSink } from '../model/events.js';
import type { RelationId } from '../model/relation-id.js';
import type { VerifyMode } from '../model/verification.js';

export type ComparedDatabase = Pick<ReadOnlyDatabase, 'engine' | 'checksum' | 'introspector'>;

export interface VerifyInput {
  readonly service: string;
  /** Legacy. */
  readonly source: ComparedDatabase;
  /** The service database. */
  readonly target: ComparedDatabase;
  /** Forward maps: source = legacy. */
  readonly maps: readonly RelationMap[];
  /** Which side owns the writes: its values are right, the other follows. */
  readonly owner: Side;
  readonly mode: VerifyMode;
  /** Resolves when everything the owner had committed at the call is applied on the other side. */
  readonly barrier: () => Promise<void>;
  /** `changed` mode: the durable set of keys that changed since they were last verified. */
  readonly changed?: ChangedKeys;
  /** References inside the service, by their names on either side: scanned for orphans in `full` mode. */
  readonly references?: readonly ComparedReference[];
  readonly sequences?: readonly { readonly source: RelationId; readonly target: RelationId }[];
  /** The service database's planned shape, and the schemas to read for comparing. */
  readonly expected?: DatabaseSchema;
  /** Rows of a range that is looked at row by row when it differs. */
  readonly chunkRows: number;
  /** Rows that one statement hashes: ranges side by side are hashed together up to so many. Default 250,000. */
  readonly hashedRows?: number;
  readonly jobs: number;
  /** How often a row is looked at before it is called different or unsettled. Default 4. */
  readonly rounds?: number;
  /** Values that are equal but look different (numeric 1.0 and 1.00) differ. Default false. */
  readonly isStrict?: boolean;
  /** `full` mode: of each relation only so many rows, in ranges of the key chosen at random. */
  readonly sample?: { readonly rows: number; readonly random: () => number };
  /** `full` mode: only these keys of each relation (found different before); keys of the comparison or of either engine. */
  readonly keys?: ReadonlyMap<RelationId, readonly Key[]>;
  /** Told of every relation that was compared row by row: keys that differ or could not be settled. */
  readonly onCompared?: (relation: RelationId, differing: readonly Key[]) => void;
  /** Rows shown in full, for each relation. Default 20. */
  readonly shown?: number;
  readonly emit: EventSink;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export interface ChangedKeys {
  size(): Promise<number>;
  take(map: RelationMap, limit: number): Promise<readonly Key[]>;
  /** Absent where the caller may not write: keys found equal then stay in the set. */
  remove?(map: RelationMap, keys: readonly Key[]): Promise<void>;
}

export interface ComparedReference {
  readonly label: string;
  readonly source: OrphanQuery;
  readonly target: OrphanQuery;
}
