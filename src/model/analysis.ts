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
  readonly connections: ConnectionBudget;
  /** Why each relation stands where it does, least sure first. */
  readonly placements: readonly Placement[];
  /** Coarse, balanced, fine: side by side. */
  readonly alternatives: readonly Alternative[];
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
  /** Mean over its relations of how often the runs agreed, 0..1. */
  readonly confidence: number;
  /** Why it has its name. */
  readonly namedAfter: string;
  /** Relations that other services refer to: what its API is about. */
  readonly publicRelations: readonly RelationId[];
  readonly store: StoreAdvice;
  readonly personalData: readonly PersonalColumn[];
  /** Services that could read personal data of this one today (a shared database shows everything to all). */
  readonly seenBy: readonly string[];
  /** When this service's database is down. */
  readonly outage: Outage;
  /** null: the server has not counted, or nobody asked it. */
  readonly writes: ServiceWrites | null;
  /** Who is let at its relations or was seen there, by name; the relations' owners are not listed. */
  readonly users: readonly ServiceUser[];
}

export interface ServiceWrites {
  /** Inserted, updated and deleted since the server began to count. */
  readonly rows: number;
  /** Mean of that time; where the server does not say since when, none too high. null: not known. */
  readonly perSecond: number | null;
}

export interface ServiceUser {
  readonly name: string;
  readonly reads: boolean;
  readonly writes: boolean;
  /** Statements of theirs were seen; false: by grants alone. */
  readonly isSeen: boolean;
}

/** Services × pool against what the shared server gives, for as long as all databases stand on it. */
export interface ConnectionBudget {
  /** null: not known. */
  readonly most: number | null;
  readonly used: number | null;
  /** What one service may hold when all share alike; null: not known. */
  readonly perService: number | null;
  /** What one service is said to hold; null: not said. */
  readonly pool: number | null;
  /** services × pool. */
  readonly wanted: number | null;
  readonly fits: boolean | null;
}

export interface StoreAdvice {
  readonly kind: 'relational' | 'document' | 'key-value' | 'wide-column' | 'columnar' | 'search';
  readonly reason: string;
}

export interface PersonalColumn {
  readonly relation: RelationId;
  readonly column: string;
  /** What it tells about a person: contact, identity, place, payment, secret … */
  readonly category: string;
  /** The name, type or comment that says so. */
  readonly because: string;
}

export interface Outage {
  /** Cannot write: their rows must refer to rows of this service. */
  readonly blocked: readonly string[];
  /** Go on, without what they read from it. */
  readonly degraded: readonly string[];
  readonly unaffected: readonly string[];
}

export interface Placement {
  readonly relation: RelationId;
  readonly service: string | null;
  /** How often it stood with the rest of its service over many runs, 0..1; 1 for what the user fixed. */
  readonly confidence: number;
  readonly isPinned: boolean;
  /** Evidence that holds it there, strongest first. */
  readonly why: readonly { readonly what: string; readonly weight: number }[];
  readonly runnerUp: {
    readonly service: string;
    readonly share: number;
    readonly why: readonly { readonly what: string; readonly weight: number }[];
  } | null;
  /** What would have to be otherwise for it to stand with the runner-up. */
  readonly wouldMove: readonly string[];
}

export interface Alternative {
  readonly name: 'coarse' | 'balanced' | 'fine';
  readonly services: readonly { readonly name: string; readonly relations: readonly RelationId[] }[];
  readonly crossingReferences: number;
  /** Views, routines, triggers and statements over several services. */
  readonly crossingJoins: number;
  readonly crossingTransactions: number;
  readonly price: number;
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
  /** Columns of the parent worth a copy beside the reference: what queries and views read, never personal data. */
  readonly copyColumns: readonly string[];
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
