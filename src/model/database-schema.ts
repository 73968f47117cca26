/**
 * What dbps knows of a database's shape. One model for every engine and for both ways in (a live
 * database and a dump), so that analysis, planning and generation never ask where it came from.
 * Plain data: no behaviour, JSON-serialisable, sorted by name where order has no meaning.
 */
import type { RelationId } from './relation-id.js';

export type EngineName = 'postgres' | 'mysql';

export interface DatabaseSchema {
  readonly engine: EngineName;
  /** e.g. `PostgreSQL 17.10`, `MariaDB 10.11.19`; for a dump, what its header says or the engine's name. */
  readonly product: string;
  /** Numeric server version as the server reports it (170010); 0 for a dump without a header. */
  readonly version: number;
  readonly database: string;
  /** Where this was read from. */
  readonly origin: 'live' | 'dump';
  readonly schemas: readonly string[];
  readonly relations: readonly Relation[];
  readonly types: readonly UserType[];
  readonly sequences: readonly Sequence[];
  readonly routines: readonly Routine[];
  readonly extensions: readonly {
    readonly name: string;
    readonly schema: string;
    readonly version: string;
    /** Relations, types and routines that need a member of it; undefined where that is not known (a dump). */
    readonly usedBy?: readonly string[];
  }[];
  /** Who may use the schemas; without it no grant inside them is worth anything. Undefined where not known. */
  readonly schemaGrants?: readonly (Grant & { readonly schema: string })[];
  readonly schemaComments?: Readonly<Record<string, string>>;
  /** Roles that need no grants: superusers and the role that read this. Undefined where not known (a dump). */
  readonly administrators?: readonly string[];
  /** Objects that exist but that this model has no place for; each becomes a finding, never silence. */
  readonly unsupported: readonly UnsupportedObject[];
}

export interface UnsupportedObject {
  /** `hidden`: the account that read may not see it, whatever it is. `dialect`: the script does not tell whose it is. */
  readonly kind: string;
  readonly name: string;
  readonly relation?: RelationId;
  readonly reason: string;
  /** The statement that helps, where there is one. */
  readonly remedy?: string;
  /** 1-based line in the dump, when it came from one. */
  readonly line?: number;
}

export type RelationKind =
  'table' | 'partitioned' | 'partition' | 'view' | 'materialized-view' | 'foreign-table';

export interface Relation {
  readonly id: RelationId;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  readonly owner?: string;
  readonly comment?: string;
  readonly columns: readonly Column[];
  readonly keys: readonly UniqueKey[];
  readonly checks: readonly Check[];
  readonly exclusions: readonly Exclusion[];
  readonly foreignKeys: readonly ForeignKey[];
  readonly indexes: readonly Index[];
  readonly triggers: readonly Trigger[];
  readonly rules: readonly Rule[];
  readonly policies: readonly Policy[];
  readonly rowSecurity: 'off' | 'on' | 'forced';
  readonly grants: readonly Grant[];
  /** Set on a partition: its parent and bound, as SQL of its engine. */
  readonly partitionOf?: { readonly parent: RelationId; readonly bound: string };
  /** Set on a partitioned root or level: `RANGE (at)`. */
  readonly partitionBy?: string;
  /** Plain inheritance (not partitions), parents in order. */
  readonly inherits: readonly RelationId[];
  readonly replicaIdentity: ReplicaIdentity;
  readonly persistence: 'permanent' | 'unlogged' | 'temporary';
  /** Storage options that must be carried over: fillfactor, engine, row format. */
  readonly options: readonly string[];
  /** The server's estimate; null when it has none (never analysed, or a dump). */
  readonly estimatedRows: number | null;
  /** Heap, indexes and out-of-line storage; null for a dump or where not allowed to look. */
  readonly bytes: number | null;
  /** Views: the defining query. */
  readonly definition?: string;
  /** Views and materialised views: what the query reads, from the server's own dependencies. */
  readonly reads: readonly RelationId[];
  /** Views: routines called by the query, `schema.name`. */
  readonly calls: readonly string[];
  /** Identity of the stored rows: changes when a relation is made anew, rewritten or truncated, whatever its shape. Live only. */
  readonly storage?: string;
}

