/** Tells the user's own switch about a change of the route. Retried; what was committed is never undone by its failure. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RefusedError } from '../model/errors.js';
import type { Route } from '../state/state-store.js';
import type { StepContext } from './step-context.js';

const ATTEMPTS = 3;
const PAUSE_MS = 500;

/** @throws RefusedError E308 when the hook failed each time and its failure blocks. */
export async function runRouteHook(context: StepContext, route: Route): Promise<void> {
  const hook = context.routeHook;
  if (hook === null) return;
  let failure: unknown;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      await hook.run(route, context.signal);
      return;
    } catch (error) {
      failure = error;
      if (context.signal.aborted) break;
      if (attempt < ATTEMPTS) await sleep(PAUSE_MS * attempt);
    }
  }
  const message = `the route hook of ${context.service.name} failed ${ATTEMPTS} times: ${failure instanceof Error ? failure.message : String(failure)}`;
  if (hook.onFailure === 'warn') {
    context.emit({ type: 'note', service: context.service.name, message });
    return;
  }
  throw new RefusedError({
    code: 'DBPS_E308',
    message,
    hint: 'mend the hook, then run the same command again: the route itself is published',
    cause: failure,
  });
}
