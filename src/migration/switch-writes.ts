/**
 * The switch of the writes, in the order of docs/protocol.md (write cutover); a rollback is the same with the sides swapped. From `hold` to the
 * opening of the other side writers wait; up to the commit every failure is a rollback by the server and nobody gets an error; after it
 * whoever holds the lease next goes on, never back.
 *
 * 1. One session holds the writers of every relation behind locks.
 * 2. Another commits a marker row; once it has arrived on the other side, everything before it has. Then apply stops; its slot stays.
 * 3. What is left of the changed keys is verified, the other side's sequences go on beyond these, R is the other side's log position.
 * 4. In the holding session: fence, sequences, ownership, R as the opposite stream's checkpoint, COMMIT.
 * Steps 5 (opening) and 6 (route, opposite stream, proof) are steps of their own.
 *
 * Both streams rest before R is read: an idle position acknowledged beyond R would make the start at R a gap.
 */
import { randomUUID } from 'node:crypto';
import type { Checkpoint } from '../engines/engine.js';
import { InterruptedError, RefusedError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { openChangedKeys, type ChangedKeysCheck } from './changed-keys.js';
import { fenceOptions } from './fence-options.js';
import { readOwnership } from './ownership.js';
import type { Sides } from './sides.js';
import { expectedFingerprint } from './shape.js';
import type { StepContext } from './step-context.js';

export interface SwitchMeasures {
  /** From the first lock of the attempt that succeeded to the answer to COMMIT. */
  readonly fenceMs: number;
  /** From writing the marker row to its arrival on the other side. */
  readonly drainMs: number;
  readonly verifyMs: number;
  readonly verifiedKeys: number;
  readonly holdAttempts: number;
}

/** Attempts to get the locks; each is short, and writers go on in between. */
const HOLD_ATTEMPTS = 12;

export async function switchWrites(
  context: StepContext,
  sides: Sides,
  name: 'switch-writes' | 'switch-writes-back',
): Promise<SwitchMeasures> {
  const { owner } = context;
  const at = (instant: string) => context.at(`${name}.${instant}`);
  const shape = await expectedShape(context, sides);
  const peer = await sides.to.fence.ownership(owner.service);
  const opposite = await oppositeCheckpoint(context, sides);
  const changed = await openChangedKeys(context, sides);
  try {
    return await switchPrepared(
      context,
      sides,
      { shape, peerRevision: peer?.revision ?? 0, opposite, changed },
      at,
    );
  } catch (error) {
    // Not switched: both streams go back to what they did, unless the process is on its way out. A later start tells what is wrong with one.
    const { accepting } = await readOwnership(context, owner.service).catch(() => ({ accepting: null }));
    if (accepting === sides.fromOwner && !context.signal.aborted)
      await Promise.allSettled([sides.stream.start('apply'), sides.opposite.start('watch')]);
    throw error;
  } finally {
    await changed.close();
  }
}

interface Prepared {
  readonly shape: string;
  readonly peerRevision: number;
  readonly opposite: Checkpoint;
  readonly changed: ChangedKeysCheck;
}

async function switchPrepared(
  context: StepContext,
  sides: Sides,
  prepared: Prepared,
  at: (instant: string) => Promise<void>,
): Promise<SwitchMeasures> {
  const { owner, settings } = context;
  const budgetMs = settings.writeCutover.fenceTimeoutMs;
  await sides.opposite.stop();
  // Once without holding anybody: a stream that does not deliver is found out before writers wait for it.
  await passBarrier(context, sides, budgetMs);
  await prepared.changed.thin();
  await at('ready');

  const held = await sides.from.fence.hold(owner, sides.fromRelations, {
    ...fenceOptions(context, sides.from, sides.toOwner),
    pauseBudgetMs: budgetMs,
    attempts: HOLD_ATTEMPTS,
    sequences: sides.sequences.map((pair) => pair.from),
    signal: context.signal,
  });
  try {
    await at('held');
    const [shapeBehindLocks, drainMs, capture] = await Promise.all([
      held.fingerprint(),
      passBarrier(context, sides, budgetMs),
      // Altering what is published waits for the same locks: what is so now stays so.
      sides.from.changes.status({ service: owner.service, direction: sides.direction }),
    ]);
    if (capture?.altered !== undefined) throw captureAltered(capture.altered);
    if (shapeBehindLocks !== prepared.shape) throw shapeChanged(context);
    await at('drained');
    // Nothing more can arrive: stopping, comparing and moving the sequences on need not wait for each other.
    const verifyBegan = performance.now();
    const [verified] = await Promise.all([
      prepared.changed.prove(budgetMs - held.heldMs()),
      sides.stream.stop(),
      sides.to.fence.advanceSequences(
        owner,
        held.sequences.flatMap((peerSequence) => {
          const pair = sides.sequences.find(({ from }) => from === peerSequence.id);
          return pair === undefined ? [] : [{ id: pair.to, peer: peerSequence, clients: held.clients }];
        }),
      ),
    ]);
    const verifyMs = performance.now() - verifyBegan;
    await at('verified');
    const start = await sides.to.changes.currentPosition();
    await at('position-read');

    const outcome = await held.commit({
      newOwner: sides.toOwner,
      expectedOwner: sides.fromOwner,
      peerRevision: prepared.peerRevision,
      reverseStart: { ...prepared.opposite, epoch: owner.epoch, applied: start, received: start },
      beforeCommit: () => at('before-commit'),
    });
    const fenceMs = held.heldMs();
    if (outcome === 'not-committed') {
      throw new InterruptedError({
        code: 'DBPS_E530',
        message: `the commit of ${owner.service}'s cutover did not take place; the server rolled it back`,
        hint: 'Nothing was changed: run it again.',
      });
    }
    await at('committed');
    return {
      fenceMs: Math.round(fenceMs),
      drainMs: Math.round(drainMs),
      verifyMs: Math.round(verifyMs),
      verifiedKeys: verified,
      holdAttempts: held.attempts,
    };
  } catch (error) {
    // After the commit this finds a session that is over.
    await held.rollback();
    throw error;
  }
}

/** @returns how long it took. @throws InterruptedError past the deadline. */
async function passBarrier(context: StepContext, sides: Sides, withinMs: number): Promise<number> {
  const nonce = randomUUID();
  const began = performance.now();
  const arrived = sides.stream.waitForBarrier(nonce, context.now() + withinMs);
  try {
    await sides.from.control.writeBarrier(context.owner, nonce);
  } catch (error) {
    arrived.catch(() => undefined);
    throw error;
  }
  await arrived;
  return performance.now() - began;
}

/** The stream's identity stays as it was; only where it starts is new. */
async function oppositeCheckpoint(context: StepContext, sides: Sides): Promise<Checkpoint> {
  const { service } = context.owner;
  const checkpoint = await sides.from.control.readCheckpoint(service, sides.oppositeDirection);
  if (checkpoint !== null) return checkpoint;
  throw new RefusedError({
    code: 'DBPS_E335',
    message: `${service} has no ${sides.oppositeDirection} stream: after the switch there would be no way back without loss`,
    hint: `dbps doctor, then dbps status ${service}`,
  });
}

/** The shape on which the copy rests, not the one of a moment ago: nothing may slip in between the guards and the locks. */
async function expectedShape(context: StepContext, sides: Sides): Promise<string> {
  const shapes = await context.store.shapes(context.service.name);
  const expected = expectedFingerprint(sides.fromOwner === 'legacy' ? 'legacy' : 'target', shapes, context);
  if (expected !== null) return expected;
  return fingerprint(await sides.from.introspector.readRelations(sides.fromRelations), sides.fromRelations);
}

function captureAltered(what: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E316',
    message: `${what}: changes may be missing on the other side`,
    hint: 'go one phase back and forward again: capture begins anew, and the relations are copied again',
  });
}

function shapeChanged(context: StepContext): RefusedError {
  return new RefusedError({
    code: 'DBPS_E337',
    message: `the relations of ${context.owner.service} were altered between the guards and the locks of the cutover`,
    hint: 'dbps plan diff shows what has changed.',
  });
}
