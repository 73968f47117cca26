import type { Severity } from '../finding.js';

/** One entry of `dbps explain`; docs/codes.md is generated from these. A code is never used again for another thing. */
export interface CodeEntry {
  readonly title: string;
  /** Why it matters, in a few sentences. */
  readonly meaning: string;
  /** What it looks like. */
  readonly example: string;
  /** What to type or do. */
  readonly fix: string;
}

export interface FindingEntry extends CodeEntry {
  readonly severity: Severity;
}
