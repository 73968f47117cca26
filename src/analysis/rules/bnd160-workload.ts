/** What the server would not tell of its use, and use counted for too short a time. */
import { finding, type Rule } from './rule.js';

const DAY_MS = 24 * 3600 * 1000;

export const workload: Rule = ({ given }) => [
  ...(given.workloadGaps ?? []).map(({ what, reason, remedy }) =>
    finding('BND160', what, `${reason}.`, { remedy }),
  ),
  ...(given.workloadForMs !== undefined && given.workloadForMs < DAY_MS && given.workload.length > 0
    ? [
        finding(
          'BND161',
          'workload',
          `The server has counted for ${hours(given.workloadForMs)}: what happens once a day or a month may not be in it.`,
        ),
      ]
    : []),
];

const hours = (ms: number): string =>
  ms < 3_600_000 ? `${Math.max(1, Math.round(ms / 60_000))} minutes` : `${Math.round(ms / 3_600_000)} hours`;
