/** Files a wish with the live runner and waits for its answer, as the use cases do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readRequest, writeRequest, type RequestOutcome, type Wish } from '../../src/migration/requests.js';
import type { StateStore } from '../../src/state/state-store.js';

export async function perform(store: StateStore, service: string, wish: Wish): Promise<RequestOutcome> {
  const { id } = await store.fileRequest(writeRequest(service, wish, 'test'));
  for (const deadline = Date.now() + 100_000; Date.now() < deadline; await sleep(50)) {
    const request = await store.request(id);
    if (request?.state === 'done' || request?.state === 'failed') return readRequest(request);
  }
  throw new Error(`nobody answered ${wish.kind}`);
}
