/**
 * What a fence is made of: one trigger function a service, and triggers on each of its relations. Whether writes are refused stands in the
 * function's body and never in a table that it reads: a table would be read with the writer's snapshot, and a REPEATABLE READ writer
 * with an old one would pass (docs/protocol.md, fence).
 */
import { createHash } from 'node:crypto';
import { FENCE_SQLSTATE, fenceHint, type Owner } from '../../model/fence-error.js';
import { SESSION_MARK } from './postgres-connection.js';
import { quoteIdentifier, quoteLiteral } from './postgres-sql.js';

/** On every relation and descendant; never ENABLE ALWAYS, so that a replica's applier passes without being asked. */
export const STATEMENT_TRIGGER = 'dbps_fence';
/** On partitioned roots: the server clones it to partitions that are created later. */
export const ROW_TRIGGER = 'dbps_fence_row';

export interface FenceBody {
  readonly service: string;
  readonly applier: string;
  readonly message: string;
  /** Where writes go instead. */
  readonly newOwner: Owner;
}

/** Within the server's 63 bytes whatever the service is called. */
export function fenceFunctionName(service: string): string {
  const name = `fence_${service}`;
  if (Buffer.byteLength(name) <= 63) return name;
  return `fence_${createHash('sha256').update(service).digest('hex').slice(0, 32)}`;
}

export function fenceFunction(service: string): string {
  return `dbps.${quoteIdentifier(fenceFunctionName(service))}`;
}

const PASS = `IF TG_LEVEL OPERATOR(pg_catalog.=) 'STATEMENT' THEN RETURN NULL;
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN RETURN OLD;
  ELSE RETURN NEW;
  END IF;`;

/** The first line says what the body is and carries a digest of the rest, so that an edited body is seen as such. */
function seal(state: 'open' | 'closed', code: string): string {
  const digest = createHash('sha256').update(code).digest('hex').slice(0, 32);
  return `-- dbps fence: ${state} ${digest}\n${code}`;
}

export function openBody(): string {
  return seal('open', `BEGIN\n  ${PASS}\nEND`);
}

/**
 * Operators are named with their schema: a writer's search_path must not decide. `session_user` and never `current_user`: a SECURITY
 * DEFINER function of the applier's would pass. The session's mark keeps out an application that connects as the applier's role.
 */
export function closedBody(body: FenceBody): string {
  const code = `BEGIN
  IF SESSION_USER OPERATOR(pg_catalog.=) ${quoteLiteral(body.applier)}
     AND pg_catalog.current_setting(${quoteLiteral(SESSION_MARK)}, true) OPERATOR(pg_catalog.=) 'on' THEN
  ${PASS}
  END IF;
  RAISE EXCEPTION USING ERRCODE = ${quoteLiteral(FENCE_SQLSTATE)},
    MESSAGE = ${quoteLiteral(body.message)},
    DETAIL = pg_catalog.format('%s on %I.%I was refused; nothing was written.', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
    HINT = ${quoteLiteral(fenceHint({ service: body.service, owner: body.newOwner }))};
END`;
  return seal('closed', code);
}

export function readBody(source: string): 'open' | 'closed' | 'damaged' {
  const match = /^-- dbps fence: (open|closed) ([0-9a-f]{32})\n([^]*)$/.exec(source);
  if (match === null) return 'damaged';
  const [, state, digest, code] = match as unknown as [string, 'open' | 'closed', string, string];
  return createHash('sha256').update(code).digest('hex').slice(0, 32) === digest ? state : 'damaged';
}

export function replaceFunction(service: string, body: string): string {
  return `CREATE OR REPLACE FUNCTION ${fenceFunction(service)}() RETURNS trigger LANGUAGE plpgsql AS ${quoteLiteral(body)}`;
}

export function createStatementTrigger(service: string, relation: string): string {
  return `CREATE OR REPLACE TRIGGER ${STATEMENT_TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${relation}
    FOR EACH STATEMENT EXECUTE FUNCTION ${fenceFunction(service)}()`;
}

export function createRowTrigger(service: string, relation: string): string {
  return `CREATE TRIGGER ${ROW_TRIGGER} BEFORE INSERT OR UPDATE OR DELETE ON ${relation}
    FOR EACH ROW EXECUTE FUNCTION ${fenceFunction(service)}()`;
}
