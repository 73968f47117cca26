/** What happened, the object, what to type, where to read more. */
import type { DbpsError } from '../../model/errors.js';
import { errorReport, scrub } from '../envelope.js';
import { printable } from '../printable.js';
import type { Style } from '../style.js';

export function errorText(error: DbpsError, exitCode: number, style: Style): string {
  const report = errorReport(error);
  const { location } = error;
  const place = location === undefined ? '' : `${location.file}:${location.line}:${location.column ?? 1}  `;
  const lines = [`${style.red('error')} ${style.bold(report.code)}  ${place}${report.message}`];
  // A frame is made by whoever knows what may be shown; scrubbing its columns would move the caret.
  if (location?.frame !== undefined) lines.push(...location.frame.split('\n').map((line) => `  ${line}`));
  if (report.cause !== null && !report.message.includes(report.cause)) lines.push(`  why   ${report.cause}`);
  if (report.hint !== null)
    lines.push(
      ...`  hint  ${report.hint}`.split('\n').map((line, i) => (i === 0 ? line : `        ${line}`)),
    );
  lines.push(`  more  ${report.docs.padEnd(40)}${style.dim(`(exit ${exitCode})`)}`);
  return lines.map((line) => printable(scrub(line))).join('\n');
}
