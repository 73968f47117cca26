/** How sure each relation's place is: in how many runs it stood with the others of its group, and with which other group it stood most. */
import type { Grouping } from './partition.js';

/** Of one run, by its labels: which groups stand under a label (from `start[label]` on), and with how many relations. */
interface Tally {
  readonly start: Int32Array;
  readonly ofGroup: Int32Array;
  readonly number: Int32Array;
}

function tally(groups: readonly (readonly number[])[], labels: readonly number[]): Tally {
  const most = labels.reduce((least, label) => Math.max(least, label), -1);
  const start = new Int32Array(most + 2);
  const last = new Int32Array(most + 1).fill(-1);
  groups.forEach((members, group) => {
    for (const at of members) {
      const label = labels[at]!;
      if (last[label] === group) continue;
      last[label] = group;
      start[label + 1]! += 1;
    }
  });
  for (let label = 0; label <= most; label += 1) start[label + 1]! += start[label]!;
  const ofGroup = new Int32Array(start[most + 1]!);
  const number = new Int32Array(ofGroup.length);
  const filled = start.slice();
  last.fill(-1);
  groups.forEach((members, group) => {
    for (const at of members) {
      const label = labels[at]!;
      if (last[label] !== group) {
        last[label] = group;
        ofGroup[filled[label]!] = group;
        filled[label]! += 1;
      }
      number[filled[label]! - 1]! += 1;
    }
  });
  return { start, ofGroup, number };
}

/** Pinned relations are where the user said. */
export function agreement(
  groupOf: readonly number[],
  groups: readonly (readonly number[])[],
  runs: readonly (readonly number[])[],
  pinned: ReadonlySet<number>,
): Pick<Grouping, 'confidence' | 'runnerUp'> {
  const tallies = runs.map((labels) => tally(groups, labels));
  const confidence: number[] = [];
  const runnerUp: Grouping['runnerUp'][number][] = [];
  const sums = new Float64Array(groups.length);
  const seen: number[] = [];
  groupOf.forEach((group, at) => {
    seen.length = 0;
    if (group !== -1)
      for (let run = 0; run < runs.length; run += 1) {
        const { start, ofGroup, number } = tallies[run]!;
        const label = runs[run]![at]!;
        for (let place = start[label]!; place < start[label + 1]!; place += 1) {
          const other = ofGroup[place]!;
          const size = groups[other]!.length;
          const together = number[place]!;
          const share = other === group ? (size === 1 ? 1 : (together - 1) / (size - 1)) : together / size;
          if (sums[other] === 0) seen.push(other);
          sums[other]! += share / runs.length;
        }
      }
    confidence.push(group === -1 ? 0 : pinned.has(at) ? 1 : sums[group]!);
    let best: { group: number; share: number } | null = null;
    for (const other of seen) {
      const share = sums[other]!;
      sums[other] = 0;
      if (
        other !== group &&
        (best === null || share > best.share || (share === best.share && other < best.group))
      )
        best = { group: other, share };
    }
    runnerUp.push(best !== null && best.share > 0 ? best : null);
  });
  return { confidence, runnerUp };
}
