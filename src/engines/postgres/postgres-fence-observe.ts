/** What the database itself says about a fence. Reading and judging are apart: `assessFence` is pure. */
import type { RelationId } from '../../model/relation-id.js';
import type { FenceState, OwnershipRow } from '../engine.js';
import { fenceFunctionName, readBody, ROW_TRIGGER, STATEMENT_TRIGGER } from './postgres-fence-body.js';
import { readTree, type FencedRelation, type Queryable } from './postgres-fence-tree.js';

export interface FenceTrigger {
  /** Relation's oid. */
  readonly relation: string;
  readonly name: string;
  /** O: enabled, D: disabled, R: replica, A: always. */
  readonly enabled: string;
  readonly type: number;
}

export interface FenceFacts {
  /** Source of the service's trigger function; null when there is none. */
  readonly body: string | null;
  readonly tree: readonly FencedRelation[];
  readonly triggers: readonly FenceTrigger[];
}

const FUNCTION = `
SELECT p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = 'dbps' AND p.proname = $1`;

const TRIGGERS = `
SELECT t.tgrelid AS relation, t.tgname AS name, t.tgenabled AS enabled, t.tgtype::int AS type
  FROM pg_trigger t
  JOIN pg_proc p ON p.oid = t.tgfoid
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND n.nspname = 'dbps' AND p.proname = $2`;

export async function readFence(
  client: Queryable,
  service: string,
  relations: readonly RelationId[],
): Promise<FenceFacts> {
  const tree = await readTree(client, relations);
  const name = fenceFunctionName(service);
  const { rows: bodies } = await client.query<{ prosrc: string }>(FUNCTION, [name]);
  const { rows } = await client.query<{ relation: string; name: string; enabled: string; type: string }>(
    TRIGGERS,
    [tree.map((r) => r.oid), name],
  );
  return {
    body: bodies[0]?.prosrc ?? null,
    tree,
    triggers: rows.map((row) => ({ ...row, type: Number(row.type) })),
  };
}

/** pg_trigger.tgtype: BEFORE (2), INSERT (4), DELETE (8), UPDATE (16), TRUNCATE (32); ROW (1). */
const STATEMENT_TYPE = 2 | 4 | 8 | 16 | 32;
const ROW_TYPE = 1 | 2 | 4 | 8 | 16;

function gapsOf(relation: FencedRelation, triggers: readonly FenceTrigger[]): string[] {
  const wanted: [string, number][] = [[STATEMENT_TRIGGER, STATEMENT_TYPE]];
  if (relation.isRoot && relation.kind === 'partitioned') wanted.push([ROW_TRIGGER, ROW_TYPE]);
  return wanted.flatMap(([name, type]) => {
    const found = triggers.find((t) => t.relation === relation.oid && t.name === name);
    if (found === undefined) return [`${relation.id} has no trigger ${name}`];
    if (found.enabled !== 'O')
      return [`${name} on ${relation.id} is ${found.enabled === 'D' ? 'disabled' : 'altered'}`];
    if (found.type !== type) return [`${name} on ${relation.id} is altered`];
    return [];
  });
}

/** One state a named relation. A fence is only as good as its weakest descendant: a part that is not covered makes it `damaged`. */
export function assessFence(facts: FenceFacts): FenceState[] {
  return facts.tree
    .filter((relation) => relation.isRoot)
    .map((root): FenceState => {
      const covered = facts.tree.filter((r) => r.root === root.id || r.oid === root.oid);
      const hasTriggers = facts.triggers.some((t) => covered.some((r) => r.oid === t.relation));
      if (facts.body === null) {
        return hasTriggers
          ? { relation: root.id, state: 'damaged', detail: 'the trigger function is gone' }
          : { relation: root.id, state: 'absent' };
      }
      const body = readBody(facts.body);
      if (body === 'damaged')
        return { relation: root.id, state: 'damaged', detail: "the trigger function's body was changed" };
      // An open fence that was taken off one relation is no fence there; a closed one with a gap is damaged.
      if (!hasTriggers && body === 'open') return { relation: root.id, state: 'absent' };
      const gaps = covered.flatMap((relation) => gapsOf(relation, facts.triggers));
      return gaps.length > 0
        ? { relation: root.id, state: 'damaged', detail: gaps.join('; ') }
        : { relation: root.id, state: body };
    });
}

export async function readOwnership(client: Queryable, service: string): Promise<OwnershipRow | null> {
  const { rows: installed } = await client.query<{ found: string }>(
    "SELECT (to_regclass('dbps.route') IS NOT NULL)::text AS found",
  );
  if (installed[0]?.found !== 'true') return null;
  const { rows } = await client.query<{ owner: 'legacy' | 'service'; epoch: string; revision: string }>(
    'SELECT owner, epoch, revision FROM dbps.route WHERE service = $1',
    [service],
  );
  const row = rows[0];
  return row === undefined
    ? null
    : { owner: row.owner, epoch: Number(row.epoch), revision: Number(row.revision) };
}
