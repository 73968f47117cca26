import type { Phase } from '../../model/phases.js';
import type { Style } from '../style.js';
import { formatDuration } from './format.js';
import { table } from './table.js';

/** What app/perform.ts returns, as far as it is shown. */
export interface MoveReport {
  readonly service: string;
  readonly by: 'self' | 'runner' | 'filed';
  readonly request: number | null;
  readonly phase: Phase;
  readonly transitions: readonly {
    readonly from: string;
    readonly to: string;
    readonly durationMs: number;
    readonly guards: readonly {
      readonly guard: string;
      readonly result: { readonly outcome: string; readonly detail: string };
    }[];
    readonly steps: readonly {
      readonly step: string;
      readonly outcome: 'done' | 'already' | 'undone';
      readonly durationMs: number;
      readonly details?: Readonly<Record<string, unknown>>;
    }[];
  }[];
}

export interface CutoverReport {
  readonly fenceMs?: number;
  readonly drainMs?: number;
  readonly verifiedKeys?: number;
}

export function moveText(report: MoveReport, cutover: CutoverReport | null, style: Style): string {
  if (report.by === 'filed')
    return `request ${report.request ?? ''} for ${style.bold(report.service)} was left with its runner; it is in ${report.phase}`;
  if (report.transitions.length === 0)
    return `${style.bold(report.service)} is in ${report.phase}; there was nothing to do`;
  const blocks = report.transitions.map((transition) => {
    const rows = [
      ...transition.guards.map(({ guard, result }) => ['guard', guard, result.outcome, result.detail]),
      ...transition.steps.map(({ step, outcome, durationMs }) => [
        'step',
        step,
        outcome === 'already' ? 'was done already' : outcome,
        formatDuration(durationMs),
      ]),
    ];
    const way = transition.from === transition.to ? transition.to : `${transition.from} -> ${transition.to}`;
    return [
      `${style.bold(report.service)}   ${way}   in ${formatDuration(transition.durationMs)}`,
      table(rows, { indent: '  ' }),
    ].join('\n');
  });
  const pause =
    cutover?.fenceMs === undefined
      ? []
      : [
          `writers waited ${formatDuration(cutover.fenceMs)}, of which ${formatDuration(cutover.drainMs ?? null)} until the other side had everything`,
        ];
  const share = report.transitions
    .flatMap(({ steps }) => steps)
    .findLast(({ step }) => step === 'publish-read-share')?.details;
  const reads =
    typeof share?.['reads'] === 'number' ? [`${share['reads']}% of reads go to the service database`] : [];
  const by = report.by === 'runner' ? [`carried out by dbps run, request ${report.request ?? ''}`] : [];
  return [...blocks, [...pause, ...reads, ...by, `${report.service} is in ${report.phase}`].join('\n')].join(
    '\n\n',
  );
}

export interface HistoryEntry {
  readonly at: string;
  readonly service: string;
  readonly transition: string;
  readonly step: string;
  readonly event: string;
  readonly detail: string | null;
  readonly data: unknown;
  readonly epoch: number;
  readonly holder: string;
}

/**
 * Oldest first. That a step began is told by what became of it; a line that only says `started` is one that nobody finished.
 * @param service the one that was asked for: its name is in no line then.
 */
export function historyText(entries: readonly HistoryEntry[], service?: string): string {
  if (entries.length === 0) return 'the journal is empty';
  const isOver = (entry: HistoryEntry, index: number) =>
    entry.event === 'started' &&
    entries
      .slice(index + 1)
      .some(
        (later) =>
          later.service === entry.service &&
          later.transition === entry.transition &&
          later.step === entry.step &&
          later.event !== 'started',
      );
  const shown = entries.filter((entry, index) => !isOver(entry, index));
  return table(
    shown.map((entry) => {
      const { durationMs } = (entry.data ?? {}) as { readonly durationMs?: number };
      return [
        `${entry.at.slice(0, 19)}Z`,
        ...(service === undefined ? [entry.service] : []),
        entry.transition,
        entry.step,
        entry.event,
        durationMs === undefined ? '' : formatDuration(durationMs),
        `${entry.holder} e${entry.epoch}`,
        entry.detail ?? '',
      ];
    }),
  );
}
