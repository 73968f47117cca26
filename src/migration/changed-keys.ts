/**
 * What the change stream has touched since it was last verified. The keys are durable beside the checkpoint, so that what is compared in the
 * pause of a cutover is small whatever the relations' size. Just before the pause a tolerant pass removes what is equal already;
 * behind the held writers nothing moves, and every difference counts.
 */
import { canonicalKey } from '../engines/canonical-columns.js';
import type { ChecksumMethod, Chunk, Key, RelationMap, Sink } from '../engines/engine.js';
import { keyOn } from '../engines/relation-sides.js';
import { RefusedError } from '../model/errors.js';
import { agreeOnMethod } from '../verification/compare-methods.js';
import { differingKeys, keyName } from '../verification/settle.js';
import type { Sides } from './sides.js';
import type { StepContext } from './step-context.js';
import { openSink } from './translating-sink.js';

/** Keys compared in one round trip to each side. */
const BATCH = 2000;
/** A tolerant pass is no reason to put the switch off for long. */
const MOST_PASSES = 20;

export interface ChangedKeysCheck {
  /** Removes what is equal now; what differs may be lag, and stays. */
  thin(): Promise<void>;
  /** @returns keys compared. @throws RefusedError when a row differs, or time is up. */
  prove(withinMs: number): Promise<number>;
  close(): Promise<void>;
}

export async function openChangedKeys(context: StepContext, sides: Sides): Promise<ChangedKeysCheck> {
  const { owner } = context;
  const methods = await Promise.all(
    sides.maps.map((map) => agreeOnMethod({ source: sides.from, target: sides.to }, map, false)),
  );
  const sink = await openSink(sides.from, sides.to, {
    stream: { service: owner.service, direction: sides.direction },
    owner,
    maps: sides.maps,
  });
  const compared = { sides, sink, methods };
  return {
    thin: async () => {
      for (const [index, map] of sides.maps.entries()) {
        for (let pass = 0; pass < MOST_PASSES; pass++) {
          const { taken, removed } = await comparePass(compared, map, index, 'lag-or-loss');
          if (taken < BATCH || removed === 0) break;
        }
      }
    },
    prove: async (withinMs) => {
      const deadline = performance.now() + withinMs;
      let keys = 0;
      for (const [index, map] of sides.maps.entries()) {
        let taken = 0;
        do {
          if (performance.now() > deadline) throw tooMany(owner.service, keys);
          ({ taken } = await comparePass(compared, map, index, 'loss'));
          keys += taken;
        } while (taken >= BATCH);
      }
      return keys;
    },
    close: () => sink.close(),
  };
}

interface Compared {
  readonly sides: Sides;
  readonly sink: Sink;
  readonly methods: readonly ChecksumMethod[];
}

/** One batch of one relation. */
async function comparePass(
  { sides, sink, methods }: Compared,
  map: RelationMap,
  index: number,
  difference: 'lag-or-loss' | 'loss',
): Promise<{ readonly taken: number; readonly removed: number }> {
  const method = methods[index] as ChecksumMethod;
  const keys = await sink.changed.take(map, BATCH);
  if (keys.length === 0) return { taken: 0, removed: 0 };
  const key = keyOn(map, 'source', method);
  // The set is in the words of one engine, the comparison perhaps in neither's.
  const compared = (taken: Key) => canonicalKey(key.slice(0, taken.length), taken);
  // An empty key stands for the whole relation: it was truncated.
  const named = keys.filter((taken) => taken.length > 0).map(compared);
  const different = new Map<string, Key>();
  if (named.length > 0) {
    const [from, to] = await Promise.all([
      sides.from.checksum.keyHashes(map, named, method, 'source'),
      sides.to.checksum.keyHashes(map, named, method, 'target'),
    ]);
    for (const found of differingKeys(from, to)) different.set(keyName(found), found);
  }
  if (named.length < keys.length && !(await isWholeEqual(sides, map, method))) different.set(keyName([]), []);
  if (difference === 'loss' && different.size > 0) throw differs(map, [...different.values()]);
  const equal = keys.filter((taken) => !different.has(keyName(compared(taken))));
  if (equal.length > 0) await sink.changed.remove(map, equal);
  return { taken: keys.length, removed: equal.length };
}

async function isWholeEqual(sides: Sides, map: RelationMap, method: ChecksumMethod): Promise<boolean> {
  const whole: Chunk = { relation: map.source, index: 0, from: null, to: null, estimatedRows: 0 };
  const [from, to] = await Promise.all([
    sides.from.checksum.hash(map, whole, method, 'source'),
    sides.to.checksum.hash(map, whole, method, 'target'),
  ]);
  return from.rows === to.rows && from.hash === to.hash;
}

function differs(map: RelationMap, keys: readonly Key[]): RefusedError {
  const shown = keys
    .slice(0, 3)
    .map((key) => (key.length === 0 ? 'the whole relation' : `(${key.join(', ')})`))
    .join(', ');
  return new RefusedError({
    code: 'DBPS_E338',
    message: `${map.source} is not the same on both sides: ${shown}${keys.length > 3 ? ` and ${keys.length - 3} more` : ''}`,
    hint: 'Nothing was switched. dbps verify shows the rows and writes the SQL that repairs them.',
  });
}

function tooMany(service: string, done: number): RefusedError {
  return new RefusedError({
    code: 'DBPS_E339',
    message: `the changed keys of ${service} did not fit the pause: ${done} were verified in time`,
    hint: `Nothing was switched. dbps verify ${service} --mode changed works them off beforehand.`,
  });
}
