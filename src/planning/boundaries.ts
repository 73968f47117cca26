/** What planning is told: the decided split, with the places in dbps.yaml where each word of it stands. */
import type { EngineName } from '../model/database-schema.js';
import type { Finding } from '../model/finding.js';
import type { OnParentDelete } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';

export type Place = NonNullable<Finding['location']>;

export interface PlacedRelation {
  readonly id: RelationId;
  readonly location?: Place;
}

export interface Boundaries {
  readonly defaultSchema: string;
  /** Globs over `name` and `schema.name`; what matches stays in the shared database and is nobody's. */
  readonly exclude: readonly string[];
  readonly services: readonly ServiceBoundary[];
  readonly shared: readonly {
    readonly relations: readonly PlacedRelation[];
    readonly owner: string | null;
    /** Services that read it, beside those that refer to it. */
    readonly readers?: readonly string[];
    readonly location?: Place;
  }[];
  /** Why no read-only copies can be kept of relations of this source; absent: they can. */
  readonly noCopies?: string;
  readonly references: readonly ConfiguredReference[];
}

export interface ServiceBoundary {
  readonly name: string;
  readonly location?: Place;
  readonly relations: readonly PlacedRelation[];
  readonly targetEngine: EngineName;
  /** Where relations of the default schema go; null: names stay. */
  readonly targetSchema: string | null;
}

export interface ConfiguredReference {
  readonly child: RelationId;
  readonly childColumns: readonly string[];
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
  readonly onDelete: OnParentDelete;
  readonly location?: Place;
}
