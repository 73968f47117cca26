/**
 * How a closed fence refuses a write, so that an application (through dbps/router) knows the write was not made and may go to the
 * other side. Class XD: the standard leaves classes that begin with I to Z to implementations, and no server uses this one. The hint names
 * the owner in one fixed form, so that nobody has to parse prose.
 */
export const FENCE_SQLSTATE = 'XDB01';

export type Owner = 'legacy' | 'service';

export interface FenceRefusal {
  readonly service: string;
  /** Where the writes go now. */
  readonly owner: Owner;
}

/** True for a driver's error (pg: `code`, mysql2: `sqlState`) that a fence raised: the statement, and its transaction, did nothing. */
export function isFenceError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, sqlState } = error as { readonly code?: unknown; readonly sqlState?: unknown };
  return code === FENCE_SQLSTATE || sqlState === FENCE_SQLSTATE;
}

export function fenceHint(refusal: FenceRefusal): string {
  return `dbps: writes of ${refusal.service} go to ${refusal.owner}`;
}

/** What a refusal says; null when it is not a fence that refused, or the driver passes no hint on. */
export function readFenceRefusal(error: unknown): FenceRefusal | null {
  if (!isFenceError(error)) return null;
  const { hint } = error as { readonly hint?: unknown };
  const match = typeof hint === 'string' ? /^dbps: writes of (.+) go to (legacy|service)$/.exec(hint) : null;
  return match === null ? null : { service: match[1] as string, owner: match[2] as Owner };
}
