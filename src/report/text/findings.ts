import { compareFindings, type Finding, type Severity } from '../../model/finding.js';
import { bySeverity, type Style } from '../style.js';
import { plural } from './format.js';
import { wrap } from './table.js';

/**
 *   warning  SEC101  source.url   dbps.yaml:6
 *                    fix: …
 */
export function findingsText(findings: readonly Finding[], style: Style): string {
  const indent = ' '.repeat(17);
  return [...findings]
    .sort(compareFindings)
    .map((finding) => {
      const place =
        finding.location === undefined ? '' : `   ${finding.location.file}:${finding.location.line}`;
      return [
        `${bySeverity(style, finding.severity, finding.severity.padEnd(8))} ${style.bold(finding.code.padEnd(7))} ${finding.subject}${style.dim(place)}`,
        `${indent}${wrap(finding.message, 82, indent)}`,
        `${indent}fix: ${wrap(finding.remedy, 77, `${indent}     `)}`,
      ].join('\n');
    })
    .join('\n');
}

export function countFindings(findings: readonly Finding[]): string {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  return [
    plural(count('error'), 'error'),
    plural(count('warning'), 'warning'),
    plural(count('note'), 'note'),
  ].join(', ');
}
