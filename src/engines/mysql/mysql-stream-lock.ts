/**
 * One reader a stream: a named lock of a session that lives as long as the stream. Whoever holds it holds it without the lease (the caller's
 * epoch is already in the checkpoint), so that session is ended.
 */
import { createHash } from 'node:crypto';
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError } from '../../model/errors.js';
import type { StreamIdentity } from '../engine.js';
import { openMysqlSession, queryable } from './mysql-connection.js';
import { described, errorNumber } from './mysql-errors.js';

const NO_SUCH_THREAD = 1094;
const WAIT_S = 10;

/** Names of locks are the server's, whatever the database, and at most 64 characters. */
export function streamLockName({ service, direction }: StreamIdentity, database: string): string {
  const digest = createHash('sha256').update(`${database}\0${service}\0${direction}`).digest('hex');
  return `dbps.stream.${digest.slice(0, 40)}`;
}

export interface StreamLock {
  readonly session: mysql.Connection;
  onLost(report: (error: Error) => void): void;
  release(): Promise<void>;
}

export function takeStreamLock(
  target: ConnectionTarget,
  applicationName: string,
  stream: StreamIdentity,
): Promise<StreamLock> {
  return described(take(target, applicationName, stream));
}

async function take(
  target: ConnectionTarget,
  applicationName: string,
  stream: StreamIdentity,
): Promise<StreamLock> {
  const name = streamLockName(stream, target.database);
  const session = await openMysqlSession(target, { applicationName });
  let isReleased = false;
  try {
    const ask = queryable(session);
    const get = async (seconds: number) =>
      (await ask.query({ sql: 'SELECT GET_LOCK(?, ?) AS got', values: [name, seconds] }))[0]?.['got'] === '1';
    // Held for as long as the stream lives, mostly without a word, or with one that is read slowly.
    await session.query('SET SESSION wait_timeout = 31536000, net_write_timeout = 3600');
    if (!(await get(0))) {
      const [row] = await ask.query({ sql: 'SELECT IS_USED_LOCK(?) AS holder', values: [name] });
      const holder = row?.['holder'];
      if (holder != null)
        await session.query(`KILL ${Number(holder)}`).catch((error: unknown) => {
          // It ended by itself.
          if (errorNumber(error) !== NO_SUCH_THREAD) throw error;
        });
      if (!(await get(WAIT_S)))
        throw new DatabaseError({
          code: 'DBPS_E415',
          message: `another session reads the changes of ${stream.service} (${stream.direction}) and does not end`,
          hint: `SELECT IS_USED_LOCK('${name}') names its connection`,
        });
    }
  } catch (error) {
    session.destroy();
    throw error;
  }
  return {
    session,
    onLost: (report) => {
      for (const event of ['error', 'end'] as const)
        session.on(event, (error?: unknown) => {
          if (!isReleased) report(error instanceof Error ? error : new Error('its session was ended'));
        });
    },
    release: async () => {
      isReleased = true;
      await session.end().catch(() => session.destroy());
    },
  };
}
