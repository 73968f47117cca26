/** JUnit XML, as CI servers read it: one suite a command, one case a thing that was checked. */
import type { Envelope } from './envelope.js';
import { xml } from './xml.js';

export interface JunitCase {
  readonly name: string;
  readonly className: string;
  readonly failure?: { readonly message: string; readonly type: string; readonly body: string };
  readonly skipped?: string;
  readonly seconds?: number;
}

export function junit(suite: string, cases: readonly JunitCase[]): string {
  const failures = cases.filter((entry) => entry.failure !== undefined).length;
  const skipped = cases.filter((entry) => entry.skipped !== undefined).length;
  const lines = cases.map((entry) => {
    const open = `    <testcase name="${xml(entry.name)}" classname="${xml(entry.className)}" time="${(entry.seconds ?? 0).toFixed(3)}"`;
    if (entry.failure !== undefined)
      return `${open}>\n      <failure message="${xml(entry.failure.message)}" type="${xml(entry.failure.type)}">${xml(entry.failure.body)}</failure>\n    </testcase>`;
    if (entry.skipped !== undefined)
      return `${open}>\n      <skipped message="${xml(entry.skipped)}"/>\n    </testcase>`;
    return `${open}/>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${cases.length}" failures="${failures}" skipped="${skipped}">`,
    `  <testsuite name="${xml(suite)}" tests="${cases.length}" failures="${failures}" skipped="${skipped}">`,
    ...lines,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

/** Findings as cases: an error or a warning fails, a note passes. A clean result is one passing case, so that it is seen. */
export function findingsJunit(envelope: Envelope): string {
  const suite = `dbps ${envelope.command}`;
  if (envelope.findings.length === 0) return junit(suite, [{ name: 'no findings', className: suite }]);
  return junit(
    suite,
    envelope.findings.map((finding) => ({
      name: `${finding.code} ${finding.subject}`,
      className: suite,
      ...(finding.severity !== 'note' && {
        failure: {
          message: finding.message,
          type: `${finding.severity} ${finding.code}`,
          body: `${finding.message}\nfix: ${finding.remedy}`,
        },
      }),
    })),
  );
}
