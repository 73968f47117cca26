/** What `analyze` finds. Pure data; report/ renders it, `init` and `plan` start from it. */
import type { DatabaseSchema } from './database-schema.js';
import type { Finding } from './finding.js';
import type { RelationId } from './relation-id.js';

export interface Analysis {
  readonly services: readonly ProposedService[];
  /** Reference data that every service reads: one owner, read-only copies. */
  readonly shared: readonly {
    readonly relation: RelationId;
    readonly owner: string | null;
    readonly reason: string;
  }[];
  readonly unassigned: readonly { readonly relation: RelationId; readonly reason: string }[];
  readonly references: readonly Reference[];
  /** Everything that touches several relations, crossing or not: with the references, what any move is priced with. */
  readonly objects: readonly SharedObject[];
  readonly crossings: readonly Crossing[];
  /** In one sentence: split so, keep schemas in one database, do not split; with the reasons. */
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

export interface ProposedService {
  readonly name: string;
  readonly relations: readonly RelationId[];
  readonly rows: number | null;
  readonly bytes: number | null;
  /** Share of the weight of its references that stays inside, 0..1. */
  readonly cohesion: number;
  readonly referencesIn: number;
  readonly referencesOut: number;
}

export interface Reference {
  readonly child: RelationId;
  readonly childColumns: readonly string[];
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
  readonly origin: 'declared' | 'inferred' | 'configured';
  readonly weight: number;
  /** What the weight is made of, largest first, for --explain. */
  readonly reasons: readonly { readonly what: string; readonly factor: number }[];
  readonly hitRate?: number;
  /** Price when its ends are in different services. */
  readonly cost: number;
  /** What would take its place then. */
  readonly replacement: string;
}

/** A view, routine, trigger, query or transaction over several relations. */
export interface SharedObject {
  readonly kind: 'view' | 'routine' | 'trigger' | 'query' | 'transaction';
  readonly subject: string;
  readonly relations: readonly RelationId[];
  /** Price for each service beyond the first that its relations are in. */
  readonly cost: number;
  readonly replacement: string;
}

export interface Verdict {
  readonly advice: 'split' | 'schemas' | 'keep';
  readonly reasons: readonly string[];
}

export interface Crossing {
  readonly kind: 'reference' | 'view' | 'routine' | 'trigger' | 'query' | 'transaction';
  readonly subject: string;
  readonly services: readonly string[];
  readonly relations: readonly RelationId[];
  readonly reference?: Reference;
  /** Relative price of the cut, comparable within one analysis. */
  readonly cost: number;
  readonly replacement: string;
}

export interface AnalysisInput {
  readonly schema: DatabaseSchema;
  readonly pins: BoundaryPins;
  readonly servicesWanted?: number;
  /** 0 coarse … 1 fine; 0.5 balanced. */
  readonly granularity: number;
}

export interface BoundaryPins {
  /** From `services:` in dbps.yaml: fixed labels that always win. */
  readonly services: Readonly<Record<string, readonly RelationId[]>>;
  readonly together: readonly (readonly RelationId[])[];
  readonly apart: readonly (readonly [RelationId, RelationId])[];
  readonly shared: readonly RelationId[];
}
