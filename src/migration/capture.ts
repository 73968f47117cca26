/** Beginning and ending a stream: publication and slot on one side, checkpoint on the other. Both idempotent. */
import type { CaptureStatus, Database, Direction, RelationMap } from '../engines/engine.js';
import { reverseMaps } from './reverse-maps.js';
import type { MoveContext } from './move-context.js';
import type { GuardContext, StepContext } from './step-context.js';
import { openSink } from './translating-sink.js';

/** Where a direction reads and where it writes. */
export function ends(
  context: StepContext,
  direction: Direction,
): { readonly from: Database; readonly to: Database; readonly maps: readonly RelationMap[] } {
  return direction === 'forward'
    ? { from: context.legacy, to: context.target, maps: context.maps }
    : { from: context.target, to: context.legacy, maps: reverseMaps(context.maps, context.service) };
}

export async function beginCapture(context: StepContext, direction: Direction): Promise<void> {
  const stream = { service: context.service.name, direction };
  const { from, to, maps } = ends(context, direction);
  // Refuses a slot that was made once and is gone: one made again would skip everything in between without a word.
  const prepared = await from.changes.prepare(stream, maps, context.owner, context.signal);
  await context.at(`capture.${direction}-prepared`);
  if ((await to.control.readCheckpoint(stream.service, direction)) !== null) return;
  const sink = await openSink(from, to, { stream, owner: context.owner, maps });
  try {
    await sink.begin(prepared);
  } finally {
    await sink.close();
  }
}

export async function endCapture(context: StepContext, direction: Direction): Promise<void> {
  await (direction === 'forward' ? context.forward : context.reverse).stop();
  const { from, to } = ends(context, direction);
  // The checkpoint first: with one and without its slot, the next runner would find a stream that was lost, not one that was ended.
  await to.control.forgetStream(context.owner, direction);
  await context.at(`capture.${direction}-forgotten`);
  await from.changes.teardown({ service: context.service.name, direction }, context.owner);
}

export async function captureStatus(
  context: GuardContext,
  direction: Direction,
): Promise<CaptureStatus | null> {
  const from = direction === 'forward' ? context.legacy : context.target;
  return from.changes.status({ service: context.service.name, direction });
}

/** Captures that no longer deliver what they were made for: a relation was taken out of a publication, or another stands in its place. */
export async function findAlteredCaptures(
  context: Pick<GuardContext | MoveContext, 'service' | 'legacy' | 'target'>,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const direction of ['forward', 'reverse'] as const) {
    const from = direction === 'forward' ? context.legacy : context.target;
    const status = await from.changes.status({ service: context.service.name, direction });
    if (status?.altered !== undefined) found.push(`${status.altered}: changes may be missing`);
  }
  return found;
}

/** Before the cutover the copy is made again; after it the stream that is whole is the way forward. */
export function alteredRemedy(context: Pick<GuardContext, 'service'>): string {
  return `dbps migrate abort ${context.service.name}, or dbps verify ${context.service.name} --mode full to see what is missing`;
}
