/** The demo's closing table. */
import type { DemoResult } from './demo.js';

const n = (value: number): string => value.toLocaleString('en');

export function demoText(result: DemoResult): string {
  const { proof } = result;
  const gap = (service: string, kind: string): string => {
    const found = result.switches.find((one) => one.service === service && one.kind === kind);
    return found === undefined ? '-' : `${found.longestGapMs} ms`;
  };
  const rows = [
    ['Service', 'relations', 'rows moved', 'gap at cutover', 'at rollback', 'forward again'],
    ...result.services.map(({ service, relations, rows: moved }) => [
      service,
      String(relations),
      n(moved),
      gap(service, 'cutover'),
      gap(service, 'rollback'),
      gap(service, 'cutover again'),
    ]),
  ];
  const widths = (rows[0] as string[]).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const table = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   '),
  );
  const problems = [
    ...proof.lost.map((text) => `lost: ${text}`),
    ...proof.duplicated.map((text) => `duplicated: ${text}`),
    ...proof.orphans.map((text) => `orphan: ${text}`),
    ...proof.failures.map((text) => `failed: ${text}`),
    ...result.leftovers.map((text) => `left behind: ${text}`),
  ];
  return [
    ...table,
    '',
    `${n(proof.acknowledged)} acknowledged writes: lost ${n(proof.lost.length)}, duplicated ${n(proof.duplicated.length)}, orphans ${n(proof.orphans.length)}`,
    ...(proof.deadlocks > 0
      ? [`${n(proof.deadlocks)} transactions were begun again, since InnoDB ends deadlocks so`]
      : []),
    `${n(proof.reads)} reads of what had just been written: stale ${n(proof.staleReads)}`,
    `${n(proof.untouched)} loaded rows are as they were; left behind ${n(result.leftovers.length)}; ${(result.durationMs / 1000).toFixed(0)} s in all`,
    ...problems.slice(0, 20),
    ...(problems.length > 20 ? [`… and ${problems.length - 20} more`] : []),
  ].join('\n');
}
