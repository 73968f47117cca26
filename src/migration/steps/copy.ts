import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError, RefusedError } from '../../model/errors.js';
import { copyService } from '../copier.js';
import { findShapeChanges } from '../shape.js';
import type { Step, StepContext } from '../step-context.js';
import { assertWithinWalBudget } from '../wal-budget.js';
import { emptyTargetOf } from './empty-target.js';

/** How often the copy asks how much log is kept and whether the schema is still the same, at most. */
const LOOK_EVERY_MS = 5_000;
const THROTTLE_POLL_MS = 200;

/** Chunk by chunk, while changes are received and kept; what was copied before a crash stays copied. */
export const copy: Step = {
  name: 'copy',
  describe: async (context) =>
    context.maps.map((map) => ({
      where: 'target' as const,
      sql: null,
      purpose: `copy ${map.source} in ranges of its key (${map.key.join(', ')}), then build its indexes`,
    })),
  check: async () => 'todo',
  do: async (context) => {
    await context.forward.start('spool');
    let lookedAt = context.now();
    const outcome = await copyService(context, {
      mayContinue: async () => {
        await waitForStream(context);
        if (context.now() - lookedAt < LOOK_EVERY_MS) return;
        lookedAt = context.now();
        await assertWithinWalBudget(context);
        assertAlive(context);
      },
    });
    await assertSameShape(context);
    return { rows: outcome.rows, bytes: outcome.bytes };
  },
  verify: async (context) => {
    const progress = await context.target.control.readCopyProgress(context.service.name);
    const done = new Set(progress.filter((p) => p.done === p.chunks).map((p) => p.relation));
    const missing = context.maps.filter((map) => !done.has(map.source)).map((map) => map.source);
    if (missing.length > 0) throw new Error(`not copied: ${missing.join(', ')}`);
  },
  undo: emptyTargetOf,
};

/**
 * `migration.throttle.maxLag`: while the stream beside it is that far behind, the copy leaves the databases to the stream. A chunk that has begun is
 * finished.
 */
async function waitForStream(context: StepContext): Promise<void> {
  const limit = context.settings.throttleMaxLagMs;
  let isSaid = false;
  for (;;) {
    assertAlive(context);
    const { lagMs } = context.forward.status();
    if (lagMs === null || lagMs <= limit) return;
    if (!isSaid) {
      isSaid = true;
      context.emit({
        type: 'waiting',
        service: context.service.name,
        for: 'throttle',
        detail: `the stream is ${Math.round(lagMs)} ms behind, the copy rests until it is within ${limit} ms`,
      });
    }
    await assertWithinWalBudget(context);
    await sleep(THROTTLE_POLL_MS, undefined, { signal: context.signal }).catch(() => undefined);
    if (context.signal.aborted)
      throw new InterruptedError({
        code: 'DBPS_E501',
        message: 'stopped while the copy waited for the stream',
      });
  }
}

/** A stream that has ended by itself would let the log pile up behind the copy's back. */
function assertAlive(context: StepContext): void {
  const { error } = context.forward.status();
  if (error !== null) throw error;
}

async function assertSameShape(context: StepContext): Promise<void> {
  const shapes = await context.store.shapes(context.service.name);
  const changes = await findShapeChanges({ ...pick(context), shapes: { ...shapes, target: null } });
  const [first] = changes;
  if (first === undefined) return;
  throw new RefusedError({
    code: 'DBPS_E312',
    message: `${changes.map((change) => `${change.relation} in ${change.side} has changed during the copy: ${change.what}`).join('; ')}`,
    hint: `dbps migrate abort ${context.service.name}`,
  });
}

const pick = ({ legacy, target, service, maps }: StepContext) => ({ legacy, target, service, maps });
