import type { RelationId } from './relation-id.js';

export type Severity = 'error' | 'warning' | 'note';

/**
 * A fact about the user's database that needs attention (never a failure of dbps: that is an error).
 * `code` is one of model/finding-codes.ts; `remedy` is something the user can type or do.
 */
export interface Finding {
  /** @pattern ^[A-Z]{3}\d{3}$ */
  readonly code: string;
  readonly severity: Severity;
  /** What it is about: `orders.user_id -> users.id`, `public.audit_log`, `slot dbps_orders_fwd`. */
  readonly subject: string;
  readonly message: string;
  readonly remedy: string;
  readonly service?: string;
  readonly relation?: RelationId;
  /** 1-based position in the file it came from, if any. */
  readonly location?: { readonly file: string; readonly line: number; readonly column?: number };
  /** Machine-readable particulars; keys are stable per code. */
  readonly data?: Readonly<Record<string, unknown>>;
}

const RANK: Record<Severity, number> = { error: 0, warning: 1, note: 2 };

/** Worst first, then code, then subject: the order of every report. */
export function compareFindings(a: Finding, b: Finding): number {
  return (
    RANK[a.severity] - RANK[b.severity] || a.code.localeCompare(b.code) || a.subject.localeCompare(b.subject)
  );
}
