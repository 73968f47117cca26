/** Whether a server and an account allow what dbps is going to do. */
import type { Finding } from '../../model/finding.js';
import type { RelationId } from '../../model/relation-id.js';

/** Reads facts and judges them; a check that could not look says so (that is not a problem found). */
export interface Preflight {
  checks(request: PreflightRequest): Promise<readonly PreflightCheck[]>;
  /** What this database's text is made of, as PostgreSQL names encodings: `UTF8` where every text can be stored and is compared as such. */
  encoding(): Promise<string>;
  /** Those of the relations (and of what is below them) that rewrite what is written to them. Absent: the engine has no rules. */
  ruled?(relations: readonly RelationId[]): Promise<readonly RelationId[]>;
}

export interface PreflightRequest {
  readonly role: 'source' | 'target';
  readonly relations: readonly RelationId[];
  readonly service?: string;
  /** Relations that have rules, or will have them on this side: rows are applied to them as a replica only. */
  readonly ruled?: readonly RelationId[];
  /** `encoding` of the other side. Absent: it is not known, and not compared. */
  readonly otherEncoding?: string;
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
