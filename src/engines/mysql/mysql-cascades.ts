/**
 * Cascades that the storage engine makes by itself. InnoDB changes the child's rows without a row event in the log and without firing a trigger: a
 * change that capture does not see and a fence does not stop. Triggers on the parent do the same in the open.
 */
import type { CaptureMethod } from '../engine.js';
import type { Finding } from '../../model/finding.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { MysqlQueryable } from './mysql-connection.js';
import { readForeignKeys, type ForeignKeyFacts } from './mysql-fence-keys.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

export interface Cascade extends ForeignKeyFacts {
  /** The parent stays where it is while the child moves. */
  readonly isCrossing: boolean;
}

const ACTS = new Set(['CASCADE', 'SET NULL', 'SET DEFAULT']);

/** Newer MySQL does them above the engine, and logs them. */
async function areLogged(session: MysqlQueryable): Promise<boolean> {
  const rows = await session.query({ sql: "SHOW VARIABLES LIKE 'innodb_native_foreign_keys'" });
  return (rows[0]?.['value'] ?? '') === 'OFF';
}

/** Whose child is among the relations. They fire no trigger on any server of the family: capture by triggers misses even those in the log. */
export async function readCascades(
  session: MysqlQueryable,
  relations: readonly RelationId[],
  capture: CaptureMethod = 'log',
): Promise<Cascade[]> {
  if (capture === 'log' && (await areLogged(session))) return [];
  const among = new Set(relations);
  return (await readForeignKeys(session, relations))
    .filter((key) => among.has(key.relation) && (ACTS.has(key.onDelete) || ACTS.has(key.onUpdate)))
    .map((key) => ({ ...key, isCrossing: !among.has(key.parent) }));
}

export function assessCascades(cascades: readonly Cascade[], service: string | undefined): Finding[] {
  return cascades.map((cascade) => ({
    code: 'TRG312',
    severity: 'error',
    subject: `${cascade.relation} ${cascade.name}`,
    relation: cascade.relation,
    ...(service !== undefined && { service }),
    message: `the key ${cascade.name} lets the storage engine change ${cascade.relation} when ${cascade.parent} changes (${actions(cascade)}): neither the log nor a trigger sees that`,
    remedy: replacement(cascade).join('\n'),
    data: { parent: cascade.parent, isCrossing: cascade.isCrossing },
  }));
}

const actions = (key: ForeignKeyFacts): string =>
  [
    ACTS.has(key.onDelete) ? `ON DELETE ${key.onDelete}` : '',
    ACTS.has(key.onUpdate) ? `ON UPDATE ${key.onUpdate}` : '',
  ]
    .filter((text) => text !== '')
    .join(', ');

/**
 * The same effect by triggers, whose statements are logged and seen; the key itself then only forbids. A child's rows are changed before the
 * parent's: a deletion or a new value would meet the key otherwise. For a new value that means rows without a parent for the moment,
 * which takes the checks off around that one statement.
 */
export function replacement(key: ForeignKeyFacts): string[] {
  if (key.relation === key.parent)
    return [
      `-- ${key.name} refers to its own table, which a trigger of that table may not change: let the application do it row by row, then`,
      ...withoutActions(key),
    ];
  const { schema, name: parent } = parseRelationId(key.parent);
  const child = quoteRelation(key.relation);
  const pairs = pairsOf(key);
  const where = pairs.map(([column, other]) => `${column} = OLD.${other}`).join(' AND ');
  const trigger = (event: 'DELETE' | 'UPDATE', body: string) => {
    const name = relationId(schema, `${parent.slice(0, 20)}_${event.toLowerCase()}_${key.name.slice(0, 30)}`);
    return `CREATE TRIGGER ${quoteRelation(name)} BEFORE ${event} ON ${quoteRelation(key.parent)} FOR EACH ROW ${body}`;
  };
  const setNull = `UPDATE ${child} SET ${pairs.map(([column]) => `${column} = NULL`).join(', ')} WHERE ${where};`;
  const statements: string[] = [];
  if (key.onDelete === 'CASCADE') statements.push(trigger('DELETE', `DELETE FROM ${child} WHERE ${where};`));
  if (key.onDelete === 'SET NULL') statements.push(trigger('DELETE', setNull));
  const isNew = pairs.map(([, other]) => `NOT (NEW.${other} <=> OLD.${other})`).join(' OR ');
  if (key.onUpdate === 'CASCADE')
    statements.push(
      trigger(
        'UPDATE',
        `BEGIN IF ${isNew} THEN SET @dbps_checks = @@foreign_key_checks; SET foreign_key_checks = 0; ` +
          `UPDATE ${child} SET ${pairs.map(([column, other]) => `${column} = NEW.${other}`).join(', ')} WHERE ${where}; ` +
          `SET foreign_key_checks = @dbps_checks; END IF; END`,
      ),
    );
  if (key.onUpdate === 'SET NULL')
    statements.push(trigger('UPDATE', `BEGIN IF ${isNew} THEN ${setNull} END IF; END`));
  return [...statements, ...withoutActions(key)];
}

const pairsOf = (key: ForeignKeyFacts): (readonly [column: string, other: string])[] =>
  key.columns.map((column, at) => [quoteIdentifier(column), quoteIdentifier(key.parentColumns[at] ?? '')]);

/** One statement for both would meet the name that it drops. Rows are not looked at again: they held the key until now. */
function withoutActions(key: ForeignKeyFacts): string[] {
  const child = quoteRelation(key.relation);
  const pairs = pairsOf(key);
  const definition =
    `FOREIGN KEY (${pairs.map(([column]) => column).join(', ')}) REFERENCES ${quoteRelation(key.parent)} ` +
    `(${pairs.map(([, other]) => other).join(', ')})`;
  return [
    `ALTER TABLE ${child} DROP FOREIGN KEY ${quoteIdentifier(key.name)};`,
    `SET foreign_key_checks = 0; ALTER TABLE ${child} ADD CONSTRAINT ${quoteIdentifier(key.name)} ${definition}; SET foreign_key_checks = 1;`,
  ];
}
