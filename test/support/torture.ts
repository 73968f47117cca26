/**
 * Kills a runner at a named instant of a transition, then goes on or takes it back, and proves that nothing was lost. One shop serves many
 * instants: after each the service is brought back to where the transition begins. kill-walk.ts goes through all instants.
 */
import { expect } from 'vitest';
import type { Wish } from '../../src/migration/requests.js';
import { PHASES, type Phase } from '../../src/model/phases.js';
import { contents, type Shop, type ShopDatabase } from './move.js';
import { startMover } from './mover.js';

export interface Leg {
  readonly from: Phase;
  readonly to: Phase;
}

const wishFor = ({ from, to }: Leg): Wish =>
  PHASES.indexOf(to) > PHASES.indexOf(from)
    ? { kind: 'advance', to, parameters: { wait: true } }
    : { kind: 'rollback', to, parameters: { wait: true } };

/** In this process, step by step, to a phase that lies before or behind. */
export async function bringTo(shop: Shop<ShopDatabase>, goal: Phase): Promise<void> {
  const runner = await openWhenFree(shop);
  try {
    for (;;) {
      const { phase, target } = await runner.state();
      if (phase === goal && target === null) return;
      if (target !== null) {
        const isForward = PHASES.indexOf(target) > PHASES.indexOf(phase);
        await runner.perform(
          isForward
            ? { kind: 'advance', parameters: { wait: true } }
            : { kind: 'rollback', to: target, parameters: { wait: true } },
        );
      } else if (PHASES.indexOf(goal) > PHASES.indexOf(phase)) {
        await runner.perform({ kind: 'advance', parameters: { wait: true } });
      } else {
        // sync goes back to read-cutover at once.
        const isBehind = phase === 'sync' && goal === 'write-cutover';
        await runner.perform({
          kind: 'rollback',
          ...(isBehind ? {} : { to: goal }),
          parameters: { wait: true },
        });
      }
    }
  } finally {
    await runner.close();
  }
}

/** A dead runner's lease has to run out first. */
export function openWhenFree(shop: Shop<ShopDatabase>) {
  return shop.runner({ leaseMs: 10_000 }, new AbortController().signal, 30_000);
}

export async function killAt(
  shop: Shop<ShopDatabase>,
  leg: Leg,
  point: string,
  then: 'resume' | 'take-back',
): Promise<void> {
  await bringTo(shop, leg.from);
  const killed = await startMover(shop, wishFor(leg), { point: `${point}:kill` }).ended;
  // A point that depends on what traffic did meanwhile may not be passed this time: then it simply arrived.
  if (killed !== null) expect(killed, point).toMatchObject({ ok: true });
  const runner = await openWhenFree(shop);
  try {
    const before = await runner.state();
    const isForward = PHASES.indexOf(leg.to) > PHASES.indexOf(leg.from);
    if (then === 'take-back' && isForward && before.target !== null) {
      await runner
        .perform({ kind: 'rollback', parameters: { wait: true } })
        .catch(async (error: { code?: string }) => {
          // Past the commit point there is only one way.
          if (error.code !== 'DBPS_E307') throw error;
          await runner.perform(wishFor(leg));
        });
      expect([leg.from, leg.to], point).toContain((await runner.state()).phase);
    } else {
      await runner.perform(wishFor(leg));
      expect((await runner.state()).phase, point).toBe(leg.to);
    }
    expect((await runner.state()).target, point).toBeNull();
    const { phase } = await runner.state();
    if (PHASES.indexOf(phase) >= PHASES.indexOf('dual-write')) {
      await runner.rest();
      const result = await runner.guardContext(runner.stepContext({}, runner.signal), phase).verify('full');
      expect({ point, isEqual: result.isEqual, findings: result.findings }).toMatchObject({ isEqual: true });
    }
  } finally {
    await runner.close();
  }
}

/** Both sides equal when nobody writes any more. */
export async function expectEqual(shop: Shop): Promise<void> {
  expect(await contents(shop.service)).toEqual(await contents(shop.legacy));
}
