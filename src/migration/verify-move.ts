/**
 * Verification from inside a move, by whoever holds the service: a marker row tells when the other side has caught up, and keys found equal
 * leave the set of changed ones.
 */
import { randomUUID } from 'node:crypto';
import type { Direction, RelationMap } from '../engines/engine.js';
import type { VerifyMode, VerifyResult } from '../model/verification.js';
import { describeService } from '../verification/service-input.js';
import { verifyService } from '../verification/verify.js';
import type { VerifyInput } from '../verification/verify-input.js';
import { reverseMaps } from './reverse-maps.js';
import type { StepContext } from './step-context.js';
import { openSink } from './translating-sink.js';

export interface VerifyMoveOptions {
  /** Who owns the writes now: the direction of the stream that feeds the other side. Default forward (legacy owns). */
  readonly direction?: Direction;
  /** How long one barrier may take. Default 60 000. */
  readonly barrierTimeoutMs?: number;
  /** Instead of a marker row, where writing one is not possible or not needed (behind the cutover's locks). */
  readonly barrier?: () => Promise<void>;
  readonly rounds?: number;
  readonly isStrict?: boolean;
}

export async function verifyMove(
  context: StepContext,
  mode: VerifyMode,
  options: VerifyMoveOptions = {},
): Promise<VerifyResult> {
  const direction = options.direction ?? 'forward';
  const isForward = direction === 'forward';
  const [owning, following] = isForward ? [context.legacy, context.target] : [context.target, context.legacy];
  const replicator = isForward ? context.forward : context.reverse;
  const streamed = isForward ? context.maps : reverseMaps(context.maps, context.service);
  const asStreamed = (map: RelationMap) => streamed[context.maps.indexOf(map)] ?? map;

  const sink =
    mode === 'changed'
      ? await openSink(owning, following, {
          stream: { service: context.service.name, direction },
          owner: context.owner,
          maps: streamed,
        })
      : null;
  const input: VerifyInput = {
    service: context.service.name,
    source: context.legacy,
    target: context.target,
    maps: context.maps,
    owner: isForward ? 'source' : 'target',
    mode,
    barrier:
      options.barrier ??
      (async () => {
        const nonce = randomUUID();
        await owning.control.writeBarrier(context.owner, nonce);
        await replicator.waitForBarrier(nonce, context.now() + (options.barrierTimeoutMs ?? 60_000));
      }),
    ...(sink !== null && {
      changed: {
        size: () => sink.changed.size(),
        take: (map, limit) => sink.changed.take(asStreamed(map), limit),
        remove: (map, keys) => sink.changed.remove(asStreamed(map), keys),
      },
    }),
    ...(mode === 'full' && describeService(context.service, context.maps)),
    chunkRows: context.settings.chunkRows,
    jobs: context.settings.jobs,
    ...(options.rounds !== undefined && { rounds: options.rounds }),
    ...(options.isStrict !== undefined && { isStrict: options.isStrict }),
    emit: context.emit,
    signal: context.signal,
    now: context.now,
  };
  try {
    return await verifyService(input);
  } finally {
    await sink?.close();
  }
}
