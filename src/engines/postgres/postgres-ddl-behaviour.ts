/** What a service's tables do by themselves, given to them when they open: policies, rules, triggers, foreign keys. */
import type { ForeignKey, Relation, Rule, Trigger } from '../../model/database-schema.js';
import { unitOf, type TableContext } from './postgres-ddl-tables.js';
import { comment, isThere, type StatementList } from './postgres-ddl-statements.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';

const q = quoteIdentifier;

const STATES: Readonly<Record<Trigger['enabled'], string | null>> = {
  origin: null,
  disabled: 'DISABLE',
  replica: 'ENABLE REPLICA',
  always: 'ENABLE ALWAYS',
};

/** With the views: reads may be sent here before writes are. FORCE waits, because it also binds the owner, who applies the changes. */
export function addPolicies(list: StatementList, relation: Relation): void {
  if (relation.rowSecurity === 'off' && relation.policies.length === 0) return;
  const name = quoteRelation(relation.id);
  const add = (purpose: string, sql: string, details: { undo?: string; unless?: string } = {}) =>
    list.add('constraint', 'constraint:views', purpose, sql, { relation: relation.id, ...details });
  for (const policy of relation.policies)
    add(`policy ${policy.name} on ${relation.id}`, policy.definition, {
      undo: `DROP POLICY IF EXISTS ${q(policy.name)} ON ${name}`,
      unless: isThere.policy(relation.id, policy.name),
    });
  if (relation.rowSecurity !== 'off')
    add(`row-level security of ${relation.id}`, `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`);
  if (relation.rowSecurity === 'forced')
    list.add(
      'open',
      'open',
      `row-level security of ${relation.id} binds its owner too`,
      `ALTER TABLE ${name} FORCE ROW LEVEL SECURITY`,
      {
        relation: relation.id,
        undo: `ALTER TABLE IF EXISTS ${name} NO FORCE ROW LEVEL SECURITY`,
      },
    );
}

export function addIdentities(list: StatementList, relation: Relation): void {
  for (const column of relation.columns.filter((candidate) => candidate.identity === 'always')) {
    const alter = `ALTER TABLE IF EXISTS ${quoteRelation(relation.id)} ALTER COLUMN ${q(column.name)} SET GENERATED`;
    list.add(
      'open',
      'open',
      `${relation.id}.${column.name} is given by the database again`,
      `${alter} ALWAYS`,
      {
        relation: relation.id,
        undo: `${alter} BY DEFAULT`,
      },
    );
  }
}

function addRule(list: StatementList, relation: Relation, rule: Rule): void {
  const name = quoteRelation(relation.id);
  list.add('open', 'open', `rule ${rule.name} on ${relation.id}`, rule.definition.replace(/;\s*$/, ''), {
    relation: relation.id,
    undo: `DROP RULE IF EXISTS ${q(rule.name)} ON ${name}`,
    unless: isThere.rule(relation.id, rule.name),
  });
  const state = STATES[rule.enabled ?? 'origin'];
  if (state !== null)
    list.add(
      'open',
      'open',
      `rule ${rule.name} is ${rule.enabled}`,
      `ALTER TABLE ${name} ${state} RULE ${q(rule.name)}`,
      {
        relation: relation.id,
      },
    );
}

function addTrigger(list: StatementList, relation: Relation, trigger: Trigger): void {
  const name = quoteRelation(relation.id);
  if (!trigger.isInherited) {
    list.add('open', 'open', `trigger ${trigger.name} on ${relation.id}`, trigger.definition, {
      relation: relation.id,
      undo: `DROP TRIGGER IF EXISTS ${q(trigger.name)} ON ${name}`,
      unless: isThere.trigger(relation.id, trigger.name),
    });
    const remark = comment(`TRIGGER ${q(trigger.name)} ON ${name}`, trigger.comment);
    if (remark !== null) list.add('open', 'open', `comment on trigger ${trigger.name}`, remark);
  }
  const state = STATES[trigger.enabled];
  if (state !== null)
    list.add(
      'open',
      'open',
      `trigger ${trigger.name} is ${trigger.enabled}`,
      `ALTER TABLE ONLY ${name} ${state} TRIGGER ${q(trigger.name)}`,
      {
        relation: relation.id,
      },
    );
}

/** Rows are looked at later: opening must not wait for a scan. The server has no such key for a partitioned end; that one comes whole, later. */
function addForeignKey(
  list: StatementList,
  context: TableContext,
  relation: Relation,
  key: ForeignKey,
): void {
  const name = quoteRelation(relation.id);
  const isPartitioned =
    relation.partitionBy !== undefined || context.byId.get(key.parent)?.partitionBy !== undefined;
  const unless = isThere.constraint(relation.id, key.name);
  const undo = `ALTER TABLE IF EXISTS ${name} DROP CONSTRAINT IF EXISTS ${q(key.name)}`;
  const unit = unitOf(context, relation);
  const add = `ALTER TABLE ${name} ADD CONSTRAINT ${q(key.name)} ${key.definition}`;
  const what = `${relation.id} (${key.columns.join(', ')}) refers to ${key.parent}`;
  const group = `foreign-key:${relation.id}.${key.name}`;
  if (isPartitioned) list.add('validate', group, what, add, { relation: unit, undo, unless });
  else {
    list.add('open', 'open', what, key.isValidated ? `${add} NOT VALID` : add, {
      relation: unit,
      undo,
      unless,
    });
    if (key.isValidated)
      list.add(
        'validate',
        group,
        `every row of ${relation.id} keeps to it`,
        `ALTER TABLE ${name} VALIDATE CONSTRAINT ${q(key.name)}`,
        {
          relation: unit,
        },
      );
  }
  const remark = comment(`CONSTRAINT ${q(key.name)} ON ${name}`, key.comment);
  if (remark !== null)
    list.add(
      isPartitioned ? 'validate' : 'open',
      isPartitioned ? group : 'open',
      `comment on ${key.name}`,
      remark,
    );
}

export function addBehaviour(list: StatementList, context: TableContext, relation: Relation): void {
  addIdentities(list, relation);
  relation.rules.forEach((rule) => addRule(list, relation, rule));
  relation.triggers.forEach((trigger) => addTrigger(list, relation, trigger));
  relation.foreignKeys
    .filter((key) => !key.isInherited)
    .forEach((key) => addForeignKey(list, context, relation, key));
}
