/** What the database itself says about a fence. Reading and judging are apart: `assessFence` is pure. */
import type { RelationId } from '../../model/relation-id.js';
import type { FenceState } from '../engine.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { FENCE_EVENTS, fenceTriggerName, readFenceBody, type FenceKey } from './mysql-fence-body.js';
import { readFenceRow, type FenceRow } from './mysql-fence-row.js';
import { readTables, readTriggers, type TableTrigger } from './mysql-fence-tables.js';

export interface FenceFacts {
  readonly key: FenceKey;
  readonly relations: readonly RelationId[];
  readonly triggers: readonly Pick<TableTrigger, 'relation' | 'name' | 'timing' | 'event' | 'body'>[];
  readonly row: FenceRow | null;
}

/** @throws RefusedError when a relation is not there. */
export async function readFence(
  session: MysqlQueryable,
  key: FenceKey,
  relations: readonly RelationId[],
): Promise<FenceFacts> {
  await readTables(session, relations);
  return {
    key,
    relations,
    triggers: await readTriggers(session, relations),
    row: await readFenceRow(session, key),
  };
}

function gapsOf(facts: FenceFacts, relation: RelationId): string[] {
  return FENCE_EVENTS.flatMap((event) => {
    const name = fenceTriggerName(relation, event);
    const found = facts.triggers.find((t) => t.relation === relation && t.name === name);
    if (found === undefined) return [`${relation} has no trigger ${name} (${event})`];
    const body = readFenceBody(found.body);
    const isOwn =
      body.kind === 'sound' &&
      body.key.service === facts.key.service &&
      body.key.database === facts.key.database;
    return isOwn && found.timing === 'BEFORE' && found.event === event
      ? []
      : [`${name} on ${relation} is altered`];
  });
}

export function assessFence(facts: FenceFacts): FenceState[] {
  const state = facts.row?.refusal == null ? 'open' : 'closed';
  return facts.relations.map((relation): FenceState => {
    const gaps = gapsOf(facts, relation);
    // An open fence that was taken off one relation is no fence there; a closed one with a gap is damaged.
    if (gaps.length === FENCE_EVENTS.length && state === 'open') return { relation, state: 'absent' };
    if (gaps.length > 0) return { relation, state: 'damaged', detail: gaps.join('; ') };
    if (facts.row === null)
      return { relation, state: 'damaged', detail: 'the control row that the triggers read is gone' };
    return { relation, state };
  });
}
