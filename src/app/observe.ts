/** `analyze --observe`: watches the shared database's transactions for a while and counts which relations are written together. */
import type { TransactionWatch } from '../engines/usage.js';
import type { ConnectionTarget } from '../model/connection-target.js';
import { DatabaseError } from '../model/errors.js';
import type { EventSink } from '../model/events.js';
import { openDatabase } from './databases.js';
import type { SeenTogether } from './gather-uses.js';

export interface ObserveOptions {
  readonly target: ConnectionTarget;
  readonly forMs: number;
  readonly emit: EventSink;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

export interface Observed {
  readonly seen: readonly SeenTogether[];
  readonly transactions: number;
  readonly forMs: number;
}

/** @throws DatabaseError when the engine cannot watch without leaving something behind, or the server does not let it. */
export async function observe(options: ObserveOptions): Promise<Observed> {
  const { emit, signal, forMs, now = Date.now } = options;
  const database = await openDatabase(options.target, signal);
  try {
    if (database.changes.watch === undefined)
      throw new DatabaseError({
        code: 'DBPS_E416',
        message: `${options.target.toString()}: this engine's transactions cannot be watched`,
        hint: 'give a statement log instead: --log',
      });
    emit({
      type: 'note',
      message:
        'observe: begins (PostgreSQL first waits for the transactions that are open now); what it makes goes with its session',
    });
    const watch = await database.changes.watch({ signal, pollMs: Math.min(1000, forMs) });
    try {
      emit({ type: 'note', message: `observe: ${watch.made}` });
      return await count(watch, { emit, forMs, now });
    } finally {
      await watch.close();
      signal.throwIfAborted();
    }
  } finally {
    await database.close();
  }
}

async function count(
  watch: TransactionWatch,
  { emit, forMs, now }: { emit: EventSink; forMs: number; now: () => number },
): Promise<Observed> {
  const started = now();
  const times = new Map<string, SeenTogether>();
  let transactions = 0;
  for await (const seen of watch) {
    for (const { writes } of seen) {
      const key = writes.join('\n');
      times.set(key, { writes, times: (times.get(key)?.times ?? 0) + 1 });
    }
    transactions += seen.length;
    const passed = now() - started;
    emit({
      type: 'progress',
      service: 'observe',
      activity: 'watching',
      rows: transactions,
      unit: 'transactions',
      totalRows: null,
      bytes: 0,
      rowsPerSecond: passed <= 0 ? 0 : Math.round((transactions * 1000) / passed),
      etaMs: Math.max(0, forMs - passed),
    });
    if (passed >= forMs) break;
  }
  const seen = [...times.values()].sort(
    (a, b) => b.times - a.times || (a.writes.join() < b.writes.join() ? -1 : 1),
  );
  return { seen, transactions, forMs: now() - started };
}
