/** Findings that dbps.yaml accepts, each with its reason and perhaps until a day; they stay in every report, marked. */
import type { SuppressConfig } from '../config/config.js';
import type { Finding } from '../model/finding.js';

export interface Suppressed {
  readonly finding: Finding;
  readonly reason: string;
  readonly until: string | undefined;
}

export function applySuppressions(
  findings: readonly Finding[],
  suppress: readonly SuppressConfig[],
  today: string,
): { readonly findings: readonly Finding[]; readonly suppressed: readonly Suppressed[] } {
  const counting = suppress.filter(({ until }) => until === undefined || until >= today);
  const kept: Finding[] = [];
  const suppressed: Suppressed[] = [];
  for (const finding of findings) {
    const rule = counting.find(
      ({ code, subject }) =>
        code === finding.code && (subject === undefined || finding.subject.includes(subject)),
    );
    if (rule === undefined) kept.push(finding);
    else suppressed.push({ finding, reason: rule.reason, until: rule.until });
  }
  return { findings: kept, suppressed };
}
