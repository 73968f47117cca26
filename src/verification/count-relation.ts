/** Counting is all that `counts` mode does: cheap, and blind to values. Lag is told from loss as for rows (settle.ts), with one number a relation. */
import type { RelationMap } from '../engines/engine.js';
import type { VerifiedRelation } from '../model/verification.js';
import type { VerifyInput } from './verify-input.js';

export async function countRelation(input: VerifyInput, map: RelationMap): Promise<VerifiedRelation> {
  const { owner, signal } = input;
  const follower = owner === 'source' ? 'target' : 'source';
  const count = (side: 'source' | 'target') => input[side].checksum.count(map, side, signal);
  let rows = 0;
  let differing = 0;
  let isSettled = false;
  let rechecked = 0;
  let seen = '';
  const rounds = input.rounds ?? 4;
  for (let round = 0; round <= rounds && !isSettled; round++) {
    const before = await count(owner);
    if (round > 0) {
      rechecked = 1;
      await input.barrier();
    }
    const other = await count(follower);
    const after = other === before ? before : await count(owner);
    rows = after;
    differing = Math.abs(other - after);
    const pair = `${before} ${other}`;
    isSettled = other === before || other === after || (round > 1 && before === after && seen === pair);
    if (other === before) differing = 0;
    seen = round > 0 ? pair : '';
  }
  return {
    relation: map.source,
    target: map.target,
    rows,
    chunks: 1,
    rechecked,
    differing: isSettled ? differing : 0,
    unsettled: isSettled ? 0 : differing,
    differences: [],
    method: 'count',
    notes: [],
  };
}
