/** A decided split: what `plan` writes, `generate` renders and `migrate` carries out. Pure data, hashed. */
import type { DatabaseSchema, EngineName, ForeignKey } from './database-schema.js';
import type { Finding } from './finding.js';
import type { RelationId } from './relation-id.js';

export interface Plan {
  readonly version: 1;
  /** First 8 hex digits of the SHA-256 over everything below except createdAt; what --confirm tokens carry. */
  readonly hash: string;
  readonly createdAt: string;
  readonly source: {
    readonly engine: EngineName;
    readonly product: string;
    readonly schemas: readonly string[];
  };
  /** Fingerprint of the planned relations in the source at planning time; drift is a difference from it. */
  readonly fingerprint: string;
  /** In the order in which they should move. */
  readonly services: readonly ServicePlan[];
  /** References whose ends are in different services (or stay behind). */
  readonly crossings: readonly CrossingReference[];
  readonly findings: readonly Finding[];
}

export interface ServicePlan {
  readonly name: string;
  readonly order: number;
  readonly targetEngine: EngineName;
  /** Schema on the target that each source schema maps to. */
  readonly schemaMap: Readonly<Record<string, string>>;
  /** Owned relations: tables and partitioned roots, source names, sorted. */
  readonly relations: readonly RelationId[];
  /** Of these relations in the source at planning time: other services may be gone from there when this one moves. */
  readonly fingerprint: string;
  /** Everything to create on the target, under target names: what introspection must return after loading. */
  readonly schema: DatabaseSchema;
  /** Foreign keys inside the service are in `schema`; these are not. */
  readonly detached: readonly CrossingReference[];
  readonly estimatedRows: number;
  readonly bytes: number;
  /**
   * Only of read-only copies of shared relations, which move like a service and stop at dual-write: who reads them, and who owns each (source
   * names). `relations` are those copied, and stay their owner's.
   */
  readonly copies?: {
    readonly reader: string;
    readonly owners: Readonly<Record<RelationId, string>>;
  };
  /** Only where the target's engine is another one: what was what in the source, by target names. */
  readonly translated?: {
    readonly columnTypes: Readonly<Record<RelationId, Readonly<Record<string, string>>>>;
    readonly sequences: Readonly<Record<RelationId, RelationId>>;
    /** Leaves of partitioned relations, which may be one table in the target. */
    readonly leaves: Readonly<Record<RelationId, readonly RelationId[]>>;
  };
}

export type OnParentDelete = 'keep' | 'nullify' | 'delete' | 'restrict';

export interface CrossingReference {
  /** `orders.user_id -> users.id`, for people. */
  readonly label: string;
  readonly child: RelationId;
  readonly childColumns: readonly string[];
  readonly childService: string | null;
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
  readonly parentService: string | null;
  readonly origin: 'declared' | 'inferred' | 'configured';
  /** The declared key, to take away before the cutover and put back on rollback. */
  readonly foreignKey?: ForeignKey;
  readonly onDelete: OnParentDelete;
}

const COPIES = '-shared';

/** The name under which the copies that a service reads are moved. */
export const copiesOf = (reader: string): string => `${reader}${COPIES}`;

/** Whose copies would have this name; null: it is no name of copies. */
export const readerOf = (name: string): string | null =>
  name.endsWith(COPIES) && name.length > COPIES.length ? name.slice(0, -COPIES.length) : null;
