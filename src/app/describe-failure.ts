/** The last stop before "a bug in dbps": errors of drivers that nobody below handled. */
import { describeEngineError } from '../engines/registry.js';
import type { DbpsError } from '../model/errors.js';

export function describeFailure(error: unknown): DbpsError | null {
  return describeEngineError(error);
}
