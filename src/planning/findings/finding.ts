import { FINDING_CODES } from '../../model/codes/index.js';
import type { Finding } from '../../model/finding.js';

/** A finding with the severity that its code has everywhere. */
export function finding(code: string, details: Omit<Finding, 'code' | 'severity'>): Finding {
  const entry = FINDING_CODES[code];
  if (entry === undefined) throw new RangeError(`no finding code ${code}`);
  return { code, severity: entry.severity, ...details };
}

/** `orders, users and billing`. */
export function listed(names: readonly string[]): string {
  const sorted = [...new Set(names)].sort();
  return sorted.length < 2 ? (sorted[0] ?? '') : `${sorted.slice(0, -1).join(', ')} and ${sorted.at(-1)}`;
}
