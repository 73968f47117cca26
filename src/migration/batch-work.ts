/** What is done with a batch of the log: applied, kept for later, looked at; and what was kept, applied. */
import type { ChangeTransaction, Position, Sink } from '../engines/engine.js';
import type { Barriers } from './barriers.js';
import type { Batch } from './change-queue.js';
import type { Convergence } from './convergence.js';
import type { MoveContext } from './move-context.js';
import type { ReplicationProgress } from './replication-progress.js';
import { rogueChangesIn } from './rogue-writes.js';
import type { RogueChange } from './step-context.js';

const REPLAY_CHANGES = 20_000;
/** Of one transaction, before its end has come. */
const SPOOL_CHANGES = 20_000;

export interface BatchWork {
  readonly context: MoveContext;
  readonly sink: Sink;
  readonly convergence: Convergence;
  readonly progress: ReplicationProgress;
  readonly barriers: Barriers;
  readonly onRogue: (change: RogueChange) => void;
}

/** @returns where the batch ended. */
export async function applyBatch(work: BatchWork, batch: Batch): Promise<Position> {
  const { context, sink, convergence, progress } = work;
  const read = reading(batch);
  await context.at('replicator.before-apply');
  const { unsettled } = convergence;
  const outcome = await sink.apply({
    transactions: read.transactions,
    end: batch.end,
    isConverged: progress.isConverged,
    ...(unsettled !== undefined && { unsettled }),
  });
  await context.at('replicator.applied');
  progress.changesApplied += outcome.changes;
  progress.applied = read.end();
  arrivedByApply(work, read.barriers);
  return read.end();
}

/** @returns where the batch ended. */
export async function spoolBatch({ context, sink, progress }: BatchWork, batch: Batch): Promise<Position> {
  const read = reading(batch);
  let pieces: ChangeTransaction[] = [];
  let changes = 0;
  for await (const transaction of read.transactions) {
    pieces.push(transaction);
    changes += transaction.changes.length;
    if (batch.end === null && !transaction.last && changes >= SPOOL_CHANGES) {
      await sink.spool(pieces, progress.received as Position);
      pieces = [];
      changes = 0;
    }
  }
  await sink.spool(pieces, read.end());
  await context.at('replicator.spooled');
  progress.hasSpool = true;
  return read.end();
}

/** @returns where the batch ended. */
export async function watchBatch({ barriers, onRogue }: BatchWork, batch: Batch): Promise<Position> {
  const read = reading(batch);
  for await (const transaction of read.transactions) rogueChangesIn(transaction).forEach(onRogue);
  barriers.arrived(read.barriers);
  return read.end();
}

/** Applies what was kept, until there is no more, or `goesOn` says no. */
export async function replaySpool(work: BatchWork, goesOn: () => boolean): Promise<void> {
  const { context, sink, convergence, progress } = work;
  const segments = sink.readSpool()[Symbol.asyncIterator]();
  let segment = await segments.next();
  while (segment.done !== true) {
    if (!goesOn()) return;
    const spooled = { through: segment.value.id };
    let end: Position | null = null;
    const barriers: string[] = [];
    progress.inFlightMs = segment.value.transactions[0]?.committedAtMs ?? null;
    /** Whole segments up to a bound, and on to the end of a transaction that lies in several. */
    const transactions = async function* (): AsyncIterable<ChangeTransaction> {
      let changes = 0;
      let isWhole = true;
      while (segment.done !== true && (changes < REPLAY_CHANGES || !isWhole)) {
        for (const transaction of segment.value.transactions) {
          changes += transaction.changes.length;
          isWhole = transaction.last;
          if (isWhole) end = transaction.end;
          barriers.push(...transaction.barriers);
          yield transaction;
        }
        spooled.through = segment.value.id;
        segment = await segments.next();
      }
    };
    const { unsettled } = convergence;
    const outcome = await sink.apply({
      transactions: transactions(),
      end: null,
      spooled,
      isConverged: progress.isConverged,
      ...(unsettled !== undefined && { unsettled }),
    });
    await context.at('replicator.replayed');
    progress.changesApplied += outcome.changes;
    progress.applied = end;
    arrivedByApply(work, barriers);
  }
  // Positions without a change were received after the last spooled transaction.
  const { received, applied } = await sink.checkpoint();
  if (received !== applied) await sink.advance(received);
  progress.applied = progress.received = progress.durable = received;
  progress.hasSpool = false;
  progress.inFlightMs = null;
}

/** A marker says that everything before it is there: not while rows wait to be fetched again. */
function arrivedByApply({ progress, barriers }: BatchWork, nonces: readonly string[]): void {
  if (progress.isConverged) barriers.arrived(nonces);
  else barriers.withhold(nonces);
}

interface Reading {
  readonly transactions: readonly ChangeTransaction[] | AsyncIterable<ChangeTransaction>;
  /** Known once the transactions have been read. */
  readonly barriers: readonly string[];
  end(): Position;
}

function reading(batch: Batch): Reading {
  const barriers: string[] = [];
  let end = batch.end;
  const note = (transaction: ChangeTransaction) => {
    barriers.push(...transaction.barriers);
    if (transaction.last) end = transaction.end;
  };
  const large = async function* (pieces: AsyncIterable<ChangeTransaction>): AsyncIterable<ChangeTransaction> {
    for await (const piece of pieces) {
      note(piece);
      yield piece;
    }
  };
  let transactions: Reading['transactions'];
  if (Symbol.asyncIterator in batch.transactions) transactions = large(batch.transactions);
  else {
    transactions = batch.transactions;
    transactions.forEach(note);
  }
  return { transactions, barriers, end: () => end as Position };
}
