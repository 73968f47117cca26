import { markdownTable } from '../markdown.js';
import type { Style } from '../style.js';
import { plural } from './format.js';
import { table } from './table.js';

/** What app/plan.ts returns, as far as it is shown. */
export interface PlanDiffReport {
  readonly before: string;
  readonly after: string | null;
  readonly differences: readonly {
    readonly service: string | null;
    readonly object: string;
    readonly what: 'added' | 'removed' | 'changed' | 'moved';
    readonly detail: string;
    readonly effect: string | null;
  }[];
}

const SIGN = { added: '+', removed: '-', changed: '~', moved: '>' } as const;

export function planDiffText(diff: PlanDiffReport, other: string, style: Style): string {
  if (diff.differences.length === 0) return style.green(`plan ${diff.before} and ${other} are the same`);
  const rows = diff.differences.map((difference) => [
    SIGN[difference.what],
    difference.service ?? '',
    difference.object,
    difference.effect ?? '',
    // Last: it may be a whole definition, and would push whatever followed it out of sight.
    difference.detail,
  ]);
  const after = diff.after === null ? `${other} makes no plan any more` : `${other} gives ${diff.after}`;
  return [
    `plan ${diff.before}; ${after}`,
    '',
    table(rows),
    '',
    style.yellow(plural(diff.differences.length, 'difference')),
  ].join('\n');
}

export function planDiffMarkdown(diff: PlanDiffReport): string {
  if (diff.differences.length === 0) return `# dbps plan diff\n\nNo difference from plan ${diff.before}.\n`;
  const rows = diff.differences.map((difference) => [
    SIGN[difference.what],
    difference.service ?? '',
    difference.object,
    difference.detail,
    difference.effect ?? '',
  ]);
  return `# dbps plan diff\n\n${markdownTable(['', 'service', 'object', 'what', 'effect'], rows)}\n`;
}
