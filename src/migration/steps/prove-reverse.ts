import { randomUUID } from 'node:crypto';
import type { Step } from '../step-context.js';

const CANARY_MS = 60_000;

/** A canary: a row of dbps's own table, written in the service database, arrives in legacy. No row of the user's is touched. */
export const proveReverse: Step = {
  name: 'prove-reverse',
  describe: async () => [
    { where: 'target', sql: null, purpose: 'commit a marker row and wait until it has come back to legacy' },
  ],
  check: async () => 'todo',
  do: async (context) => {
    const nonce = randomUUID();
    const began = performance.now();
    const arrived = context.reverse.waitForBarrier(nonce, context.now() + CANARY_MS);
    try {
      await context.target.control.writeBarrier(context.owner, nonce);
    } catch (error) {
      arrived.catch(() => undefined);
      throw error;
    }
    await arrived;
    return { reverseMs: Math.round(performance.now() - began) };
  },
  verify: async () => undefined,
};
