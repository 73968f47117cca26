/**
 * Compares a service's relations on both sides while both are written: counts, every row, or the rows that changed since they were last
 * verified. Hashes are made on the servers, on both at once; only what differs is looked at more closely, and only what neither lag nor a
 * write in between explains is called different. What was not compared is always said.
 */
import type { Chunk, Key, RangeHash, Side } from '../engines/engine.js';
import type { VerifiedRelation, VerifyResult } from '../model/verification.js';
import { joinRanges, KEYS_AT_ONCE, RelationComparison, type RangeRun } from './compare-relation.js';
import { compareShape } from './compare-shape.js';
import { countRelation } from './count-relation.js';
import { findOrphans } from './find-orphans.js';
import { findingsOf } from './findings.js';
import { measureSequences } from './measure-sequences.js';
import { forEachParallel } from './parallel.js';
import { keyName } from './settle.js';
import type { ChangedKeys, VerifyInput } from './verify-input.js';

export async function verifyService(given: VerifyInput): Promise<VerifyResult> {
  const startedAt = given.now();
  const waits = { rounds: 0, ms: 0 };
  const input: VerifyInput = {
    ...given,
    barrier: async () => {
      const from = given.now();
      given.emit({
        type: 'waiting',
        service: given.service,
        for: 'barrier',
        detail: 'the other side to catch up',
      });
      await given.barrier();
      waits.rounds++;
      waits.ms += given.now() - from;
    },
  };
  const notCompared: { subject: string; reason: string }[] = [];
  const relations =
    input.mode === 'counts'
      ? await countAll(input, notCompared)
      : input.keys !== undefined
        ? await compareKeys(input, input.keys, notCompared)
        : input.mode === 'full'
          ? await compareAll(input, notCompared)
          : await compareChanged(input, notCompared);
  const orphans = await findOrphans(input, notCompared);
  const sequences = await measureSequences(input);
  const shape = await compareShape(input);
  if (shape.outcome === 'not-compared') notCompared.push({ subject: 'schema', reason: shape.reason });

  const facts = {
    service: input.service,
    mode: input.mode,
    relations,
    orphans,
    sequences,
    shape,
    notCompared,
  };
  return {
    ...facts,
    isEqual:
      relations.every((relation) => relation.differing === 0 && relation.unsettled === 0) &&
      orphans.length === 0 &&
      shape.outcome !== 'differs',
    findings: findingsOf(facts),
    rounds: waits.rounds,
    waitedMs: waits.ms,
    durationMs: given.now() - startedAt,
  };
}

type NotCompared = { subject: string; reason: string }[];

async function countAll(input: VerifyInput, notCompared: NotCompared): Promise<readonly VerifiedRelation[]> {
  const results = new Map<string, VerifiedRelation>();
  notCompared.push({
    subject: 'values',
    reason: 'mode counts compares numbers of rows only; rows that come and go meanwhile may hide a lost one',
  });
  await forEachParallel(input.maps, input.jobs, input.signal, async (map) => {
    results.set(map.source, await countRelation(input, map));
  });
  return input.maps.flatMap((map) => results.get(map.source) ?? []);
}

async function compareAll(
  input: VerifyInput,
  notCompared: NotCompared,
): Promise<readonly VerifiedRelation[]> {
  const comparisons = await openComparisons(input, notCompared);
  const work: RangeWork[] = [];
  await forEachParallel(comparisons, input.jobs, input.signal, async (comparison) => {
    const ranges = await comparison.ranges();
    const chosen = input.sample === undefined ? ranges : chooseRanges(ranges, input.chunkRows, input.sample);
    if (chosen.length < ranges.length)
      notCompared.push({
        subject: comparison.map.source,
        reason: `a sample: ${chosen.length} of its ${ranges.length} ranges, chosen at random`,
      });
    work.push(...runsOf(comparison, chosen));
  });
  await compareRanges(input, work);

  const suspicious = comparisons.filter((comparison) => comparison.suspects.length > 0);
  if (suspicious.length > 0) {
    await input.barrier();
    await forEachParallel(suspicious, input.jobs, input.signal, async (comparison) => {
      await comparison.recheck(comparison.suspects);
    });
  }
  const results: VerifiedRelation[] = [];
  for (const comparison of comparisons) results.push(await comparison.result());
  return results;
}

/** As many ranges as hold about so many rows; each has the same chance. */
function chooseRanges(
  ranges: readonly Chunk[],
  chunkRows: number,
  { rows, random }: { readonly rows: number; readonly random: () => number },
): readonly Chunk[] {
  const wanted = Math.max(1, Math.ceil(rows / chunkRows));
  const left = [...ranges];
  while (left.length > wanted) left.splice(Math.floor(random() * left.length), 1);
  return left;
}

/** Rows that were found different before: one may have been repaired since, or overtaken. */
async function compareKeys(
  input: VerifyInput,
  keys: NonNullable<VerifyInput['keys']>,
  notCompared: NotCompared,
): Promise<readonly VerifiedRelation[]> {
  notCompared.push({
    subject: 'all other rows',
    reason: 'only rows that the last verification found different are looked at again',
  });
  const maps = input.maps.filter((map) => (keys.get(map.source)?.length ?? 0) > 0);
  const comparisons = await openComparisons({ ...input, maps }, notCompared);
  const results: VerifiedRelation[] = [];
  for (const comparison of comparisons) {
    const again = (keys.get(comparison.map.source) ?? []).map((key) => comparison.comparedKey(key));
    for (let from = 0; from < again.length; from += KEYS_AT_ONCE) {
      comparison.chunks++;
      await comparison.settleKeys(again.slice(from, from + KEYS_AT_ONCE));
    }
    comparison.rows = again.length;
    results.push(await comparison.result());
  }
  return results;
}

