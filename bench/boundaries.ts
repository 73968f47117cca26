/**
 * How close proposed boundaries come to those that authors drew themselves. One JSON line a set, then the mean over the six whose names do not
 * give the answer away, then how stable the proposals are, then how long a large script takes. Usage: npm run bench:boundaries -- <folder> (one folder a set: schema.sql, truth.json).
 * With `--held-out`: weights chosen without the set that they are scored on (held-out.ts), and nothing else.
 */
import fs from 'node:fs';
import path from 'node:path';
import { analyze } from '../src/app/analyze.js';
import { analyzeBoundaries } from '../src/analysis/analyze.js';
import { seededRandom } from '../src/analysis/modularity.js';
import type { Analysis } from '../src/model/analysis.js';
import type { DatabaseSchema } from '../src/model/database-schema.js';
import { benchHeldOut, type HeldOutSet } from './held-out.js';
import { benchLargeAnalysis } from './large-analysis.js';
import { scorePartition } from './partition-score.js';

const UNPREFIXED = [
  'medusa-v1',
  'saleor-noprefix',
  'netbox-noprefix',
  'mantle-udm',
  'adventureworks',
  'killbill',
];
const DROPPED = 0.05;

const NO_FOLDER =
  'bench:boundaries needs the folder of schemas as its argument: npm run bench:boundaries -- <folder> [--held-out]';

type Truth = Readonly<Record<string, string>>;

const nameOf = (id: string): string => id.slice(id.indexOf('.') + 1).replaceAll('"', '');

function prediction(analysis: Pick<Analysis, 'services'>): Map<string, string> {
  return new Map(
    analysis.services.flatMap((service) =>
      service.relations.map((id) => [nameOf(id), service.name] as const),
    ),
  );
}

/** The same schema, its lists in another order. */
function shuffle(schema: DatabaseSchema, random: () => number): DatabaseSchema {
  const mixed = <T>(list: readonly T[]): T[] =>
    list
      .map((value) => ({ value, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ value }) => value);
  return {
    ...schema,
    relations: mixed(schema.relations).map((relation) => ({
      ...relation,
      foreignKeys: mixed(relation.foreignKeys),
      indexes: mixed(relation.indexes),
      keys: mixed(relation.keys),
    })),
  };
}

function withoutSomeKeys(schema: DatabaseSchema, random: () => number): DatabaseSchema {
  return {
    ...schema,
    relations: schema.relations.map((relation) => ({
      ...relation,
      foreignKeys: relation.foreignKeys.filter(() => random() >= DROPPED),
    })),
  };
}

/** Share of relations that stay: services of the second are matched to those of the first by what they have in common. */
function inPlace(before: Pick<Analysis, 'services'>, after: Pick<Analysis, 'services'>): number {
  const home = new Map(
    before.services.flatMap((service) => service.relations.map((id) => [id, service.name] as const)),
  );
  const overlaps = after.services
    .flatMap((service) => {
      const common = new Map<string, number>();
      for (const id of service.relations)
        common.set(home.get(id) ?? '', (common.get(home.get(id) ?? '') ?? 0) + 1);
      return [...common].map(([old, number]) => ({ service: service.name, old, number }));
    })
    .sort((a, b) => b.number - a.number);
  const [taken, matched] = [new Set<string>(), new Set<string>()];
  let stay = 0;
  for (const { service, old, number } of overlaps) {
    if (old === '' || taken.has(old) || matched.has(service)) continue;
    taken.add(old);
    matched.add(service);
    stay += number;
  }
  return home.size === 0 ? 1 : stay / home.size;
}

const pins = { services: {}, together: [], apart: [], shared: [] };
const round = (value: number): number => Math.round(value * 1000) / 1000;

async function readSets(folder: string): Promise<readonly HeldOutSet[]> {
  const found: HeldOutSet[] = [];
  for (const set of UNPREFIXED) {
    const file = path.join(folder, set, 'schema.sql');
    if (!fs.existsSync(file)) continue;
    const { schema } = await analyze({ source: { kind: 'sql', file } });
    const truth = JSON.parse(fs.readFileSync(path.join(folder, set, 'truth.json'), 'utf8')) as Truth;
    found.push({ set, schema, truth });
  }
  return found;
}

async function heldOut(folder: string): Promise<void> {
  const sets = await readSets(folder);
  if (sets.length < 2) console.log('bench:boundaries --held-out needs two sets or more: one is left out');
  else benchHeldOut(sets);
}

async function scoreAll(folder: string): Promise<void> {
  const lines: { set: string; ari: number; nmi: number; mojofm: number }[] = [];
  for (const set of fs.readdirSync(folder).sort()) {
    const file = path.join(folder, set, 'schema.sql');
    if (!fs.existsSync(file)) continue;
    const truth = JSON.parse(fs.readFileSync(path.join(folder, set, 'truth.json'), 'utf8')) as Truth;
    const started = performance.now();
    const { analysis, schema } = await analyze({ source: { kind: 'sql', file } });
    const seconds = (performance.now() - started) / 1000;
    const predicted = prediction(analysis);
    const score = scorePartition(predicted, truth);
    const crossing = analysis.crossings.filter((found) => found.kind === 'reference').length;
    const between = analysis.references.filter((reference) => reference.child !== reference.parent).length;
    const input = { pins, granularity: 0.5 };
    const again = analyzeBoundaries({ ...input, schema: shuffle(schema, seededRandom(1)) });
    const stays = [1, 2, 3].map((seed) =>
      inPlace(analysis, analyzeBoundaries({ ...input, schema: withoutSomeKeys(schema, seededRandom(seed)) })),
    );
    const line = {
      set,
      relations: predicted.size + analysis.unassigned.length,
      services: analysis.services.length,
      ari: round(score.ari),
      nmi: round(score.nmi),
      mojofm: round(score.mojofm),
      crossing: between === 0 ? 0 : round(crossing / between),
      largest: round(
        Math.max(0, ...analysis.services.map((service) => service.relations.length)) /
          Math.max(1, predicted.size),
      ),
      seconds: round(seconds),
      sameWhenShuffled: JSON.stringify(again) === JSON.stringify(analyzeBoundaries({ ...input, schema })),
      inPlaceWithout5PercentOfKeys: round(Math.min(...stays)),
    };
    lines.push(line);
    console.log(JSON.stringify(line));
  }
  const counted = lines.filter((line) => UNPREFIXED.includes(line.set));
  if (counted.length === 0) return;
  const mean = (key: 'ari' | 'nmi' | 'mojofm'): number =>
    round(counted.reduce((sum, line) => sum + line[key], 0) / counted.length);
  console.log(
    JSON.stringify({
      mean: counted.map((line) => line.set),
      ari: mean('ari'),
      nmi: mean('nmi'),
      mojofm: mean('mojofm'),
    }),
  );
}

const folder = process.argv.slice(2).find((word) => !word.startsWith('--'));
if (process.argv.includes('--held-out')) {
  if (folder === undefined || !fs.existsSync(folder)) console.log(NO_FOLDER);
  else await heldOut(folder);
} else {
  if (folder === undefined || !fs.existsSync(folder)) console.log(NO_FOLDER);
  else await scoreAll(folder);
  benchLargeAnalysis();
}
