import type { Style } from '../style.js';
import { table, wrap } from './table.js';

/** What app/rehearsal.ts returns, as far as it is shown. */
export interface RehearsalReport {
  readonly service: string;
  readonly phase: string;
  readonly isReady: boolean;
  readonly legs: readonly {
    readonly kind: 'carry-out' | 'take-back';
    readonly from: string;
    readonly to: string;
    readonly summary: string;
    readonly confirmation: 'reversible' | 'irreversible';
    readonly guards: readonly {
      readonly guard: string;
      readonly result: {
        readonly outcome: 'ok' | 'refused' | 'unknown';
        readonly detail: string;
        readonly hint?: string;
      };
    }[];
    readonly actions: readonly {
      readonly step: string;
      readonly where: string;
      readonly sql: string | null;
      readonly purpose: string;
    }[];
  }[];
}

/** @param isVerbose every statement in full; otherwise its first line. */
export function rehearsalText(report: RehearsalReport, isVerbose: boolean, style: Style): string {
  if (report.legs.length === 0) return `${report.service} is in ${report.phase}; there is nothing to do`;
  const blocks = report.legs.map((leg) => {
    const lines = [
      `${style.bold(report.service)}   ${leg.kind === 'take-back' ? `takes back ${leg.from} -> ${leg.to}` : `${leg.from} -> ${leg.to}`}`,
      `  ${wrap(leg.summary, 96, '  ')}`,
      ...(leg.confirmation === 'irreversible' ? [`  ${style.red('cannot be undone')} by a rollback`] : []),
    ];
    if (leg.guards.length > 0)
      lines.push(
        '',
        table(
          leg.guards.map(({ guard, result }) => [
            'guard',
            guard,
            result.outcome === 'ok' ? 'ok' : result.outcome === 'refused' ? 'REFUSES' : 'could not check',
            result.detail,
          ]),
          { indent: '  ' },
        ).replaceAll('REFUSES', style.red('REFUSES')),
        '',
      );
    let step = '';
    for (const action of leg.actions) {
      if (action.step !== step) lines.push(`  step   ${action.step}`);
      step = action.step;
      lines.push(`    ${action.where.padEnd(8)} ${wrap(action.purpose, 84, ' '.repeat(13))}`);
      if (action.sql !== null)
        lines.push(...sqlLines(action.sql, isVerbose).map((line) => `             ${style.dim(line)}`));
    }
    return lines.join('\n');
  });
  return [...blocks, verdict(report, style)].join('\n\n');
}

/** What a guard could not see in a dry run (nobody replicates) is not what it refuses. */
function verdict({ legs }: RehearsalReport, style: Style): string {
  const guards = legs.flatMap((leg) => leg.guards);
  const lines = (outcome: 'refused' | 'unknown') =>
    guards
      .filter(({ result }) => result.outcome === outcome)
      .map(({ guard, result }) => `  ${guard}: ${result.hint ?? result.detail}`);
  const refused = lines('refused');
  const unknown = lines('unknown');
  return [
    refused.length > 0
      ? style.red('Nothing was changed, and it would be refused now:')
      : 'Nothing was changed.',
    ...refused,
    ...(unknown.length > 0 ? ['Not known before it is tried:', ...unknown] : []),
  ].join('\n');
}

function sqlLines(sql: string, isVerbose: boolean): readonly string[] {
  const lines = sql.trim().split('\n');
  if (isVerbose || lines.length <= 3) return lines;
  return [...lines.slice(0, 2), `… ${lines.length - 2} more lines (--verbose)`];
}
