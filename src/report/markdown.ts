/** Markdown for summaries and pull requests; bounded, because a step summary of GitHub holds one megabyte. */
import type { Finding } from '../model/finding.js';
import type { Envelope } from './envelope.js';
import { countFindings } from './text/findings.js';

const MOST_ROWS = 500;

export function cell(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll(/\r?\n/g, '<br>');
}

export function markdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  const shown = rows.slice(0, MOST_ROWS);
  return [
    line(heading),
    `| ${heading.map(() => '---').join(' | ')} |`,
    ...shown.map(line),
    ...(rows.length > MOST_ROWS ? [`\n${rows.length - MOST_ROWS} more in the JSON report`] : []),
  ].join('\n');
}

export function findingsSection(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'No findings.\n';
  const rows = findings.map((finding) => [
    finding.severity,
    finding.code,
    finding.subject,
    finding.message,
    finding.remedy,
  ]);
  return `${countFindings(findings)}\n\n${markdownTable(['severity', 'code', 'subject', 'what', 'fix'], rows)}\n`;
}

export function findingsMarkdown(envelope: Envelope): string {
  return `# dbps ${envelope.command}\n\n${findingsSection(envelope.findings)}`;
}
