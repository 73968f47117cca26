import { randomUUID } from 'node:crypto';
import { RefusedError } from '../../model/errors.js';
import { openChangedKeys } from '../changed-keys.js';
import { fenceOptions } from '../fence-options.js';
import { copiesOnTheWay } from '../reader-copies.js';
import { backSides } from '../sides.js';
import type { Step, StepContext } from '../step-context.js';

/**
 * Legacy equals the owner, once more and for good: with the owner's writers held for a moment, a marker row passes, and what has changed
 * since it was last verified is the same on both sides. Then reverse apply stops; from here legacy stands still, and an archive of it is
 * one of the owner at this barrier.
 */
export const finalBarrier: Step = {
  name: 'final-barrier',
  // Done means that retiring has begun, and no longer can be taken back; before that it is always passed again.
  isCommitPoint: true,
  describe: async (context) => [
    {
      where: 'target',
      sql: null,
      purpose: `hold the writers for a moment (at most ${context.settings.writeCutover.fenceTimeoutMs} ms) while a marker row passes to legacy`,
    },
    { where: 'legacy', sql: null, purpose: 'compare what changed lately, then stop applying' },
  ],
  // Nothing applies to relations that have been retired: there is no barrier left to pass.
  check: async (context) => ((await isRetiring(context)) ? 'done' : 'todo'),
  do: async (context) => {
    // Asked by a guard too; but copies may have been begun since, and from here on they are told that legacy goes.
    const copies = await copiesOnTheWay(context.store, context.service.name);
    if (copies.length > 0)
      throw new RefusedError({
        code: 'DBPS_E363',
        message: `copies are being made from legacy: ${copies.map(({ name }) => name).join(', ')}`,
        hint: `dbps migrate abort ${copies[0]?.name ?? ''}, or dbps rollback ${context.service.name}`,
      });
    const sides = backSides(context);
    const budgetMs = context.settings.writeCutover.fenceTimeoutMs;
    await context.reverse.start('apply');
    await passBarrier(context, 60_000);
    const changed = await openChangedKeys(context, sides);
    try {
      await changed.thin();
      const held = await context.target.fence.hold(context.owner, sides.fromRelations, {
        ...fenceOptions(context, context.target, 'service'),
        pauseBudgetMs: budgetMs,
        attempts: 12,
        sequences: [],
        signal: context.signal,
      });
      try {
        await passBarrier(context, budgetMs);
        const verifiedKeys = await changed.prove(budgetMs - held.heldMs());
        await context.reverse.stop();
        return { verifiedKeys, heldMs: Math.round(held.heldMs()) };
      } finally {
        await held.rollback();
      }
    } finally {
      await changed.close();
    }
  },
  verify: async () => undefined,
  undo: async (context) => {
    await context.reverse.start('apply');
  },
};

async function passBarrier(context: StepContext, withinMs: number): Promise<void> {
  const nonce = randomUUID();
  const arrived = context.reverse.waitForBarrier(nonce, context.now() + withinMs);
  arrived.catch(() => undefined);
  await context.target.control.writeBarrier(context.owner, nonce);
  await arrived;
}

/** Something has been renamed or dropped already. */
export async function isRetiring(context: StepContext): Promise<boolean> {
  if ((await context.legacy.control.readEpoch(context.service.name)) === null) return true;
  if ((await context.legacy.retirement.retired(context.service.name)).length > 0) return true;
  return (await context.legacy.control.readCheckpoint(context.service.name, 'reverse')) === null;
}
