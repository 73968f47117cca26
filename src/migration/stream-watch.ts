/** What a runner has seen of its streams, in the words of the state store. */
import type { StreamProgress } from '../state/state-store.js';
import type { ReplicatorHandle } from './step-context.js';

/** Each rogue write is counted; so many are written to the journal, which is no place for a flood. */
const MOST_JOURNALLED = 100;

export class StreamWatch {
  rogueWrites = 0;

  /** @returns true when this one is to be journalled. */
  countRogue(): boolean {
    return ++this.rogueWrites <= MOST_JOURNALLED;
  }

  describe(replicator: ReplicatorHandle | undefined): StreamProgress | null {
    if (replicator === undefined) return null;
    const { error, isConverged: _, ...status } = replicator.status();
    return { ...status, error: error?.message ?? null };
  }
}
