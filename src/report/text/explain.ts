import type { CodeEntry, FindingEntry } from '../../model/codes/catalogue.js';
import type { Style } from '../style.js';
import { table, wrap } from './table.js';

type Entry = CodeEntry | FindingEntry;

export function explainText(code: string, entry: Entry, style: Style): string {
  const severity = 'severity' in entry ? ` (${entry.severity})` : '';
  const section = (name: string, text: string) =>
    `${style.dim(name.padEnd(9))}${wrap(text, 85, ' '.repeat(9))}`;
  return [
    `${style.bold(code)}  ${entry.title}${severity}`,
    '',
    section('means', entry.meaning),
    section('example', entry.example),
    section('fix', entry.fix),
  ].join('\n');
}

export function explainListText(codes: readonly { readonly code: string; readonly title: string }[]): string {
  return table(codes.map(({ code, title }) => [code, title]));
}

export function explainMarkdown(entries: Readonly<Record<string, Entry>>): string {
  return Object.entries(entries)
    .map(([code, entry]) => {
      const severity = 'severity' in entry ? `*${entry.severity}*\n\n` : '';
      return `## ${code}: ${entry.title}\n\n${severity}${entry.meaning}\n\n**Example:** ${entry.example}\n\n**Fix:** ${entry.fix}\n`;
    })
    .join('\n');
}
