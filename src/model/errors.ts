/**
 * Errors are classes with fields; the family decides the exit code in one place (cli/exit-codes.ts).
 * Codes: E1xx usage, E2xx config, E3xx refused, E4xx a database could not be used, E5xx interrupted, E9xx internal.
 * Every code has an entry in model/error-codes.ts. A message never holds a secret: connection targets redact themselves.
 */
export interface ErrorDetails {
  readonly code: string;
  /** What happened, naming the object. */
  readonly message: string;
  /** What to type or do. */
  readonly hint?: string;
  readonly cause?: unknown;
  readonly location?: {
    readonly file: string;
    readonly line: number;
    readonly column?: number;
    readonly frame?: string;
  };
}

export abstract class DbpsError extends Error {
  abstract readonly family: 'usage' | 'config' | 'refused' | 'database' | 'interrupted' | 'internal';
  readonly code: string;
  readonly hint: string | undefined;
  readonly location: ErrorDetails['location'];

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.hint = details.hint;
    this.location = details.location;
  }
}

/** Asked wrongly: exit 2. */
export class UsageError extends DbpsError {
  readonly family = 'usage';
}
/** dbps.yaml or the environment is wrong: exit 2. */
export class ConfigError extends DbpsError {
  readonly family = 'config';
}
/** A guard said no; nothing was changed: exit 3. */
export class RefusedError extends DbpsError {
  readonly family = 'refused';
}
/** A database could not be used (unreachable, denied, unsupported): exit 4. */
export class DatabaseError extends DbpsError {
  readonly family = 'database';
}
/** Stopped part way, safe to run again: exit 5. */
export class InterruptedError extends DbpsError {
  readonly family = 'interrupted';

  constructor(details: ErrorDetails) {
    super({ hint: 'run the same command again; it goes on from there', ...details });
  }
}
/** A bug in dbps: exit 70. */
export class InternalError extends DbpsError {
  readonly family = 'internal';
}
