/** How many values the owner's sequences can still give: one that runs out after the cutover stops the service. */
import type { SequenceState } from '../engines/engine.js';
import type { SequenceHeadroom } from '../model/verification.js';
import type { VerifyInput } from './verify-input.js';

export async function measureSequences(input: VerifyInput): Promise<readonly SequenceHeadroom[]> {
  const sequences = input.sequences ?? [];
  if (sequences.length === 0) return [];
  const states = await input[input.owner].checksum.sequences(
    sequences.map((sequence) => sequence[input.owner]),
    input.signal,
  );
  return states.map(assessHeadroom);
}

export function assessHeadroom(state: SequenceState): SequenceHeadroom {
  const increment = BigInt(state.increment);
  const isRising = increment > 0n;
  const limit = BigInt(isRising ? state.maximum : state.minimum);
  const start = BigInt(isRising ? state.minimum : state.maximum);
  const next = BigInt(state.next);
  const span = (limit - start) / increment;
  const left = (limit - next) / increment + 1n;
  return {
    sequence: state.id,
    next: state.next,
    limit: limit.toString(),
    left: (left < 0n ? 0n : left).toString(),
    used: span === 0n ? 1 : 1 - Number((left * 1_000_000n) / (span + 1n)) / 1_000_000,
  };
}
