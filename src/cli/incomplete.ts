import { DatabaseError } from '../model/errors.js';
import type { Outcome } from './runner.js';

/** Part of the answer could not be had: what is known is reported as usual, and the exit code says that it is not all. */
export class IncompleteOutcome extends DatabaseError {
  constructor(
    readonly outcome: Outcome,
    message: string,
  ) {
    super({
      code: 'DBPS_E417',
      message,
      hint: 'mend what could not be checked, then run the same command again',
    });
  }
}
