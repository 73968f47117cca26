/**
 * What a closing consists of, whoever holds the locks: the function closed, every relation covered, user triggers off. All of it may run
 * only in a transaction that holds SHARE ROW EXCLUSIVE on every relation: a swapped body drains nothing, and a transaction that has
 * written already writes on through it (docs/protocol.md, fence).
 */
import { RefusedError } from '../../model/errors.js';
import type { RelationId } from '../../model/relation-id.js';
import {
  closedBody,
  createRowTrigger,
  createStatementTrigger,
  replaceFunction,
  ROW_TRIGGER,
  STATEMENT_TRIGGER,
  type FenceBody,
} from './postgres-fence-body.js';
import { disableTrigger } from './postgres-fence-keys.js';
import type { Memory } from './postgres-fence-memory.js';
import type { FenceFacts } from './postgres-fence-observe.js';
import type { FencedRelation } from './postgres-fence-tree.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';

/** Roots only: LOCK TABLE takes their descendants with them. */
export function lockTables(relations: readonly RelationId[], mode: string): string {
  return `LOCK TABLE ${relations.map(quoteRelation).join(', ')} IN ${mode} MODE`;
}

export function requireFenceable(tree: readonly FencedRelation[]): void {
  const other = tree.find((relation) => relation.kind !== 'table' && relation.kind !== 'partitioned');
  if (other === undefined) return;
  throw new RefusedError({
    code: 'DBPS_E331',
    message: `${other.id} is ${other.kind === 'foreign' ? 'a foreign table' : 'no table'}: its writers cannot be made to wait`,
    hint: 'Detach it from the relation that moves, or leave that relation where it is.',
  });
}

/** Statements that make the fence whole and closed, whatever is there of it already. */
export function closeStatements(
  facts: FenceFacts,
  body: FenceBody,
  triggers: readonly Extract<Memory, { kind: 'trigger' }>[],
): string[] {
  requireFenceable(facts.tree);
  const statements = [replaceFunction(body.service, closedBody(body))];
  const trigger = (relation: FencedRelation, name: string, create: string) => {
    const found = facts.triggers.find((t) => t.relation === relation.oid && t.name === name);
    if (found === undefined) statements.push(create);
    else if (found.enabled !== 'O')
      statements.push(`ALTER TABLE ONLY ${relation.sql} ENABLE TRIGGER ${quoteIdentifier(name)}`);
  };
  for (const relation of facts.tree) {
    trigger(relation, STATEMENT_TRIGGER, createStatementTrigger(body.service, relation.sql));
    if (relation.isRoot && relation.kind === 'partitioned')
      trigger(relation, ROW_TRIGGER, createRowTrigger(body.service, relation.sql));
  }
  statements.push(...triggers.map(disableTrigger));
  return statements;
}
