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
    return [
      `${style.bold(report.service)}   ${transition.from} -> ${transition.to}   in ${formatDuration(transition.durationMs)}`,
      table(rows, { indent: '  ' }),
    ].join('\n');
  });
  const pause =
    cutover?.fenceMs === undefined
      ? []
      : [
          `writers waited ${formatDuration(cutover.fenceMs)}, of which ${formatDuration(cutover.drainMs ?? null)} until the other side had everything`,
        ];
  const by = report.by === 'runner' ? [`carried out by dbps run, request ${report.request ?? ''}`] : [];
  return [...blocks, [...pause, ...by, `${report.service} is in ${report.phase}`].join('\n')].join('\n\n');
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

export function historyText(entries: readonly HistoryEntry[]): string {
  if (entries.length === 0) return 'the journal is empty';
  return table(
    entries.map((entry) => {
      const { durationMs } = (entry.data ?? {}) as { readonly durationMs?: number };
      return [
        entry.at,
        entry.service,
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
