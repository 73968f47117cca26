/** The one place that decides the exit code. 1 and 0 are answers; all codes from 2 on mean that dbps could not answer. */
import type { DbpsError } from '../model/errors.js';

export const EXIT_CODES = [
  { code: 0, meaning: 'done, and the answer is yes, or there is nothing to do' },
  {
    code: 1,
    meaning:
      'done, and the answer is no: findings at --fail-on, rows differ, --exit-code and pending or drifted',
  },
  {
    code: 2,
    meaning: 'asked wrongly: usage, dbps.yaml, unset variable, a decision needed without a terminal',
  },
  { code: 3, meaning: 'refused, nothing changed: guard unmet, lease held, stale plan, declined' },
  {
    code: 4,
    meaning:
      'a database could not be used: unreachable, authentication, missing privilege, unsupported version',
  },
  {
    code: 5,
    meaning: 'stopped part way, safe to run again: a signal, --timeout, a connection lost on the way',
  },
  { code: 70, meaning: 'a bug in dbps; a debug report was written' },
] as const;

export type ExitCode = (typeof EXIT_CODES)[number]['code'];

const BY_FAMILY: Readonly<Record<DbpsError['family'], ExitCode>> = {
  usage: 2,
  config: 2,
  refused: 3,
  database: 4,
  interrupted: 5,
  internal: 70,
};

export function exitCodeOf(error: DbpsError): ExitCode {
  return BY_FAMILY[error.family];
}
