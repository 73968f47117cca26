import type { Config } from '../config/config.js';
import type { JournalEntry } from '../state/state-store.js';
import { openStore } from './move.js';

/** The journal, oldest first; of one service or of all. */
export async function history(
  config: Config,
  service?: string,
  limit?: number,
): Promise<readonly JournalEntry[]> {
  const store = openStore(config);
  try {
    return await store.history(service, limit);
  } finally {
    await store.close();
  }
}
