/** A switch of the writes from one database to the other: forward at the cutover, back at a rollback. The protocol is the same. */
import type { Database, Direction, RelationMap } from '../engines/engine.js';
import type { RelationId } from '../model/relation-id.js';
import { sequencePairs } from '../model/sequence-pairs.js';
import type { Owner } from './ownership.js';
import { reverseMaps } from './reverse-maps.js';
import { relationsOn } from './shape.js';
import type { ReplicatorHandle, StepContext } from './step-context.js';

export interface Sides {
  /** Gives the writes away. */
  readonly from: Database;
  readonly fromOwner: Owner;
  readonly fromRelations: readonly RelationId[];
  readonly to: Database;
  readonly toOwner: Owner;
  readonly toRelations: readonly RelationId[];
  /** Keeps `to` current from `from` until the switch. */
  readonly stream: ReplicatorHandle;
  /** Keeps `from` current from `to` after it. */
  readonly opposite: ReplicatorHandle;
  readonly direction: Direction;
  readonly oppositeDirection: Direction;
  /** source = `from`, target = `to`. */
  readonly maps: readonly RelationMap[];
  readonly sequences: readonly { readonly from: RelationId; readonly to: RelationId }[];
}

export function forwardSides(context: StepContext): Sides {
  return {
    from: context.legacy,
    fromOwner: 'legacy',
    fromRelations: relationsOn('legacy', context),
    to: context.target,
    toOwner: 'service',
    toRelations: relationsOn('target', context),
    stream: context.forward,
    opposite: context.reverse,
    direction: 'forward',
    oppositeDirection: 'reverse',
    maps: context.maps,
    sequences: sequencePairs(context.service).map(({ legacy, target }) => ({ from: legacy, to: target })),
  };
}

export function backSides(context: StepContext): Sides {
  return {
    from: context.target,
    fromOwner: 'service',
    fromRelations: relationsOn('target', context),
    to: context.legacy,
    toOwner: 'legacy',
    toRelations: relationsOn('legacy', context),
    stream: context.reverse,
    opposite: context.forward,
    direction: 'reverse',
    oppositeDirection: 'forward',
    maps: reverseMaps(context.maps, context.service),
    sequences: sequencePairs(context.service).map(({ legacy, target }) => ({ from: target, to: legacy })),
  };
}
