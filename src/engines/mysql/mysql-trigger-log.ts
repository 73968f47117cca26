/**
 * Capture by triggers, for servers whose binary log is out of reach: row triggers write each change into a table beside the data, as the
 * canonical text of its values, in the transaction that makes it. What this costs and cannot see is in docs/protocol.md: every write writes
 * twice, TRUNCATE fires no trigger, neither do cascades of the server's own, and a captured column that is dropped makes writes fail.
 *
 * dbps's own sessions carry a mark, and are not captured: the other direction would send back what it has applied.
 */
import { createHash } from 'node:crypto';
import { parseRelationId } from '../../model/relation-id.js';
import type { Key, RelationMap, StreamIdentity, Value } from '../engine.js';
import { SESSION_MARK } from './mysql-connection.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './mysql-sql.js';
import { fromServer, mysqlType, readSql } from './mysql-values.js';

/** One table a stream: its numbers are then without gaps, but for what was rolled back. */
export function changeLogName({ service, direction }: StreamIdentity, database: string): string {
  const digest = createHash('sha256').update(`${database}\0${service}`).digest('hex').slice(0, 10);
  return `change_log_${digest}_${direction === 'forward' ? 'fwd' : 'rev'}`;
}

export const createChangeLogSql = (table: string): string => `
  CREATE TABLE IF NOT EXISTS ${table} (
    id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, relation int NOT NULL, kind char(1) NOT NULL,
    at datetime(6) NOT NULL, new_row longtext CHARACTER SET ascii, old_key longtext CHARACTER SET ascii) ENGINE=InnoDB`;

// ---------------------------------------------------------------- triggers

const PREFIX = 'dbps_capture_';

/** They pass over sessions of dbps by themselves: no fence guards them, and no plan carries them over. */
export function isCaptureTrigger(name: string): boolean {
  return name.startsWith(PREFIX);
}

export const TRIGGER_EVENTS = ['INSERT', 'UPDATE', 'DELETE'] as const;

export interface TriggerDefinition {
  readonly schema: string;
  readonly name: string;
  readonly sql: string;
}

/** Triggers of one relation; `index` stands for it in the change log. */
export function triggersOf(table: string, map: RelationMap, index: number): readonly TriggerDefinition[] {
  const { schema, name } = parseRelationId(map.source);
  const digest = createHash('sha256').update(`${table}\0${name}`).digest('hex').slice(0, 16);
  const row = encodeSql(map.columns, 'NEW');
  const oldKey = encodeSql(
    map.key.map((key) => map.columns.find((column) => column.name === key) as RelationMap['columns'][number]),
    'OLD',
  );
  return TRIGGER_EVENTS.map((event) => {
    const trigger = `${PREFIX}${digest}_${event.toLowerCase()}`;
    const values = [
      index,
      quoteLiteral(event[0] as string),
      'UTC_TIMESTAMP(6)',
      event === 'DELETE' ? 'NULL' : row,
      event === 'INSERT' ? 'NULL' : oldKey,
    ];
    return {
      schema,
      name: trigger,
      sql: `CREATE TRIGGER ${quoteIdentifier(schema)}.${quoteIdentifier(trigger)} AFTER ${event} ON ${quoteRelation(map.source)} FOR EACH ROW
BEGIN
  IF ${SESSION_MARK} IS NULL THEN
    INSERT INTO ${table} (relation, kind, at, new_row, old_key) VALUES (${values.join(', ')});
  END IF;
END`,
    };
  });
}

// ---------------------------------------------------------------- rows

type Column = Pick<RelationMap['columns'][number], 'name' | 'sourceType'>;

/** Every value in hex, so that nothing in it means anything; a minus for NULL. */
function encodeSql(columns: readonly Column[], row: 'NEW' | 'OLD'): string {
  const values = columns.map(({ name, sourceType }) => {
    const column = `${row}.${quoteIdentifier(name)}`;
    const { kind, word } = mysqlType(sourceType);
    const hex =
      kind === 'binary' || kind === 'geometry'
        ? `HEX(${column})`
        : word === 'timestamp'
          ? // Its text depends on the zone of whoever writes; its number does not. The zero date has none.
            `IF(${column} IS NULL, NULL, HEX(CAST(IFNULL(UNIX_TIMESTAMP(${column}), 0) AS CHAR)))`
          : kind === 'float' || kind === 'double'
            ? // As text MySQL gives it 22 places, which drops digits of what is long; within JSON it gives all.
              `IF(${column} IS NULL, NULL, HEX(TRIM(LEADING '[' FROM TRIM(TRAILING ']' FROM CAST(JSON_ARRAY(${readSql(sourceType, column)}) AS CHAR)))))`
            : `HEX(CONVERT(CAST(${readSql(sourceType, column)} AS CHAR) USING utf8mb4))`;
    return `IFNULL(${hex}, '-')`;
  });
  return `CONCAT_WS(',', ${values.join(', ')})`;
}

/** What a trigger wrote, as canonical text. */
export function rowDecoder(columns: readonly Column[]): (text: string) => Value[] {
  const decoders = columns.map(({ sourceType }) => valueDecoder(sourceType));
  return (text) => {
    const parts = text.split(',');
    if (parts.length !== decoders.length)
      throw new Error('a row of the change log has another number of columns');
    return parts.map((part, i) => (part === '-' ? null : (decoders[i] as (hex: string) => string)(part)));
  };
}

export function keyDecoder(map: RelationMap): (text: string) => Key {
  const decode = rowDecoder(
    map.key.map((key) => map.columns.find((column) => column.name === key) as RelationMap['columns'][number]),
  );
  return (text) =>
    decode(text).map((value) => {
      if (typeof value !== 'string') throw new Error('a row of the change log is without its key');
      return value;
    });
}

function valueDecoder(type: string): (hex: string) => string {
  const { kind, word, length } = mysqlType(type);
  if (kind === 'binary' || kind === 'geometry') return (hex) => `\\x${hex.toLowerCase()}`;
  const text = (hex: string) => Buffer.from(hex, 'hex').toString('utf8');
  if (word === 'timestamp') return (hex) => utcText(text(hex), length ?? 0);
  const convert = fromServer(type);
  return convert === null ? text : (hex) => convert(text(hex));
}

/** Seconds since 1970, with or without a fraction. Zero is the zero date. */
function utcText(number: string, digits: number): string {
  const [seconds = '0', fraction = ''] = number.split('.');
  const instant =
    Number(seconds) === 0 && Number(fraction) === 0
      ? '0000-00-00 00:00:00'
      : new Date(Number(seconds) * 1000).toISOString().slice(0, 19).replace('T', ' ');
  return digits === 0 ? instant : `${instant}.${fraction.padEnd(digits, '0').slice(0, digits)}`;
}
