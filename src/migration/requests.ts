/** Wishes filed with a live runner, and what comes back: plain data on the way, typed errors at both ends. */
import {
  DatabaseError,
  DbpsError,
  InternalError,
  InterruptedError,
  RefusedError,
  UsageError,
  type ErrorDetails,
} from '../model/errors.js';
import type { Phase } from '../model/phases.js';
import type { NewRequest, Request } from '../state/state-store.js';
import type { TransitionResult } from './orchestrator.js';
import { GuardsRefusedError } from './refusals.js';
import type { TransitionParameters } from './step-context.js';

export type Wish =
  | { readonly kind: 'advance'; readonly to?: Phase; readonly parameters: TransitionParameters }
  | { readonly kind: 'rollback'; readonly to?: Phase; readonly parameters: TransitionParameters }
  | { readonly kind: 'abort' }
  /** Writes that reached legacy behind the fence: the owner's rows stand. */
  | { readonly kind: 'reconcile' }
  | { readonly kind: 'pause'; readonly reason: string }
  | { readonly kind: 'resume'; readonly parameters: TransitionParameters };

export function writeRequest(service: string, wish: Wish, filedBy: string): NewRequest {
  const { kind, ...parameters } = wish;
  return { service, kind, parameters, filedBy };
}

export function readWish(request: Request): Wish {
  return { kind: request.kind, parameters: {}, ...request.parameters } as Wish;
}

export interface RequestOutcome {
  readonly transitions: readonly TransitionResult[];
  readonly error: Error | null;
}

interface WrittenError extends Omit<ErrorDetails, 'cause' | 'location'> {
  readonly family: DbpsError['family'];
}

export function writeOutcome(outcome: RequestOutcome): unknown {
  const { error } = outcome;
  if (error === null) return { transitions: outcome.transitions };
  const written: WrittenError =
    error instanceof DbpsError
      ? {
          family: error.family,
          code: error.code,
          message: error.message,
          ...(error.hint !== undefined && { hint: error.hint }),
        }
      : { family: 'internal', code: 'DBPS_E901', message: error.message };
  return {
    transitions: outcome.transitions,
    error: written,
    ...(error instanceof GuardsRefusedError && { guards: error.guards }),
  };
}

const CLASSES = {
  usage: UsageError,
  config: UsageError,
  refused: RefusedError,
  database: DatabaseError,
  interrupted: InterruptedError,
  internal: InternalError,
} as const;

export function readRequest(request: Request): RequestOutcome {
  const result = (request.result ?? {}) as { transitions?: TransitionResult[]; error?: WrittenError };
  return {
    transitions: result.transitions ?? [],
    error: result.error === undefined ? null : new CLASSES[result.error.family](result.error),
  };
}
