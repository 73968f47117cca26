/** A signal that was raised, as the error that says what was stopped and how to go on. */
import { DbpsError, InterruptedError } from '../model/errors.js';

export function stopIfAborted(signal: AbortSignal, where: string): void {
  if (signal.aborted) throw interruption(signal, where, undefined);
}

/** Why the signal was raised, if it says so (a lost lease is not a wish to stop); else that it was asked to stop. */
export function interruption(signal: AbortSignal, where: string, cause: unknown): unknown {
  if (signal.reason instanceof DbpsError) return signal.reason;
  if (cause instanceof InterruptedError) return cause;
  return new InterruptedError({
    code: 'DBPS_E501',
    message: `stopped ${where}`,
    hint: 'run the same command again; it goes on from there',
    ...(cause !== undefined && { cause }),
  });
}
