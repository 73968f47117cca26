/** MariaDB's sequences: nothing carries them over and nothing fences them, so that a column which draws from one cannot move with its relation. */
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { PreflightCheck } from '../engine.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { ok, problem, type JudgementScope } from './mysql-preflight-judgement.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

export interface SequenceDefault {
  readonly relation: RelationId;
  readonly column: string;
  readonly type: string;
  /** As the server prints it: nextval(`shop`.`order_no`). */
  readonly expression: string;
}

export async function readSequenceDefaults(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<readonly SequenceDefault[]> {
  const names = relations.map((id) => parseRelationId(id));
  const rows = await session.query({
    sql: `SELECT table_schema AS db, table_name AS name, column_name AS col, column_type AS type, column_default AS expression
            FROM information_schema.columns
           WHERE VERSION() LIKE '%mariadb%' AND column_default LIKE '%nextval(%'
             AND (table_schema, table_name) IN (${names.map(() => '(?, ?)').join(', ')})
           ORDER BY table_schema, table_name, ordinal_position`,
    values: names.flatMap(({ schema, name }) => [schema, name]),
  });
  return rows
    .map((row) => ({
      relation: relationId(row['db'] ?? '', row['name'] ?? ''),
      column: row['col'] ?? '',
      type: row['type'] ?? '',
      expression: row['expression'] ?? '',
    }))
    .filter(({ expression }) => expression.replaceAll(/'(?:[^'\\]|\\.|'')*'/g, '').includes('nextval('));
}

export function assessSequenceDefaults(
  found: readonly SequenceDefault[],
  scope: JudgementScope,
): readonly PreflightCheck[] {
  const name = 'sequences';
  if (found.length === 0) return [ok(name, 'no column draws from one')];
  return found.map(({ relation, column, type, expression }) => {
    const alter = `ALTER TABLE ${quoteRelation(relation)}`;
    return problem(name, scope, {
      code: 'SEQ302',
      subject: `${relation}.${column}`,
      relation,
      message: `${relation}.${column} takes its values from ${expression}, and MariaDB's sequences are neither carried over nor fenced`,
      remedy: `${alter} MODIFY ${quoteIdentifier(column)} ${type} NOT NULL AUTO_INCREMENT; where it is the key, else ${alter} ALTER COLUMN ${quoteIdentifier(column)} DROP DEFAULT; and let the application give the value`,
    });
  });
}
