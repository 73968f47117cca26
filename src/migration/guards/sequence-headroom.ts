import type { SequenceState } from '../../engines/engine.js';
import { sequencePairs } from '../../model/sequence-pairs.js';
import type { Guard } from '../step-context.js';

/** Values that the cutover may skip: more than any session's cached ones, and room to go on afterwards. */
const MARGIN = 1000n;

export const sequenceHeadroom: Guard = {
  name: 'sequence-headroom',
  when: 'always',
  evaluate: async (context) => {
    const pairs = sequencePairs(context.service);
    const ids = pairs.map((pair) => pair.target);
    if (ids.length === 0) return { outcome: 'ok', detail: 'no sequences' };
    const legacyIds = pairs.map((pair) => pair.legacy);
    const [there, here] = await Promise.all([
      context.legacy.checksum.sequences(legacyIds, context.signal),
      context.target.checksum.sequences(ids, context.signal),
    ]);
    // A fenced sequence ends at its last value; what counts is where it may go once it is opened.
    const [legacyBounds, targetBounds] = await Promise.all([
      context.legacy.fence.fencedSequences(context.service.name),
      context.target.fence.fencedSequences(context.service.name),
    ]);
    const tight = [
      ...there.map((sequence) => ({ ...sequence, ...legacyBounds.find(({ id }) => id === sequence.id) })),
      ...here.map((sequence) => ({ ...sequence, ...targetBounds.find(({ id }) => id === sequence.id) })),
    ].filter((sequence) => !hasRoom(sequence));
    if (tight.length === 0)
      return {
        outcome: 'ok',
        detail: `${ids.length === 1 ? '1 sequence has' : `${ids.length} sequences have`} room`,
      };
    return {
      outcome: 'refused',
      code: 'DBPS_E317',
      detail: tight
        .map(
          (s) =>
            `${s.id} gives ${s.next} next and ends at ${BigInt(s.increment) > 0n ? s.maximum : s.minimum}`,
        )
        .join('; '),
      hint: 'widen the column and its sequence first',
      findings: [],
      mayPass: false,
    };
  },
};

/** Direction-aware: a descending sequence runs towards its minimum. */
export function hasRoom(sequence: SequenceState): boolean {
  const increment = BigInt(sequence.increment);
  const next = BigInt(sequence.next);
  const size = increment < 0n ? -increment : increment;
  const needed = size * BigInt(sequence.cache) * MARGIN;
  return increment > 0n
    ? BigInt(sequence.maximum) - next >= needed
    : next - BigInt(sequence.minimum) >= needed;
}
