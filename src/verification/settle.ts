/**
 * Tells lag from loss. Two sides of a running copy never agree at one instant; a row differs only if nothing else explains it. So each round
 * reads the owner's row, waits until the other side has applied everything written before (the barrier), reads the other side's row and
 * then the owner's again:
 *
 * - the other side shows either of the owner's two values: it is equal, as far as anyone can see;
 * - the owner's value changed in between: nothing can be said, ask again in the next round;
 * - the owner's value did not change and the other side shows a third one: different. Told only after a second round has seen the very same
 *   two values, since a value may have changed and changed back within one.
 */
import type { Key, RowHash } from '../engines/engine.js';

export interface SettleInput {
  readonly keys: readonly Key[];
  /** Row hashes of the given keys; keys without a row are left out. */
  readonly readOwner: (keys: readonly Key[]) => Promise<readonly RowHash[]>;
  readonly readFollower: (keys: readonly Key[]) => Promise<readonly RowHash[]>;
  /** Resolves when everything that the owner had committed at the call is applied on the other side. */
  readonly barrier: () => Promise<void>;
  readonly rounds: number;
  readonly signal?: AbortSignal;
}

export interface Settled {
  readonly equal: readonly Key[];
  readonly different: readonly Key[];
  readonly unsettled: readonly Key[];
}

/** A row that is not there is a value too. */
const ABSENT = 'absent';

export async function settle(input: SettleInput): Promise<Settled> {
  const equal: Key[] = [];
  const different: Key[] = [];
  let open = input.keys;
  /** What the last round saw of a key: owner and follower. */
  let seen = new Map<string, string>();
  for (let round = 1; open.length > 0 && round <= input.rounds; round++) {
    input.signal?.throwIfAborted();
    const before = hashesByKey(await input.readOwner(open));
    await input.barrier();
    const follower = hashesByKey(await input.readFollower(open));
    const after = hashesByKey(await input.readOwner(open));
    const next: Key[] = [];
    const seenNow = new Map<string, string>();
    for (const key of open) {
      const name = keyName(key);
      const ownerBefore = before.get(name) ?? ABSENT;
      const ownerAfter = after.get(name) ?? ABSENT;
      const other = follower.get(name) ?? ABSENT;
      if (other === ownerBefore || other === ownerAfter) {
        equal.push(key);
      } else if (ownerBefore === ownerAfter) {
        const pair = `${ownerBefore} ${other}`;
        if (seen.get(name) === pair) different.push(key);
        else {
          seenNow.set(name, pair);
          next.push(key);
        }
      } else {
        next.push(key);
      }
    }
    seen = seenNow;
    open = next;
  }
  return { equal, different, unsettled: open };
}

export function keyName(key: Key): string {
  return JSON.stringify(key);
}

function hashesByKey(rows: readonly RowHash[]): Map<string, string> {
  return new Map(rows.map((row) => [keyName(row.key), row.hash]));
}

/** Keys whose rows are not the same in both lists. */
export function differingKeys(a: readonly RowHash[], b: readonly RowHash[]): readonly Key[] {
  const left = hashesByKey(a);
  const right = hashesByKey(b);
  return [
    ...a.filter((row) => right.get(keyName(row.key)) !== row.hash).map((row) => row.key),
    ...b.filter((row) => !left.has(keyName(row.key))).map((row) => row.key),
  ];
}
