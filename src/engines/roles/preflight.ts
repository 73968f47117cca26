/** Whether a server and an account allow what dbps is going to do. */
import type { Finding } from '../../model/finding.js';
import type { RelationId } from '../../model/relation-id.js';
import type { TextRules } from '../../model/text-rules.js';

/** Reads facts and judges them; a check that could not look says so (that is not a problem found). */
export interface Preflight {
  checks(request: PreflightRequest): Promise<readonly PreflightCheck[]>;
  textRules(): Promise<TextRules>;
  /** Those of the relations (and of what is below them) that rewrite what is written to them. Absent: the engine has no rules. */
  ruled?(relations: readonly RelationId[]): Promise<readonly RelationId[]>;
}

export interface PreflightRequest {
  readonly role: 'source' | 'target';
  readonly relations: readonly RelationId[];
  readonly service?: string;
  /** Relations that have rules, or will have them on this side: rows are applied to them as a replica only. */
  readonly ruled?: readonly RelationId[];
  /** Those of the other side. Absent: they are not known, and not compared. */
  readonly otherText?: TextRules;
  /** What the configuration lets a slot hold back. */
  readonly walBudgetBytes?: number;
  readonly signal?: AbortSignal;
}

export interface PreflightCheck {
  readonly name: string;
  readonly outcome: 'ok' | 'problem' | 'skipped' | 'unknown';
  readonly detail: string;
  readonly finding?: Finding;
}
