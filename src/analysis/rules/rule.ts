/** What a rule looks at, and how it says what it found. */
import { FINDING_CODES } from '../../model/codes/index.js';
import type {
  ConnectionBudget,
  Crossing,
  ProposedService,
  Reference,
  SharedObject,
} from '../../model/analysis.js';
import type { DatabaseSchema } from '../../model/database-schema.js';
import type { Finding } from '../../model/finding.js';
import type { RelationId } from '../../model/relation-id.js';
import type { BoundaryEvidence } from '../boundary-evidence.js';
import type { Evidence } from '../evidence.js';
import type { ResolvedUse } from '../workload.js';

export interface RuleContext {
  readonly schema: DatabaseSchema;
  readonly evidence: Evidence;
  readonly services: readonly ProposedService[];
  readonly home: ReadonlyMap<RelationId, string>;
  readonly references: readonly Reference[];
  readonly objects: readonly SharedObject[];
  readonly crossings: readonly Crossing[];
  readonly uses: readonly ResolvedUse[];
  readonly given: BoundaryEvidence;
  readonly connections: ConnectionBudget;
  /** Relations named in pins that no service can own. */
  readonly unknownPins: readonly RelationId[];
}

export type Rule = (context: RuleContext) => readonly Finding[];

/** A finding with its code's own severity and remedy, unless given. */
export function finding(
  code: string,
  subject: string,
  message: string,
  more: Partial<Pick<Finding, 'severity' | 'remedy' | 'service' | 'relation' | 'location' | 'data'>> = {},
): Finding {
  const entry = FINDING_CODES[code];
  if (entry === undefined) throw new RangeError(`no finding code ${code}`);
  return { code, severity: entry.severity, subject, message, remedy: entry.fix, ...more };
}

export function referenceLabel(reference: Reference): string {
  const list = (columns: readonly string[]): string =>
    columns.length === 1 ? (columns[0] as string) : `(${columns.join(', ')})`;
  return `${reference.child}.${list(reference.childColumns)} -> ${reference.parent}.${list(reference.parentColumns)}`;
}
