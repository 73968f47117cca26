/**
 * Annotations of GitHub Actions. It shows ten of a kind in a step: the worst nine are printed, and one that counts the rest.
 * A finding about a database has no file; it points at dbps.yaml.
 */
import { compareFindings, type Finding, type Severity } from '../model/finding.js';

const SHOWN = 9;
const KIND: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', note: 'notice' };

export function githubAnnotations(findings: readonly Finding[], file: string | null): string {
  const lines: string[] = [];
  for (const severity of ['error', 'warning', 'note'] as const) {
    const all = findings.filter((finding) => finding.severity === severity).sort(compareFindings);
    for (const finding of all.slice(0, SHOWN)) {
      lines.push(
        annotation(KIND[severity], {
          file: finding.location?.file ?? file ?? undefined,
          line: finding.location?.line ?? (file === null ? undefined : 1),
          title: `${finding.code} ${finding.subject}`,
          message: `${finding.message}\nfix: ${finding.remedy}`,
        }),
      );
    }
    if (all.length > SHOWN)
      lines.push(
        annotation(KIND[severity], {
          title: 'dbps',
          message: `and ${all.length - SHOWN} more; the full report has them all`,
        }),
      );
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

interface Annotation {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly title: string;
  readonly message: string;
}

function annotation(kind: string, { file, line, title, message }: Annotation): string {
  const properties = [
    ...(file === undefined ? [] : [`file=${property(file)}`]),
    ...(line === undefined ? [] : [`line=${line}`]),
    `title=${property(title)}`,
  ];
  return `::${kind} ${properties.join(',')}::${data(message)}`;
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
