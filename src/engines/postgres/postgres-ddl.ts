/**
 * A service's schema as statements, in stages: what a table needs to take rows first, what slows a load later, what acts by itself last
 * (docs/protocol.md, copy). Plans only; PostgresDdlRunner runs.
 */
import type { DatabaseSchema } from '../../model/database-schema.js';
import { rolesNamed } from '../../model/roles.js';
import type { ServicePlan } from '../../model/plan.js';
import type { Ddl, StagedStatement, Statement } from '../engine.js';
import { adoptPostgresSchema } from './postgres-adopt.js';
import { alterSchema } from './postgres-ddl-alter.js';
import { addBehaviour, addPolicies } from './postgres-ddl-behaviour.js';
import {
  addRoutine,
  addSequence,
  addSequenceExtras,
  addType,
  addView,
  createRole,
  grantStatements,
} from './postgres-ddl-objects.js';
import { orderObjects } from './postgres-ddl-order.js';
import { comment, StatementList } from './postgres-ddl-statements.js';
import { addChecks, addIndexes, addTable, contextOf } from './postgres-ddl-tables.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';

const VIEWS = 'constraint:views';

export function createSchema(schema: DatabaseSchema): readonly StagedStatement[] {
  const list = new StatementList();
  const context = contextOf(schema);
  for (const role of rolesNamed(schema))
    list.add(
      'base',
      'base',
      `role ${role}, which grants name; it cannot log in until you let it`,
      createRole(role),
    );
  for (const name of schema.schemas) {
    list.add('base', 'base', `schema ${name}`, `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(name)}`, {
      ...(name !== 'public' && { undo: `DROP SCHEMA IF EXISTS ${quoteIdentifier(name)}` }),
    });
    const remark =
      name === 'public' ? null : comment(`SCHEMA ${quoteIdentifier(name)}`, schema.schemaComments?.[name]);
    if (remark !== null) list.add('base', 'base', `comment on schema ${name}`, remark);
    const grants = (schema.schemaGrants ?? []).filter((grant) => grant.schema === name);
    for (const sql of grantStatements(`SCHEMA ${quoteIdentifier(name)}`, grants))
      list.add('base', 'base', `grants on schema ${name}`, sql);
  }
  for (const extension of schema.extensions) {
    const where = extension.schema === 'pg_catalog' ? '' : ` SCHEMA ${quoteIdentifier(extension.schema)}`;
    list.add(
      'base',
      'base',
      `extension ${extension.name}`,
      `CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(extension.name)}${where}`,
      { undo: `DROP EXTENSION IF EXISTS ${quoteIdentifier(extension.name)}` },
    );
  }

  const { early, late } = orderObjects(schema);
  for (const object of early) {
    if (object.kind === 'type') addType(list, object.type);
    else if (object.kind === 'sequence') addSequence(list, object.sequence);
    else if (object.kind === 'routine') addRoutine(list, object.routine, 'base', 'base');
    else addTable(list, context, object.relation);
  }
  schema.sequences.forEach((sequence) => addSequenceExtras(list, sequence));

  const tables = early.flatMap((object) => (object.kind === 'relation' ? [object.relation] : []));
  tables.forEach((relation) => addIndexes(list, context, relation));
  [...tables].reverse().forEach((relation) => addChecks(list, context, relation));
  for (const object of late) {
    if (object.kind === 'routine') addRoutine(list, object.routine, 'constraint', VIEWS);
    else if (object.kind === 'relation') {
      addView(list, object.relation, 'constraint', VIEWS);
      addIndexes(list, context, object.relation);
      if (object.relation.kind === 'materialized-view')
        for (const stage of ['constraint', 'validate'] as const)
          list.add(
            stage,
            stage === 'constraint' ? VIEWS : `refresh:${object.relation.id}`,
            `rows of ${object.relation.id} as of now`,
            `REFRESH MATERIALIZED VIEW ${quoteRelation(object.relation.id)}`,
          );
    }
  }
  tables.forEach((relation) => addPolicies(list, relation));
  for (const relation of schema.relations) addBehaviour(list, context, relation);
  return list.statements;
}

export const postgresDdl: Ddl = {
  quote: quoteIdentifier,
  drop: (object) => {
    const name = quoteIdentifier(object.name);
    // Routines may share a name, and are dropped with the types of their arguments.
    if (object.on === undefined)
      return `DROP ${object.kind.toUpperCase()} ${quoteIdentifier(object.schema)}.${name}${object.signature ?? ''};`;
    return object.kind === 'foreign key'
      ? `ALTER TABLE ${quoteRelation(object.on)} DROP CONSTRAINT ${name};`
      : `DROP ${object.kind.toUpperCase()} ${name} ON ${quoteRelation(object.on)};`;
  },
  createService: (plan: ServicePlan): readonly StagedStatement[] => createSchema(plan.schema),
  adopt: adoptPostgresSchema,
  alter: (from: DatabaseSchema, to: DatabaseSchema): readonly Statement[] => alterSchema(from, to),
};
