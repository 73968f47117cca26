/**
 * A transaction that is run again as a whole at the new owner when the old one refused it or went away before COMMIT was sent. A COMMIT
 * without an answer is never repeated.
 */
import type { Knex } from 'knex';
import { DatabaseError } from '../model/errors.js';
import { fateOf } from './driver-errors.js';
import { assessUnsent, outcomeUnknown, type Attempt } from './ride-through.js';

export type TransactionWork<T> = (transaction: Knex.Transaction) => Promise<T>;

export async function attemptTransaction<T>(
  database: Knex,
  service: string,
  work: TransactionWork<T>,
  config: Knex.TransactionConfig | undefined,
): Promise<Attempt<T>> {
  let transaction: Knex.Transaction;
  try {
    transaction = await database.transaction({ ...config });
  } catch (error) {
    return assessUnsent(error);
  }
  // An error that the callback swallows, or rolls back to a savepoint, still says that this side no longer takes the writes.
  let first: unknown;
  let again: unknown;
  let moved: unknown;
  transaction.on('query-error', (error: unknown) => {
    first ??= error;
    const fate = fateOf(error);
    if (fate === 'fenced' || fate === 'lost' || fate === 'deadlock') again ??= error;
    if (fate === 'moved') moved ??= error;
  });

  let value: T;
  try {
    value = await work(transaction);
  } catch (error) {
    await rollback(transaction);
    // Judged by what the database said: the callback's own error may come from anywhere.
    const refusal = again ?? moved;
    return refusal === undefined ? { outcome: 'failed', error } : assessUnsent(refusal);
  }
  if (transaction.isCompleted()) {
    // The callback ended it itself: what it said stands.
    return settle(transaction, service, value);
  }
  if (again !== undefined) {
    await rollback(transaction);
    return assessUnsent(again);
  }
  const answer: unknown = await transaction.commit();
  if (commandOf(answer) === 'ROLLBACK') {
    // PostgreSQL answers COMMIT of an aborted transaction with ROLLBACK and no error: nothing may be acknowledged.
    return {
      outcome: 'failed',
      error: new DatabaseError({
        code: 'DBPS_E421',
        message: `the transaction on ${service} was rolled back: a statement in it had failed and the callback went on`,
        hint: 'let the error leave the callback, or run that statement in a nested transaction',
        cause: first,
      }),
    };
  }
  return settle(transaction, service, value);
}

/** knex reports how COMMIT went through executionPromise, not through commit(). */
async function settle<T>(transaction: Knex.Transaction, service: string, value: T): Promise<Attempt<T>> {
  try {
    await transaction.executionPromise;
    return { outcome: 'done', value };
  } catch (error) {
    switch (fateOf(error)) {
      case 'lost':
        return { outcome: 'failed', error: outcomeUnknown(service, error) };
      case 'fenced':
      case 'deadlock':
        // A deferred trigger or constraint met the fence, or a circle of waits: the server rolled back and said so.
        return { outcome: 'again', error, when: 'always' };
      case 'moved':
      case 'other':
        return { outcome: 'failed', error };
    }
  }
}

async function rollback(transaction: Knex.Transaction): Promise<void> {
  if (transaction.isCompleted()) return;
  // The connection may be gone; the server rolls back by itself then.
  await transaction.rollback().catch(() => undefined);
}

function commandOf(answer: unknown): string | undefined {
  const { response } = (answer ?? {}) as { readonly response?: { readonly command?: unknown } };
  return typeof response?.command === 'string' ? response.command : undefined;
}
