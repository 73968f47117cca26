/**
 * SARIF 2.1.0 for code scanning. Alerts live on lines of files: a finding about a database points at the line of dbps.yaml that names
 * it, else at line 1, and carries a fingerprint of code and subject, so that it is the same alert tomorrow. Accepted findings
 * stay in, marked as suppressed: a quiet report must not look like a clean one.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Log, Result } from 'sarif';
import { FINDING_CODES } from '../model/codes/index.js';
import type { Finding } from '../model/finding.js';
import type { Envelope } from './envelope.js';

const LEVEL = { error: 'error', warning: 'warning', note: 'note' } as const;

export interface SuppressedFinding {
  readonly finding: Finding;
  readonly reason: string;
}

export function sarif(
  envelope: Envelope,
  file: string | null,
  /** Paths are written relative to it. */
  root: string,
  suppressed: readonly SuppressedFinding[] = [],
): string {
  const all = [...envelope.findings, ...suppressed.map(({ finding }) => finding)];
  const codes = [...new Set(all.map(({ code }) => code))].sort();
  const log: Log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'dbps',
            version: envelope.dbps,
            informationUri: 'https://www.npmjs.com/package/dbps',
            rules: codes.map((code) => {
              const entry = FINDING_CODES[code];
              return {
                id: code,
                shortDescription: { text: entry?.title ?? code },
                fullDescription: { text: entry?.meaning ?? code },
                help: { text: `${entry?.fix ?? ''}\n\ndbps explain ${code}` },
                defaultConfiguration: { level: LEVEL[entry?.severity ?? 'warning'] },
              };
            }),
          },
        },
        results: [
          ...envelope.findings.map((finding) => result(finding, codes, file, root)),
          ...suppressed.map(({ finding, reason }) => ({
            ...result(finding, codes, file, root),
            suppressions: [{ kind: 'external' as const, justification: reason }],
          })),
        ],
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function result(finding: Finding, codes: readonly string[], file: string | null, root: string): Result {
  const place = finding.location?.file ?? file ?? 'dbps.yaml';
  return {
    ruleId: finding.code,
    ruleIndex: codes.indexOf(finding.code),
    level: LEVEL[finding.severity],
    message: { text: `${finding.subject}: ${finding.message}\nfix: ${finding.remedy}` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: toUri(place, root) },
          region: { startLine: finding.location?.line ?? 1, startColumn: finding.location?.column ?? 1 },
        },
        logicalLocations: [{ fullyQualifiedName: finding.subject }],
      },
    ],
    partialFingerprints: {
      'dbps/v1': createHash('sha256')
        .update(`${finding.code}\0${finding.subject}`)
        .digest('hex')
        .slice(0, 32),
    },
  };
}

function toUri(file: string, root: string): string {
  const relative = path.isAbsolute(file) ? path.relative(root, file) : file;
  return (relative.startsWith('..') ? file : relative).split(path.sep).map(encodeURIComponent).join('/');
}
