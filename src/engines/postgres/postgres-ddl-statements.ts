/** Collects statements in order, each with purpose, undo and the question whether it is done already. */
import type { Stage, StagedStatement } from '../engine.js';
import type { RelationId } from '../../model/relation-id.js';
import { quoteLiteral, quoteRelation } from './postgres-sql.js';

export interface StatementDetails {
  readonly undo?: string;
  readonly unless?: string;
  readonly relation?: RelationId;
}

export class StatementList {
  readonly statements: StagedStatement[] = [];

  add(stage: Stage, group: string, purpose: string, sql: string, details: StatementDetails = {}): void {
    this.statements.push({
      stage,
      group,
      purpose,
      sql,
      undo: details.undo ?? null,
      ...(details.unless !== undefined && { unless: details.unless }),
      ...(details.relation !== undefined && { relation: details.relation }),
    });
  }
}

const literal = (text: string): string => quoteLiteral(text).trim();
const regclass = (id: RelationId): string => `to_regclass(${literal(quoteRelation(id))})`;

/** Questions that return a row when the object is there; each names everything in full. */
export const isThere = {
  relation: (id: RelationId) => `SELECT WHERE ${regclass(id)} IS NOT NULL`,
  type: (id: RelationId) => `SELECT WHERE to_regtype(${literal(quoteRelation(id))}) IS NOT NULL`,
  routine: (signature: string) => `SELECT WHERE to_regprocedure(${literal(signature)}) IS NOT NULL`,
  constraint: (relation: RelationId, name: string) =>
    `SELECT FROM pg_constraint WHERE conrelid = ${regclass(relation)} AND conname = ${literal(name)}`,
  attached: (child: RelationId) => `SELECT FROM pg_inherits WHERE inhrelid = ${regclass(child)}`,
  inherits: (child: RelationId, parent: RelationId) =>
    `SELECT FROM pg_inherits WHERE inhrelid = ${regclass(child)} AND inhparent = ${regclass(parent)}`,
  trigger: (relation: RelationId, name: string) =>
    `SELECT FROM pg_trigger WHERE tgrelid = ${regclass(relation)} AND tgname = ${literal(name)}`,
  rule: (relation: RelationId, name: string) =>
    `SELECT FROM pg_rewrite WHERE ev_class = ${regclass(relation)} AND rulename = ${literal(name)}`,
  policy: (relation: RelationId, name: string) =>
    `SELECT FROM pg_policy WHERE polrelid = ${regclass(relation)} AND polname = ${literal(name)}`,
};

export const comment = (on: string, text: string | undefined): string | null =>
  text === undefined ? null : `COMMENT ON ${on} IS ${literal(text)}`;
