/** The one object that `--format json` prints, on success and on failure. Minor versions add fields, major ones break. */
import type { DbpsError } from '../model/errors.js';
import { compareFindings, type Finding } from '../model/finding.js';

export const ENVELOPE_FORMAT = '1.0';

export interface ErrorReport {
  /** @pattern ^DBPS_E\d{3}$ */
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  /**
   * The command that says more.
   * @pattern ^dbps explain
   */
  readonly docs: string;
  readonly cause: string | null;
  readonly location: { readonly file: string; readonly line: number; readonly column: number } | null;
}

export interface Envelope {
  /**
   * Version of dbps.
   * @pattern ^\d+\.\d+\.\d+
   */
  readonly dbps: string;
  /** Minor versions add fields, major ones break. */
  readonly format: typeof ENVELOPE_FORMAT;
  /** The words of the command: `migrate advance`. */
  readonly command: string;
  /** Exit code 0. */
  readonly ok: boolean;
  readonly result: unknown;
  readonly findings: readonly Finding[];
  readonly error: ErrorReport | null;
  /**
   * Commands that work when pasted, the likeliest first.
   * @pattern ^dbps( |$)
   */
  readonly nextSteps: readonly string[];
}

export interface EnvelopeInput {
  readonly version: string;
  readonly command: string;
  readonly ok: boolean;
  readonly result?: unknown;
  readonly findings?: readonly Finding[];
  readonly error?: DbpsError;
  readonly nextSteps?: readonly string[];
}

export function envelope(input: EnvelopeInput): Envelope {
  return {
    dbps: input.version,
    format: ENVELOPE_FORMAT,
    command: input.command,
    ok: input.ok,
    result: input.result ?? null,
    findings: [...(input.findings ?? [])].sort(compareFindings),
    error: input.error === undefined ? null : errorReport(input.error),
    nextSteps: [...(input.nextSteps ?? [])],
  };
}

export function errorReport(error: DbpsError): ErrorReport {
  const { location } = error;
  return {
    code: error.code,
    message: scrub(error.message),
    hint: error.hint === undefined ? null : scrub(error.hint),
    docs: `dbps explain ${error.code}`,
    cause: error.cause instanceof Error ? scrub(error.cause.message) : null,
    location:
      location === undefined
        ? null
        : { file: location.file, line: location.line, column: location.column ?? 1 },
  };
}

/** The last net under text that others wrote (a driver, commander echoing an argument): no credentials of a URL pass. */
export function scrub(text: string): string {
  // What ConnectionTarget wrote has none left: the words behind it, 'account'@'host' among them, are wanted.
  return text.replaceAll(/([a-z][a-z0-9+]*:\/\/)(?![^\s:@/]*:\*\*\*@[^\s@]+(?:\s|$))[^\r\n]*@/gi, '$1***@');
}

/** Big integers as numbers where they are exact, as text where they are not. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, item: unknown) =>
      typeof item === 'bigint' ? (Number.isSafeInteger(Number(item)) ? Number(item) : String(item)) : item,
    indent,
  );
}
