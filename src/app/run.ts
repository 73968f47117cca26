import type { Config } from '../config/config.js';
import { runServices } from '../migration/runner.js';
import { moveEnvironment, openStore, planFor, type MoveOptions } from './move.js';

/** Until the signal: holds every service that is on its way. Each comes under the plan it began with. */
export async function run(config: Config, options: MoveOptions): Promise<void> {
  const store = openStore(config);
  try {
    await runServices({
      store,
      environmentFor: async (state) =>
        moveEnvironment(config, await planFor(config, store, state, options.planFile), store, options),
      emit: options.emit,
      signal: options.signal,
      pollMs: 500,
    });
  } finally {
    await store.close();
  }
}
