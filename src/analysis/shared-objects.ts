/** Views, routines, triggers, rules and statements that touch several relations: what a cut through them costs. */
import type { SharedObject } from '../model/analysis.js';
import type { DatabaseSchema } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import { PRICES, statementCost } from './costs.js';
import type { NameResolver, ResolvedUse } from './workload.js';

export function sharedObjects(
  schema: DatabaseSchema,
  owned: ReadonlySet<RelationId>,
  names: NameResolver,
  uses: readonly ResolvedUse[],
): readonly SharedObject[] {
  const found: SharedObject[] = [];
  const add = (
    kind: SharedObject['kind'],
    subject: string,
    touched: readonly RelationId[],
    cost: number,
    replacement: string,
  ): void => {
    const relations = [...new Set(touched.flatMap((id) => names.expand(id)))]
      .filter((id) => owned.has(id))
      .sort();
    if (relations.length > 1) found.push({ kind, subject, relations, cost, replacement });
  };
  for (const relation of schema.relations) {
    if (relation.kind === 'view' || relation.kind === 'materialized-view')
      add(
        'view',
        relation.id,
        relation.reads,
        PRICES.view,
        'read model: one service keeps a table of what the view shows, fed by events of the others; or two API calls joined by the caller',
      );
    for (const trigger of relation.triggers) {
      if (trigger.isInherited) continue;
      const touched = [relation.id, ...trigger.writes, ...trigger.reads];
      const writes = trigger.writes.length > 0;
      add(
        'trigger',
        `${relation.id} trigger ${trigger.name}`,
        touched,
        writes ? PRICES.trigger : PRICES.routineRead,
        writes
          ? 'event: the service that owns the row publishes the change, the other applies it; it is no longer in the same transaction'
          : 'API call or copied columns for what the trigger reads',
      );
    }
    for (const rule of relation.rules)
      add(
        'trigger',
        `${relation.id} rule ${rule.name}`,
        [relation.id, ...rule.touches],
        PRICES.trigger,
        'event in place of the rule; rules cannot reach another database',
      );
  }
  for (const routine of schema.routines) {
    if (routine.isTrigger) continue;
    const touched = [...routine.reads, ...routine.writes];
    const subject = routine.id.endsWith(')') ? routine.id : `${routine.id}${routine.signature}`;
    if (routine.writes.length > 1)
      add(
        'routine',
        subject,
        touched,
        PRICES.routineWrite,
        'saga: one step for each service, each with its undo; or keep what it writes together',
      );
    else
      add(
        'routine',
        subject,
        touched,
        PRICES.routineRead,
        'API calls in the service that needs the answer, or a read model',
      );
  }
  for (const use of byText(uses)) {
    const subject = use.text.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
    const touched = [...use.reads, ...use.writes];
    if (use.kind === 'transaction')
      add(
        'transaction',
        subject,
        use.writes,
        statementCost(use),
        'saga: one transaction for each service with an outbox, and an undo for each step; or keep what is written together together',
      );
    else if (use.writes.length > 0)
      add(
        'query',
        subject,
        touched,
        statementCost(use),
        'the owner of what is written asks the other service first (API call), or keeps a copy of the columns it needs',
      );
    else
      add(
        'query',
        subject,
        touched,
        statementCost(use),
        'API call for single rows, a read model for lists and reports',
      );
  }
  return found.sort((a, b) =>
    a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.subject < b.subject ? -1 : a.subject > b.subject ? 1 : 0,
  );
}

/** One object a statement, whoever sends it. */
function byText(uses: readonly ResolvedUse[]): readonly ResolvedUse[] {
  const found = new Map<string, ResolvedUse>();
  for (const use of uses) {
    const key = JSON.stringify([use.kind, use.text, use.reads, use.writes]);
    const known = found.get(key);
    found.set(key, known === undefined ? use : { ...known, calls: known.calls + use.calls });
  }
  return [...found.values()];
}
