/** Lag told from loss, with both sides played by hand: what each read returns is written down round by round. */
import { describe, expect, test } from 'vitest';
import type { Key } from '../../src/engines/engine.js';
import { differingKeys, settle } from '../../src/verification/settle.js';

/** Value of the one key at each successive read of the owner, and of the follower before and after each barrier. */
async function play(
  owner: readonly (string | null)[],
  followerByBarrier: readonly (string | null)[],
  rounds = 4,
) {
  let reads = 0;
  let barriers = 0;
  const row = (value: string | null | undefined) =>
    value === null || value === undefined ? [] : [{ key: ['1'], hash: value }];
  const last = <T>(list: readonly T[], index: number) => list[Math.min(index, list.length - 1)];
  const settled = await settle({
    keys: [['1']],
    readOwner: async () => row(last(owner, reads++)),
    readFollower: async () => row(last(followerByBarrier, barriers)),
    barrier: async () => void barriers++,
    rounds,
  });
  const found = (Object.entries(settled) as [string, readonly Key[]][]).filter(([, keys]) => keys.length > 0);
  expect(found).toHaveLength(1);
  return { outcome: found[0]?.[0], barriers };
}

describe('a row that differs at first sight', () => {
  test('equal once the other side has caught up', async () => {
    expect(await play(['new'], ['old', 'new'])).toEqual({ outcome: 'equal', barriers: 1 });
    expect(await play([null], ['old', null])).toEqual({ outcome: 'equal', barriers: 1 });
    expect(await play(['new'], [null, 'new'])).toEqual({ outcome: 'equal', barriers: 1 });
  });
  test('different when nothing changes in two rounds behind barriers', async () => {
    expect(await play(['a'], ['b'])).toEqual({ outcome: 'different', barriers: 2 });
    expect(await play(['a'], [null])).toEqual({ outcome: 'different', barriers: 2 });
    expect(await play([null], ['b'])).toEqual({ outcome: 'different', barriers: 2 });
  });
  test('equal when the other side has overtaken the first read', async () => {
    expect(await play(['v1', 'v2'], ['v0', 'v2'])).toEqual({ outcome: 'equal', barriers: 1 });
  });
  test('unsettled while the owner changes it in every round', async () => {
    const owner = ['v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7', 'v8'];
    expect(await play(owner, ['x'])).toEqual({ outcome: 'unsettled', barriers: 4 });
  });
  test('not called different for a value that came and went between two reads', async () => {
    // The owner shows a, then b while nobody looks, then a again; the other side is caught showing b.
    expect(await play(['a'], ['a', 'b', 'a'])).toEqual({ outcome: 'equal', barriers: 2 });
    // A follower that shows another value each time is not yet known to differ.
    expect(await play(['a'], ['a', 'b', 'c', 'd', 'e'])).toEqual({ outcome: 'unsettled', barriers: 4 });
  });
});

test('keys are compared as wholes, on both sides', () => {
  const row = (hash: string, ...key: string[]) => ({ key, hash });
  expect(
    differingKeys(
      [row('x', 'a', 'bc'), row('y', 'ab', 'c'), row('z', '1', '2')],
      [row('x', 'a', 'bc'), row('other', 'ab', 'c'), row('w', '3', '4')],
    ),
  ).toEqual([
    ['ab', 'c'],
    ['1', '2'],
    ['3', '4'],
  ]);
});
