import type { Finding } from '../../model/finding.js';
import type { Style } from '../style.js';
import { countFindings, findingsText } from './findings.js';
import { plural } from './format.js';
import { wrap } from './table.js';

export function lintText(
  result: { readonly files: number; readonly statements: number; readonly unknown: readonly string[] },
  findings: readonly Finding[],
  style: Style,
): string {
  const read = `${plural(result.statements, 'statement')} in ${plural(result.files, 'file')}`;
  const unknown =
    result.unknown.length === 0
      ? []
      : [`No service has ${wrap(result.unknown.join(', '), 80, ' '.repeat(15))}`];
  if (findings.length === 0) return [`${read}: none reaches across services`, ...unknown].join('\n');
  return [findingsText(findings, style), '', ...unknown, `${read}: ${countFindings(findings)}`].join('\n');
}
