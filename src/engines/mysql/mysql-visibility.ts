/**
 * When everything that capture will not deliver can be seen (docs/protocol.md, copy; H4). A transaction is prepared in InnoDB, then written to
 * the binary log, then committed in InnoDB, and only that makes it visible. In between it may wait: for its turn in a group commit,
 * for a replica (semi-synchronous, AFTER_SYNC), or for XA COMMIT. Whatever lies in the log before capture's start and cannot be seen yet is
 * therefore prepared at any moment after that start was read. So: note who is prepared once capture exists, and wait until they are over.
 * Others need no waiting: not yet in the log, they will be delivered.
 *
 * The monitor's text is read, not INNODB_TRX: that table is a copy which is renewed only when nobody has read it for a while.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from '../../model/errors.js';
import type { MysqlQueryable } from './mysql-connection.js';

const LONGEST_PAUSE_MS = 500;
const TRIES = 50;

/** Transactions that may be in the log already without being visible, by number. */
export function readPrepared(status: string): ReadonlySet<string> | null {
  // A very long list is cut in its middle.
  if (/^\.\.\. truncated\.\.\./m.test(status)) return null;
  const found = new Set<string>();
  for (const [, id] of status.matchAll(
    /^---TRANSACTION (\d+), (?:ACTIVE \(PREPARED\)|COMMITTED IN MEMORY)/gm,
  ))
    found.add(id as string);
  return found;
}

async function prepared(session: MysqlQueryable, signal?: AbortSignal): Promise<ReadonlySet<string>> {
  for (let tries = 0; tries < TRIES; tries++) {
    const [row] = await session.query({ sql: 'SHOW ENGINE INNODB STATUS' });
    const found = readPrepared(row?.['status'] ?? '');
    if (found !== null) return found;
    await sleep(200, undefined, { signal });
  }
  throw new DatabaseError({
    code: 'DBPS_E410',
    message:
      'SHOW ENGINE INNODB STATUS lists more transactions than it shows: who is about to commit cannot be seen',
    hint: 'run this again when fewer transactions are open',
  });
}

export async function currentTransactions(session: MysqlQueryable): Promise<string> {
  return JSON.stringify([...(await prepared(session))]);
}

export async function waitUntilOver(
  session: MysqlQueryable,
  since: string,
  signal?: AbortSignal,
): Promise<void> {
  const waitedFor = JSON.parse(since) as readonly string[];
  if (waitedFor.length === 0) return;
  for (let pause = 5; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const now = await prepared(session, signal);
    if (!waitedFor.some((id) => now.has(id))) return;
    await sleep(pause, undefined, { signal });
  }
}
