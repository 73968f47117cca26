/** What a test reads from a stream. */
import type { Change, ChangeStream, ChangeTransaction, Control } from '../../src/engines/engine.js';
import { OWNER } from './moving.js';

/** Everything up to a marker row that is written now, and that one. */
export async function readAll(
  source: { readonly control: Control },
  stream: ChangeStream,
): Promise<ChangeTransaction[]> {
  const nonce = `end-${Math.random()}`;
  await source.control.writeBarrier(OWNER, nonce);
  const transactions: ChangeTransaction[] = [];
  for await (const transaction of stream) {
    transactions.push(transaction);
    if (transaction.barriers.includes(nonce)) return transactions;
  }
  throw new Error('the stream ended');
}

/** The same without that one: in a log it is a transaction of its own. */
export const readUpToMarker = async (
  ...given: Parameters<typeof readAll>
): Promise<readonly ChangeTransaction[]> => (await readAll(...given)).slice(0, -1);

export const changesOf = (transactions: readonly ChangeTransaction[]): Change[] =>
  transactions.flatMap((transaction) => transaction.changes);

/** The first column of the rows that were inserted; -1 for every other change. */
export const idsOf = (changes: readonly Change[]): number[] =>
  changes.map((change) => (change.kind === 'insert' ? Number(change.values[0]) : -1));
