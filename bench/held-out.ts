/**
 * What the method scores on a schema whose answer took no part in choosing its weights. A search from a start that was published before
 * any of these sets was scored; for each set the weights are chosen by the other five, and the sixth is scored with them. The shipped
 * weights are neither the start nor among the candidates.
 */
import { collectEvidence } from '../src/analysis/evidence.js';
import { NO_EVIDENCE } from '../src/analysis/boundary-evidence.js';
import { CONSENSUS } from '../src/analysis/consensus.js';
import { seededRandom } from '../src/analysis/modularity.js';
import { PARTITION, partition, pinnedGraph } from '../src/analysis/partition.js';
import { resolvePins } from '../src/analysis/pins.js';
import { WEIGHTS } from '../src/analysis/weights.js';
import type { DatabaseSchema } from '../src/model/database-schema.js';
import { scorePartition, type PartitionScore } from './partition-score.js';

export interface HeldOutSet {
  readonly set: string;
  readonly schema: DatabaseSchema;
  readonly truth: Readonly<Record<string, string>>;
}

/** Where the search begins, and how far from it a candidate may lie (a factor to either side). */
const START = {
  audit: [0.15, 3],
  weak: [2, 2],
  linkOwner: [1, 4],
  linkOther: [0.7, 2],
  notNull: [1.25, 1.5],
  setNull: [0.7, 1.5],
  namesAlike: [3, 2],
  hubFrom: [4, 1.5],
  hubDamping: [0.75, 2],
  competition: [0.5, 2],
  firstWord: [0.6, 2],
  similarNames: [0.3, 2],
  similarColumns: [0.3, 2],
  noise: [0.5, 1.3],
  agreement: [0.5, 1.15],
  resolution: [0.7, 1.4],
} as const satisfies Record<string, readonly [start: number, within: number]>;

type Name = keyof typeof START;
export type Setting = Readonly<Record<Name, number>>;
const NAMES = Object.keys(START) as Name[];

const CANDIDATES = 120;
/** The weights are the geometric mean of so many settings: the single best of a search is luck. */
const BEST = 10;
const RUNS = { search: 25, score: CONSENSUS.runs };

const settable: readonly Record<string, unknown>[] = [WEIGHTS, CONSENSUS, PARTITION];

/** The constants hold other values while `work` runs: only a search has more than one set of them. */
function withSetting<T>(setting: Partial<Setting>, work: () => T): T {
  const shipped = settable.map((constants) => ({ ...constants }));
  for (const [name, value] of Object.entries(setting))
    for (const constants of settable) if (name in constants) constants[name] = value;
  try {
    return work();
  } finally {
    settable.forEach((constants, at) => Object.assign(constants, shipped[at]));
  }
}

function score(
  { schema, truth }: HeldOutSet,
  setting: Partial<Setting>,
  runs: number | undefined,
): PartitionScore {
  return withSetting(setting, () => {
    const evidence = collectEvidence(schema, NO_EVIDENCE);
    const pins = resolvePins(evidence.index, evidence.relations.length, {
      services: {},
      together: [],
      apart: [],
      shared: [],
    });
    const { groupOf } = partition(pinnedGraph(evidence, pins), {
      granularity: 0.5,
      ...(runs === undefined ? {} : { runs }),
    });
    const predicted = new Map(
      evidence.relations.flatMap(({ id }, at) =>
        groupOf[at] === -1
          ? []
          : [[id.slice(id.indexOf('.') + 1).replaceAll('"', ''), String(groupOf[at])] as const],
      ),
    );
    return scorePartition(predicted, truth);
  });
}

function drawSetting(random: () => number): Setting {
  return Object.fromEntries(
    NAMES.map((name) => {
      const [start, within] = START[name];
      return [name, start * within ** (2 * random() - 1)];
    }),
  ) as Setting;
}

function geometricMean(settings: readonly Setting[]): Setting {
  return Object.fromEntries(
    NAMES.map((name) => [
      name,
      Math.exp(settings.reduce((sum, setting) => sum + Math.log(setting[name]), 0) / settings.length),
    ]),
  ) as Setting;
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export interface HeldOut {
  readonly set: HeldOutSet;
  /** The weights that the other sets chose. */
  readonly chosen: Setting;
}

/** For each set, the weights that are best on the others; what is best on itself is not asked. */
export function chooseHeldOut(sets: readonly HeldOutSet[], number: number): readonly HeldOut[] {
  const random = seededRandom(20_261_123);
  const candidates = Array.from({ length: number }, () => drawSetting(random));
  const searched = candidates.map((setting) =>
    sets.map((set) => {
      const { ari, nmi } = score(set, setting, RUNS.search);
      return ari + nmi;
    }),
  );
  return sets.map((set, left) => {
    const byTheOthers = candidates
      .map((setting, at) => ({
        setting,
        value: mean((searched[at] ?? []).filter((_, other) => other !== left)),
      }))
      .sort((a, b) => b.value - a.value);
    return { set, chosen: geometricMean(byTheOthers.slice(0, BEST).map(({ setting }) => setting)) };
  });
}

/** One JSON line a set left out, then their mean, then what the start itself and the shipped weights score on all. */
export function benchHeldOut(sets: readonly HeldOutSet[]): void {
  const found = chooseHeldOut(sets, CANDIDATES).map(({ set, chosen }) => {
    const result = score(set, chosen, undefined);
    const line = {
      leftOut: set.set,
      ari: round(result.ari),
      nmi: round(result.nmi),
      mojofm: round(result.mojofm),
    };
    console.log(JSON.stringify(line));
    return line;
  });
  const all = (setting: Partial<Setting>) => {
    const results = sets.map((set) => score(set, setting, undefined));
    return {
      ari: round(mean(results.map(({ ari }) => ari))),
      nmi: round(mean(results.map(({ nmi }) => nmi))),
    };
  };
  console.log(
    JSON.stringify({
      heldOut: {
        candidates: CANDIDATES,
        ari: round(mean(found.map(({ ari }) => ari))),
        nmi: round(mean(found.map(({ nmi }) => nmi))),
        mojofm: round(mean(found.map(({ mojofm }) => mojofm))),
      },
      start: all(Object.fromEntries(NAMES.map((name) => [name, START[name][0]]))),
      shipped: all({}),
    }),
  );
}
