/**
 * How a closed fence refuses a write, so that an application (through dbps/router) knows the write was not made and may go to the
 * other side. Class XD: the standard leaves classes that begin with I to Z to implementations, and no server uses this one. The hint names
 * the owner in one fixed form, so that nobody has to parse prose. The MySQL family has no hint: there the fixed form begins the message.
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

/** MESSAGE_TEXT of a SIGNAL takes no more. */
const LONGEST_SIGNAL = 128;

/** The whole message of a refusal where there is no hint: the fixed form, then as much of `message` as fits. */
export function fenceSignal(refusal: FenceRefusal, message: string): string {
  return `${fenceHint(refusal)}; ${message}`.slice(0, LONGEST_SIGNAL);
}

/** What a refusal says; null when it is not a fence that refused, or nothing of the fixed form was passed on. */
export function readFenceRefusal(error: unknown): FenceRefusal | null {
  if (!isFenceError(error)) return null;
  const { hint, sqlMessage } = error as { readonly hint?: unknown; readonly sqlMessage?: unknown };
  const said = typeof hint === 'string' ? hint : sqlMessage;
  const match =
    typeof said === 'string' ? /^dbps: writes of (.+?) go to (legacy|service)(?:$|; )/.exec(said) : null;
  return match === null ? null : { service: match[1] as string, owner: match[2] as Owner };
}
