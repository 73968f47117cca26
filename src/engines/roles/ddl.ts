/** Planning statements, and running planned ones. */
import type { DatabaseSchema } from '../../model/database-schema.js';
import type { ServicePlan } from '../../model/plan.js';
import type { RelationId } from '../../model/relation-id.js';
import type { Ownership } from './identity.js';

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
  /** Session variables that the statement is to be run under, by name; see Routine.settings. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** What DROP takes. A part of a relation is dropped from it. */
export type DroppableObject =
  | {
      /** `view`, `materialized view`, `domain`, `type`, or the kind of a routine. */
      readonly kind: string;
      readonly schema: string;
      readonly name: string;
      /** Of a routine, `()` included. */
      readonly signature?: string;
      readonly on?: undefined;
    }
  | {
      readonly kind: 'trigger' | 'rule' | 'foreign key';
      readonly name: string;
      readonly on: RelationId;
    };

/** Plans statements; runs nothing. Pure. */
export interface Ddl {
  quote(identifier: string): string;
  /** The statement that takes one object away, as a person would run it. */
  drop(object: DroppableObject): string;
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
