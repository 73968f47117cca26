/**
 * Capture by triggers, for servers whose log is out of reach: row triggers write each change into a table beside the data, as text that
 * does not depend on the settings of whoever writes, in the transaction that makes it; statement triggers note each TRUNCATE. What this costs
 * is in docs/protocol.md: every write writes twice, and a captured column that is dropped makes writes fail.
 *
 * dbps's own sessions carry a mark, and are not captured: the other direction would send back what it has applied.
 */
import { createHash } from 'node:crypto';
import type { RelationId } from '../../model/relation-id.js';
import type { Direction, RelationMap, StreamIdentity } from '../engine.js';
import { SESSION_MARK } from './postgres-connection.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';

const suffix = (direction: Direction): string => (direction === 'forward' ? 'fwd' : 'rev');

/** Unique in its database. */
export function changeLogName({ service, direction }: StreamIdentity): string {
  return `change_log_${createHash('sha256').update(service).digest('hex').slice(0, 10)}_${suffix(direction)}`;
}

/** One name for a stream's triggers: on a relation there is one of each kind. */
export function triggerName(stream: StreamIdentity, kind: 'row' | 'truncate'): string {
  return `dbps_capture_${changeLogName(stream).slice('change_log_'.length)}_${kind}`;
}

/** What shapes values as text, pinned for the trigger whatever its writer has set; the same as in dbps's own sessions. */
const SETTINGS = `SET search_path = pg_catalog SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET timezone = 'UTC'
  SET extra_float_digits = 3 SET bytea_output = 'hex' SET lc_monetary = 'C'`;

export function createLogSql(stream: StreamIdentity, maps: readonly RelationMap[]): readonly string[] {
  const log = changeLogName(stream);
  return [
    `CREATE TABLE dbps.${log} (
       id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), relation integer NOT NULL,
       kind "char" NOT NULL, leaf text, at timestamptz NOT NULL DEFAULT clock_timestamp(), new_row text[], old_key text[])`,
    ...maps.map((map, i) => functionSql(log, map, i)),
  ];
}

const functionName = (log: string, index: number): string => `dbps.${quoteIdentifier(`${log}_${index}`)}`;

/** As its owner, since the application has no rights in dbps's schema. */
function functionSql(log: string, map: RelationMap, index: number): string {
  const keys = map.key.map((name) => ({ name }));
  const insert = (kind: string, row: string, key: string) =>
    `INSERT INTO dbps.${log} (relation, kind, new_row, old_key) VALUES (${index}, ${quoteLiteral(kind)}, ${row}, ${key});`;
  return `CREATE OR REPLACE FUNCTION ${functionName(log, index)}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ${SETTINGS} AS $dbps$
BEGIN
  IF current_setting(${quoteLiteral(SESSION_MARK)}, true) IS DISTINCT FROM 'on' THEN
    IF TG_OP = 'INSERT' THEN ${insert('I', rowSql(map.columns, 'NEW'), 'NULL')}
    ELSIF TG_OP = 'UPDATE' THEN ${insert('U', rowSql(map.columns, 'NEW'), rowSql(keys, 'OLD'))}
    ELSIF TG_OP = 'DELETE' THEN ${insert('D', 'NULL', rowSql(keys, 'OLD'))}
    ELSE INSERT INTO dbps.${log} (relation, kind, leaf) VALUES (${index}, 'T', json_build_array(TG_TABLE_SCHEMA, TG_TABLE_NAME)::text);
    END IF;
  END IF;
  RETURN NULL;
END $dbps$`;
}

/** The output function's text, which a cast to text is not for every type. A row of nulls is no null. */
function rowSql(columns: readonly { readonly name: string }[], row: 'NEW' | 'OLD'): string {
  const values = columns.map(({ name }) => {
    const column = `${row}.${quoteIdentifier(name)}`;
    return `CASE WHEN num_nulls(${column}) = 0 THEN format('%s', ${column}) END`;
  });
  return `ARRAY[${values.join(', ')}]::text[]`;
}

export function rowTriggerSql(stream: StreamIdentity, relation: RelationId, index: number): string {
  return `CREATE TRIGGER ${quoteIdentifier(triggerName(stream, 'row'))} AFTER INSERT OR UPDATE OR DELETE ON ${quoteRelation(relation)}
    FOR EACH ROW EXECUTE FUNCTION ${functionName(changeLogName(stream), index)}()`;
}

export function truncateTriggerSql(stream: StreamIdentity, relation: RelationId, index: number): string {
  return `CREATE TRIGGER ${quoteIdentifier(triggerName(stream, 'truncate'))} AFTER TRUNCATE ON ${quoteRelation(relation)}
    FOR EACH STATEMENT EXECUTE FUNCTION ${functionName(changeLogName(stream), index)}()`;
}
