/** Catching up without writing anything: the owner's position now, and the other side's checkpoint until it has passed it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Direction, ReadOnlyDatabase } from '../engines/engine.js';
import { InterruptedError, RefusedError } from '../model/errors.js';

export interface PositionBarrier {
  readonly service: string;
  readonly direction: Direction;
  readonly owning: Pick<ReadOnlyDatabase, 'changes'>;
  readonly following: Pick<ReadOnlyDatabase, 'control'>;
  readonly timeoutMs: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Whether a runner applies the service's changes; null where that cannot be told. Without it, whoever may. */
  readonly isDriven?: () => Promise<boolean | null>;
}

/** A runner that is started again by whatever supervises it needs a moment. */
const WITHOUT_RUNNER_MS = 10_000;

export async function waitForPosition(barrier: PositionBarrier): Promise<void> {
  const { service, direction, owning, following, signal } = barrier;
  const until = barrier.now() + barrier.timeoutMs;
  const position = await owning.changes.currentPosition();
  let drivenAt = barrier.now();
  for (let pause = 20; ; pause = Math.min(pause * 2, 500)) {
    signal.throwIfAborted();
    const checkpoint = await following.control.readCheckpoint(service, direction);
    if (checkpoint === null)
      throw new RefusedError({
        code: 'DBPS_E380',
        message: `${service}: no stream runs between the two databases, so that what differs may be lag as well as loss`,
        hint: `dbps status ${service}`,
      });
    if (owning.changes.reached(checkpoint.applied, position)) return;
    if ((await barrier.isDriven?.()) !== false) drivenAt = barrier.now();
    else if (barrier.now() - drivenAt >= WITHOUT_RUNNER_MS)
      throw new RefusedError({
        code: 'DBPS_E381',
        message: `${service}: no runner applies changes, so that what differs may be lag as well as loss`,
        hint: `dbps run ${service}, in another terminal or as a service of the system; then dbps verify again`,
      });
    if (barrier.now() > until)
      throw new InterruptedError({
        code: 'DBPS_E540',
        message: `${service}: the other side has applied up to ${checkpoint.applied} and not reached ${position} in ${Math.round(barrier.timeoutMs / 1000)} s, so that what differs may be lag as well as loss`,
        hint: 'dbps run applies changes; dbps verify again when it has caught up',
      });
    await sleep(pause, undefined, { signal });
  }
}
