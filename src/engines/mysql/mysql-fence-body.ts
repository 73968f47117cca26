/**
 * What a fence is made of: three row triggers on each relation, and one control row a service and database that they read. Trigger DDL of this
 * family commits by itself, so the triggers are there, open, long before a cutover; closing and opening is one update of the row. The
 * triggers read it with a lock: a transaction that has written holds the row until it ends, so that who updates the row has drained them all, and
 * a writer with an older snapshot reads the row as it is, not as it was (docs/protocol.md, fence).
 */
import { createHash } from 'node:crypto';
import { FENCE_SQLSTATE } from '../../model/fence-error.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import { SESSION_MARK } from './mysql-connection.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './mysql-sql.js';

/** A service's relations in one database: legacy and a service may be databases of one server. */
export interface FenceKey {
  readonly service: string;
  /** The session's default database. */
  readonly database: string;
}

export const FENCE_EVENTS = ['INSERT', 'UPDATE', 'DELETE'] as const;
export type FenceEvent = (typeof FENCE_EVENTS)[number];

/** Trigger names share the database's name space, and are no longer than 64 characters. */
const PREFIX = 'dbps_fence_';

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

export function fenceTriggerName(relation: RelationId, event: FenceEvent): string {
  return `${PREFIX}${digestOf(relation).slice(0, 16)}_${event.slice(0, 3).toLowerCase()}`;
}

export function isFenceTrigger(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** Neither can end a comment. */
const nameOf = ({ service, database }: FenceKey): string =>
  `${encodeURIComponent(service)}@${encodeURIComponent(database)}`;

/**
 * True in sessions of dbps. USER() is who connected, also in what runs as somebody else (CURRENT_USER() would be the trigger's definer).
 * The mark keeps out an application that connects as the same account. Never NULL: a NULL would be taken for "not refused".
 */
function isApplier(applier: string): string {
  const user = "LEFT(USER(), CHAR_LENGTH(USER()) - LOCATE('@', REVERSE(USER())))";
  return `(${SESSION_MARK} <=> 'on' AND CAST(${user} AS BINARY) <=> CAST(${quoteLiteral(applier)} AS BINARY))`;
}

/** Says in its first lines whose it is, with a digest of the rest, so that an edited body is seen as such. */
export function fenceBody(key: FenceKey, applier: string): string {
  // Without its row the fence refuses: a lost row must not let writes through behind a cutover.
  const code = `DECLARE dbps_refusal varchar(128) CHARACTER SET utf8mb4 DEFAULT 'dbps: the control row of this fence is gone; dbps doctor tells more';
IF NOT ${isApplier(applier)} THEN
  SELECT f.refusal INTO dbps_refusal FROM dbps.fence f
   WHERE f.service = ${quoteLiteral(key.service)} AND f.database_name = ${quoteLiteral(key.database)} LOCK IN SHARE MODE;
  IF dbps_refusal IS NOT NULL THEN
    SIGNAL SQLSTATE '${FENCE_SQLSTATE}' SET MESSAGE_TEXT = dbps_refusal;
  END IF;
END IF;
END`;
  return `BEGIN\n/* dbps fence ${nameOf(key)} ${digestOf(code)} */\n${code}`;
}

export type FenceBodyFacts =
  | { readonly kind: 'sound'; readonly key: FenceKey }
  | { readonly kind: 'damaged'; readonly key: FenceKey | null };

const HEADER = /^BEGIN\s*\/\* dbps fence (\S+)@(\S+) ([0-9a-f]{32}) \*\/\s*([^]*)$/;

export function readFenceBody(statement: string): FenceBodyFacts {
  const match = HEADER.exec(statement);
  if (match === null) return { kind: 'damaged', key: null };
  const [, service = '', database = '', digest, code = ''] = match;
  const key = { service: decodeURIComponent(service), database: decodeURIComponent(database) };
  return { kind: digestOf(code) === digest ? 'sound' : 'damaged', key };
}

/** Before every other trigger of its event: what it refuses, nobody acts on. */
export function createFenceTrigger(
  key: FenceKey,
  applier: string,
  relation: RelationId,
  event: FenceEvent,
  first: string | null,
): string {
  const { schema } = parseRelationId(relation);
  const name = quoteRelation(relationId(schema, fenceTriggerName(relation, event)));
  const order = first === null ? '' : `PRECEDES ${quoteIdentifier(first)} `;
  return `CREATE TRIGGER ${name} BEFORE ${event} ON ${quoteRelation(relation)} FOR EACH ROW ${order}${fenceBody(key, applier)}`;
}

/**
 * A user's trigger, made to do nothing for the applier: what it did at the owner arrives by the log, and would be done twice. The family
 * cannot disable a trigger, and one that is dropped and made anew at the opening would stand in the way of the opening.
 */
export function guardBody(key: FenceKey, applier: string, body: string): string {
  const original = body.replace(/[;\s]+$/, '');
  return `BEGIN\n/* dbps guard ${nameOf(key)} */\nIF NOT ${isApplier(applier)} THEN\n${original}\n;END IF;\nEND`;
}

const GUARD = /^BEGIN\s*\/\* dbps guard (\S+)@(\S+) \*\/\s*IF NOT \([^\n]*\) THEN\n([^]*)\n;END IF;\s*END$/;

export function readGuard(body: string): { readonly key: FenceKey; readonly original: string } | null {
  const match = GUARD.exec(body);
  if (match === null) return null;
  const [, service = '', database = '', original = ''] = match;
  return {
    key: { service: decodeURIComponent(service), database: decodeURIComponent(database) },
    original,
  };
}

/** For who reads the schema: a trigger's body as its author wrote it. */
export function withoutGuard(body: string): string {
  return readGuard(body)?.original ?? body;
}
