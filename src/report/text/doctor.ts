/** Four outcomes, not two: ok, problem, skipped, could not check. */
import type { Finding } from '../../model/finding.js';
import type { Style } from '../style.js';
import { plural } from './format.js';
import { wrap } from './table.js';

/** What app/doctor.ts returns, as far as it is shown. */
export interface DoctorReport {
  readonly checks: readonly {
    readonly where: string;
    readonly name: string;
    readonly outcome: 'ok' | 'problem' | 'skipped' | 'unknown';
    readonly detail: string;
    readonly finding: Finding | null;
  }[];
  readonly problems: number;
  readonly skipped: number;
  readonly unknown: number;
}

const WIDTH = 100;
const WORDS = { ok: 'ok', problem: 'problem', skipped: 'skipped', unknown: 'could not check' } as const;

export function doctorText(report: DoctorReport, style: Style): string {
  const width = Math.max(...report.checks.map(({ where }) => where.length), 6);
  const names = Math.max(...report.checks.map(({ name }) => name.length), 6);
  const indent = ' '.repeat(17 + width + 2);
  const rest = Math.max(40, WIDTH - indent.length);
  const lines = report.checks.map((check) => {
    const color =
      check.outcome === 'ok'
        ? style.green
        : check.outcome === 'problem' && check.finding?.severity === 'error'
          ? style.red
          : style.yellow;
    const word = color(WORDS[check.outcome].padEnd(15));
    const { finding } = check;
    if (check.outcome !== 'problem' || finding === null)
      return `${word}  ${check.where.padEnd(width)}  ${check.name.padEnd(names)}  ${wrap(check.detail, rest - names - 2, `${indent}${' '.repeat(names + 2)}`)}`;
    return [
      `${word}  ${check.where.padEnd(width)}  ${style.bold(finding.code)} ${wrap(finding.message, rest - 7, indent)}`,
      `${indent}fix: ${wrap(finding.remedy, rest - 5, `${indent}     `)}`,
    ].join('\n');
  });
  lines.push(
    '',
    [
      plural(report.problems, 'problem'),
      ...(report.skipped > 0 ? [`${report.skipped} skipped`] : []),
      ...(report.unknown > 0 ? [`${report.unknown} not checked`] : []),
    ].join(', '),
  );
  return lines.join('\n');
}