/** About an eighth of a second: beyond, a run saves nothing more and progress comes in lumps. */
const HASHED_ROWS = 250_000;

interface RangeWork {
  readonly comparison: RelationComparison;
  readonly run: RangeRun;
}

function runsOf(comparison: RelationComparison, ranges: readonly Chunk[]): readonly RangeWork[] {
  return joinRanges(ranges, comparison.input.hashedRows ?? HASHED_ROWS).map((run) => ({ comparison, run }));
}

/** Each side goes through the ranges at its own speed: neither waits for the other but at the end. */
async function compareRanges(input: VerifyInput, work: readonly RangeWork[]): Promise<void> {
  const total = work.reduce((sum, { run }) => sum + run.whole.estimatedRows, 0);
  const startedAt = input.now();
  let rows = 0;
  const first = new Map<RangeWork, RangeHash>();
  const half = (side: Side) =>
    forEachParallel(work, input.jobs, input.signal, async (item) => {
      const { comparison, run } = item;
      const own = await comparison.hashRange(run.whole, side);
      const other = first.get(item);
      if (other === undefined) {
        first.set(item, own);
        return;
      }
      first.delete(item);
      rows +=
        side === 'source' ? comparison.judgeRange(run, own, other) : comparison.judgeRange(run, other, own);
      const perSecond = Math.round((rows * 1000) / Math.max(1, input.now() - startedAt));
      input.emit({
        type: 'progress',
        service: input.service,
        activity: 'verify',
        relation: comparison.map.source,
        rows,
        totalRows: Math.max(total, rows),
        bytes: 0,
        rowsPerSecond: perSecond,
        etaMs: perSecond > 0 ? Math.round((Math.max(0, total - rows) / perSecond) * 1000) : null,
      });
    });
  const sides = await Promise.allSettled([half('source'), half('target')]);
  for (const side of sides) if (side.status === 'rejected') throw side.reason;
}

async function compareChanged(
  input: VerifyInput,
  notCompared: NotCompared,
): Promise<readonly VerifiedRelation[]> {
  notCompared.push({
    subject: 'rows that did not change',
    reason: 'mode changed looks at keys that the change stream has named since they were last verified',
  });
  const { changed } = input;
  if (changed === undefined) throw new RangeError('mode changed needs the set of changed keys');
  const comparisons = await openComparisons(input, notCompared);
  await forEachParallel(comparisons, input.jobs, input.signal, (comparison) =>
    verifyChanged(comparison, changed),
  );
  const results: VerifiedRelation[] = [];
  for (const comparison of comparisons) results.push(await comparison.result());
  return results;
}

/** Independent of the table's size. Keys that are equal leave the set, so that the next call finds only new ones. */
async function verifyChanged(comparison: RelationComparison, changed: ChangedKeys): Promise<void> {
  const { map } = comparison;
  const seen = new Set<string>();
  for (;;) {
    // What stays in the set (different, unsettled, or the caller may not write) comes again: ask for that many more.
    const taken = await changed.take(map, KEYS_AT_ONCE + seen.size);
    const fresh = taken.filter((key) => !seen.has(JSON.stringify(key)));
    if (fresh.length === 0) return;
    const wholes = fresh.filter((key) => key.length === 0);
    // The set is in the words of one engine, the comparison perhaps in neither's.
    const named = new Map(
      fresh.filter((key) => key.length > 0).map((key) => [keyName(comparison.comparedKey(key)), key]),
    );
    const keys = [...named.values()].map((key) => comparison.comparedKey(key));
    const equal: Key[] = [];
    if (wholes.length > 0 && (await isWholeEqual(comparison))) equal.push(...wholes);
    if (keys.length > 0) {
      comparison.chunks++;
      comparison.rows += keys.length;
      const settled = await comparison.settleKeys(keys);
      equal.push(...settled.equal.map((key) => named.get(keyName(key)) ?? key));
    }
    const isGone = new Set(changed.remove === undefined ? [] : equal.map((key) => JSON.stringify(key)));
    if (equal.length > 0) await changed.remove?.(map, equal);
    for (const key of fresh.map((k) => JSON.stringify(k))) if (!isGone.has(key)) seen.add(key);
    // Writers may add keys as fast as they are verified: those of this batch were all there was at the start.
    if (fresh.length < KEYS_AT_ONCE) return;
  }
}

/** A truncate names no key: an empty one stands in the set for the relation as a whole. */
async function isWholeEqual(comparison: RelationComparison): Promise<boolean> {
  await compareRanges(comparison.input, runsOf(comparison, await comparison.ranges()));
  if (comparison.suspects.length === 0) return true;
  await comparison.input.barrier();
  return comparison.recheck(comparison.suspects.splice(0));
}

async function openComparisons(
  input: VerifyInput,
  notCompared: NotCompared,
): Promise<readonly RelationComparison[]> {
  const opened = new Map<string, RelationComparison>();
  const keyed = input.maps.filter((map) => {
    if (map.key.length === 0)
      notCompared.push({ subject: map.source, reason: 'it has no key by which rows could be told apart' });
    return map.key.length > 0;
  });
  await forEachParallel(keyed, input.jobs, input.signal, async (map) => {
    opened.set(map.source, await RelationComparison.open(input, map));
  });
  return keyed.flatMap((map) => {
    const comparison = opened.get(map.source);
    if (comparison === undefined) return [];
    for (const { column, reason } of comparison.method.notCompared)
      notCompared.push({ subject: `${map.source}.${column}`, reason });
    return comparison;
  });
}
