/**
 * How a closed fence refuses a write, so that an application (through dbps/router) knows the write was not made and may go to the
 * other side. Class XD: the standard leaves classes that begin with I to Z to implementations, and no server uses this one.
 */
export const FENCE_SQLSTATE = 'XDB01';

/** True for a driver's error (pg: `code`, mysql2: `sqlState`) that a fence raised: the statement, and its transaction, did nothing. */
export function isFenceError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, sqlState } = error as { readonly code?: unknown; readonly sqlState?: unknown };
  return code === FENCE_SQLSTATE || sqlState === FENCE_SQLSTATE;
}