export type ReplicaIdentity =
  { readonly kind: 'default' | 'full' | 'nothing' } | { readonly kind: 'index'; readonly index: string };

export interface Column {
  readonly name: string;
  /** 1-based position among live columns. */
  readonly position: number;
  /** The type as SQL: `numeric(10,2)`, `character varying(40)[]`, `bigint unsigned`. */
  readonly type: string;
  /**
   * Type family for rules and mapping, without length or array: `int8`, `numeric`, `uuid`, `varchar`. A domain has the family
   * of the type below it; other types of the user's own are `enum`, `composite` and `range`.
   */
  readonly baseType: string;
  /** Schema-qualified when the type is the user's own: enum, domain, composite, range. */
  readonly userType?: string;
  /** Set when the type is the row type of a relation, which then cannot be dropped. */
  readonly rowTypeOf?: RelationId;
  readonly isArray: boolean;
  readonly isNullable: boolean;
  readonly default?: string;
  readonly identity?: 'always' | 'by-default';
  /** Sequence that identity, serial or a default's nextval draws from. */
  readonly sequence?: RelationId;
  readonly generated?: { readonly expression: string; readonly stored: boolean };
  readonly autoIncrement?: boolean;
  readonly collation?: string;
  readonly characterSet?: string;
  /** Spatial reference system to which a spatial column is bound (MySQL). */
  readonly srid?: number;
  readonly comment?: string;
  /** True when the column came from an inheritance parent and is not declared here. */
  readonly isInherited: boolean;
  /** Out-of-line storage strategy when it is not the type's own. */
  readonly storage?: string;
  /** Compression method when it is set for this column. */
  readonly compression?: string;
  readonly statisticsTarget?: number;
  /** `n_distinct=…` and its like. */
  readonly options?: readonly string[];
  readonly invisible?: boolean;
  readonly onUpdate?: string;
}

export interface UniqueKey {
  readonly name: string;
  readonly kind: 'primary' | 'unique';
  readonly columns: readonly string[];
  readonly isDeferrable: boolean;
  readonly isInitiallyDeferred: boolean;
  readonly nullsNotDistinct: boolean;
  /** INCLUDE columns. */
  readonly include: readonly string[];
  readonly comment?: string;
}

export interface Check {
  readonly name: string;
  readonly expression: string;
  readonly isValidated: boolean;
  readonly isNoInherit: boolean;
  /** True when the constraint came from a parent. */
  readonly isInherited: boolean;
  readonly comment?: string;
}

export interface Exclusion {
  readonly name: string;
  /** `EXCLUDE USING gist (…)`, complete. */
  readonly definition: string;
  readonly isDeferrable: boolean;
  readonly comment?: string;
}

export type ReferentialAction = 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';

export interface ForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
  readonly onDelete: ReferentialAction;
  readonly onUpdate: ReferentialAction;
  readonly match: 'simple' | 'full';
  readonly isDeferrable: boolean;
  readonly isInitiallyDeferred: boolean;
  readonly isValidated: boolean;
  /** True for the copy of a parent's key that a partition carries. */
  readonly isInherited: boolean;
  /** The complete constraint clause in the engine's SQL: `FOREIGN KEY (…) REFERENCES …`. */
  readonly definition: string;
  readonly comment?: string;
}

export interface Index {
  readonly name: string;
  readonly isUnique: boolean;
  readonly isPrimary: boolean;
  /** Constraint that owns it, if any: such an index is made by its constraint. */
  readonly constraint?: string;
  readonly isValid: boolean;
  /** Immediate: enforced at each row, usable as replica identity and arbiter. */
  readonly isImmediate: boolean;
  readonly method: string;
  /** Plain columns in order; empty when any key is an expression. */
  readonly columns: readonly string[];
  readonly hasExpression: boolean;
  readonly predicate?: string;
  readonly include: readonly string[];
  /** Complete CREATE INDEX (PostgreSQL) or index clause (MySQL). */
  readonly definition: string;
  /** True for the copy of a partitioned index that a partition carries. */
  readonly isInherited: boolean;
  /** The parent's index that it is a part of, when it is inherited. */
  readonly parent?: RelationId;
  readonly comment?: string;
}

