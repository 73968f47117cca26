/**
 * What `--format json` and `--format ndjson` print, as types: the compiler holds every command to its entry, schema/*.json is made of them
 * (`npm run docs`), and every output of the end-to-end tests is validated against it.
 */
import type { AnalyzeResult } from '../app/analyze.js';
import type { DoctorResult, heldLeases } from '../app/doctor.js';
import type { GenerateResult } from '../app/generate.js';
import type { history } from '../app/history.js';
import type { InitResult } from '../app/init.js';
import type { PerformResult } from '../app/perform.js';
import type { PlanDiff } from '../app/plan.js';
import type { RogueWrites } from '../app/reconcile.js';
import type { lint } from '../app/lint.js';
import type { RehearsalResult } from '../app/rehearsal.js';
import type { ServiceStatus } from '../app/status.js';
import type { VerifyOutcome } from '../app/verify.js';
import type { DemoResult } from '../demo/demo.js';
import type {
  Alternative,
  Analysis,
  Crossing,
  Placement,
  ProposedService,
  Reference,
  Verdict,
} from '../model/analysis.js';
import type { EngineName } from '../model/database-schema.js';
import type { DbpsEvent } from '../model/events.js';
import type { Finding, Severity } from '../model/finding.js';
import type { CrossingReference, Plan, ServicePlan } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';
import type { VerifiedRelation, VerifyMode } from '../model/verification.js';
import type { Envelope } from '../report/envelope.js';

export interface CommandResults {
  readonly init: InitReport;
  readonly doctor: DoctorReport | ReleasedLeases;
  readonly analyze: AnalyzeReport;
  readonly plan: PlanReport;
  readonly 'plan show': PlanReport;
  readonly 'plan diff': PlanDiff;
  readonly generate: GenerateReport;
  readonly 'migrate advance': MoveReport | RehearsalReport;
  readonly 'migrate pause': MoveReport;
  readonly 'migrate resume': MoveReport;
  readonly 'migrate abort': MoveReport | RehearsalReport;
  readonly 'migrate history': HistoryReport;
  readonly 'migrate reconcile': ReconcileReport | MoveReport;
  readonly run: RunReport;
  readonly status: StatusReport;
  readonly verify: VerifyReport;
  readonly rollback: MoveReport | RehearsalReport;
  readonly lint: LintReport;
  readonly explain: CodeList | CodeReport;
  readonly demo: DemoResult;
}

export type CommandName = keyof CommandResults;

/** One line of `--format ndjson`: a start, what happened, exactly one end. */
export type OutputLine =
  | {
      readonly type: 'start';
      readonly format: Envelope['format'];
      readonly dbps: string;
      readonly command: string;
    }
  | DbpsEvent
  /** Of `status --watch`: one a look. */
  | { readonly type: 'status'; readonly at: string; readonly result: StatusReport }
  | { readonly type: 'end'; readonly envelope: Envelope };

/** What scripts/rendered-docs.ts makes schemas of. */
export interface Documents {
  readonly envelope: Envelope;
  readonly line: OutputLine;
  readonly results: CommandResults;
}

export interface InitReport extends Omit<InitResult, 'text'> {
  readonly file: string;
  /** False with --dry-run. */
  readonly written: boolean;
}

export interface DoctorReport extends DoctorResult {
  readonly filesRead: readonly string[];
}

/** Of `doctor --release-lease`. */
export interface ReleasedLeases {
  readonly released: Awaited<ReturnType<typeof heldLeases>>;
  readonly dryRun: boolean;
}

export interface AnalyzeReport {
  /** Where the schema came from: a redacted URL or a file. */
  readonly source: string;
  readonly engine: EngineName;
  readonly product: string;
  readonly schemas: readonly string[];
  readonly relationCount: number;
  readonly services: readonly ProposedService[];
  readonly shared: readonly RelationId[];
  readonly sharedDetails: Analysis['shared'];
  readonly unassigned: readonly RelationId[];
  readonly unassignedDetails: Analysis['unassigned'];
  readonly crossings: readonly Crossing[];
  readonly references: readonly Reference[];
  readonly verdict: Verdict;
  readonly connections: Analysis['connections'];
  readonly placements: readonly Placement[];
  readonly alternatives: readonly Alternative[];
  readonly workload: AnalyzeResult['workload'] | null;
  readonly suppressed: readonly {
    readonly finding: Finding;
    readonly reason: string;
    readonly until?: string | undefined;
  }[];
  /** null: a saved analysis was read. */
  readonly readMs: number | null;
  /** Where the analysis was saved. */
  readonly file: string | null;
  /** The dbps.yaml that the services were written into. */
  readonly written: string | null;
}

export interface PlanReport {
  /** null with --dry-run. */
  readonly file: string | null;
  readonly hash: string;
  readonly createdAt: string;
  readonly source: Plan['source'];
  readonly services: readonly (Pick<
    ServicePlan,
    'name' | 'order' | 'targetEngine' | 'relations' | 'estimatedRows' | 'bytes'
  > & { readonly detached: readonly string[] })[];
  readonly crossings: readonly Pick<
    CrossingReference,
    'label' | 'childService' | 'parentService' | 'origin' | 'onDelete'
  >[];
}

export interface GenerateReport extends GenerateResult {
  readonly plan: string;
}

export interface MoveReport extends PerformResult {
  /** What the switch of writes measured, where there was one. */
  readonly cutover: CutoverFacts | null;
}

export interface CutoverFacts {
  /** How long writers waited. */
  readonly fenceMs?: number;
  /** Of that, until the other side had everything. */
  readonly drainMs?: number;
  readonly verifiedKeys?: number;
  readonly [fact: string]: unknown;
}

export interface RehearsalReport extends RehearsalResult {
  readonly dryRun: true;
}

export interface HistoryReport {
  /** Oldest first. */
  readonly entries: Awaited<ReturnType<typeof history>>;
}

export interface ReconcileReport extends Omit<RogueWrites, 'findings'> {
  /** What --keep-owner would write stands in `keepSql` of each write. */
  readonly dryRun?: true;
}

export interface LintReport extends Omit<Awaited<ReturnType<typeof lint>>, 'findings'> {
  /** Accepted in dbps.yaml. */
  readonly suppressed: readonly {
    readonly code: string;
    readonly subject: string;
    readonly reason: string;
  }[];
}

export interface RunReport {
  readonly stopped: true;
}

export interface StatusReport {
  /** With --fields: only those, and the name. */
  readonly services: readonly (Pick<ServiceStatus, 'service'> & Partial<Omit<ServiceStatus, 'findings'>>)[];
}

export interface VerifyReport {
  readonly mode: VerifyMode;
  readonly isEqual: boolean;
  readonly relations: readonly (VerifiedRelation & { readonly service: string })[];
  readonly services: readonly Omit<VerifyOutcome['services'][number], 'relations' | 'findings'>[];
  /** Of --repair-sql. */
  readonly repairSqlFile: string | null;
}

export interface CodeList {
  readonly codes: readonly { readonly code: string; readonly title: string }[];
}

export interface CodeReport {
  readonly code: string;
  /** null for an error. */
  readonly severity: Severity | null;
  readonly title: string;
  readonly meaning: string;
  readonly example: string;
  readonly fix: string;
}
