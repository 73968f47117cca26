/** Whether a database is there, and making it. Works on the server, not in a database of its own. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { OpenOptions } from '../engine.js';
import { openSession } from './postgres-connection.js';
import { sqlState } from './postgres-errors.js';
import { quoteIdentifier } from './postgres-sql.js';

const INVALID_CATALOG_NAME = '3D000';
const DUPLICATE_DATABASE = '42P04';

export async function databaseExists(target: ConnectionTarget, options: OpenOptions): Promise<boolean> {
  try {
    const session = await openSession(target, { ...options, readOnly: true });
    await session.end();
    return true;
  } catch (error) {
    if (sqlState(error) === INVALID_CATALOG_NAME) return false;
    throw error;
  }
}

export async function createDatabaseIfMissing(
  target: ConnectionTarget,
  options: OpenOptions,
): Promise<boolean> {
  if (await databaseExists(target, options)) return false;
  // Every server has it, and everyone may connect to it, unless somebody has taken pains.
  const session = await openSession(target.withDatabase('postgres'), options);
  try {
    await session.query(`CREATE DATABASE ${quoteIdentifier(target.database)}`);
    return true;
  } catch (error) {
    // Another process was faster.
    if (sqlState(error) === DUPLICATE_DATABASE) return false;
    throw error;
  } finally {
    await session.end();
  }
}