export interface Trigger {
  readonly name: string;
  readonly timing: string;
  readonly events: readonly string[];
  readonly level: 'row' | 'statement';
  /** `schema.name` of the function it runs; MySQL: undefined, the body is in the definition. */
  readonly routine?: string;
  readonly enabled: 'origin' | 'disabled' | 'replica' | 'always';
  readonly definition: string;
  readonly isInherited: boolean;
  /** Relations that its body touches, as far as they could be read; see Routine.reads. */
  readonly reads: readonly RelationId[];
  readonly writes: readonly RelationId[];
  /** Routines that a body of its own calls, as `schema.name`. */
  readonly calls?: readonly string[];
  /** See Routine.settings. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly comment?: string;
}

export interface Rule {
  readonly name: string;
  readonly event: string;
  readonly isInstead: boolean;
  /** When it is not the ordinary `origin`. */
  readonly enabled?: Trigger['enabled'];
  readonly definition: string;
  readonly touches: readonly RelationId[];
}

export interface Policy {
  readonly name: string;
  readonly command: string;
  readonly roles: readonly string[];
  readonly definition: string;
}

export interface Grant {
  readonly grantee: string;
  readonly privilege: string;
  readonly isGrantable: boolean;
  /** Column grants name their column. */
  readonly column?: string;
}

export type UserType =
  | {
      readonly kind: 'enum';
      readonly schema: string;
      readonly name: string;
      readonly labels: readonly string[];
      readonly comment?: string;
    }
  | {
      readonly kind: 'domain';
      readonly schema: string;
      readonly name: string;
      readonly baseType: string;
      readonly isNullable: boolean;
      readonly default?: string;
      readonly collation?: string;
      readonly checks: readonly { readonly name: string; readonly expression: string }[];
      /** Relations whose row type it stands on. */
      readonly rowTypes?: readonly RelationId[];
      readonly comment?: string;
    }
  | {
      readonly kind: 'composite';
      readonly schema: string;
      readonly name: string;
      readonly attributes: readonly { readonly name: string; readonly type: string }[];
      /** Relations whose row types its attributes have. */
      readonly rowTypes?: readonly RelationId[];
      readonly comment?: string;
    }
  | {
      readonly kind: 'range';
      readonly schema: string;
      readonly name: string;
      readonly subtype: string;
      readonly comment?: string;
    };

export interface Sequence {
  readonly id: RelationId;
  readonly schema: string;
  readonly name: string;
  readonly type: string;
  /** bigint values as decimal text: they exceed a double. */
  readonly start: string;
  readonly minimum: string;
  readonly maximum: string;
  readonly increment: string;
  readonly cache: string;
  readonly isCycling: boolean;
  readonly lastValue: string | null;
  readonly ownedBy?: { readonly relation: RelationId; readonly column: string };
  /** True when an identity column owns it: it is created with the column. */
  readonly isIdentity: boolean;
  /** Every column whose default draws from it, owner or not. */
  readonly usedBy: readonly { readonly relation: RelationId; readonly column: string }[];
  readonly grants: readonly Grant[];
  readonly comment?: string;
}

export interface Routine {
  readonly id: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'function' | 'procedure' | 'aggregate' | 'event';
  readonly language: string;
  /** Identity arguments: `(integer, text)`. */
  readonly signature: string;
  readonly returns?: string;
  readonly isTrigger: boolean;
  readonly isSecurityDefiner: boolean;
  readonly definition: string;
  /** Relations read and written by the body, parsed with the engine's grammar; best effort, see isOpaque. */
  readonly reads: readonly RelationId[];
  readonly writes: readonly RelationId[];
  readonly calls: readonly string[];
  /** True when the body could not be analysed (dynamic SQL, another language). */
  readonly isOpaque: boolean;
  readonly grants: readonly Grant[];
  /** MySQL: variables of the session that made it, under which its body is read and run: sql_mode, an event's time_zone. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly comment?: string;
}

/** False for a relation whose rows are all in partitions that are relations themselves. */
export function holdsRows(relation: Relation): boolean {
  return relation.partitionBy === undefined || relation.kind === 'table';
}

/** Tables that hold rows of their own: what a service can own. Partitions belong to their root. */
export function isOwnable(relation: Relation): boolean {
  return relation.kind === 'table' || relation.kind === 'partitioned';
}
