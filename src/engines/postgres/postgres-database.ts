/** Whether a database is there, and making it. Works on the server, not in a database of its own. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import { RefusedError } from '../../model/errors.js';
import { showLocale, type TextRules } from '../../model/text-rules.js';
import type { OpenOptions } from '../engine.js';
import { openSession } from './postgres-connection.js';
import { sqlState } from './postgres-errors.js';
import { createLike, readTextRules, sameText } from './postgres-text-rules.js';
import { quoteIdentifier, quoteLiteral } from './postgres-sql.js';

const INVALID_CATALOG_NAME = '3D000';
const DUPLICATE_DATABASE = '42P04';
/** The name is none (42809), or the server knows it for another encoding, or not at all (22023). */
const NO_SUCH_LOCALE = new Set(['42809', '22023']);

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
  like?: TextRules,
): Promise<boolean> {
  if (await databaseExists(target, options)) return false;
  // Every server has it, and everyone may connect to it, unless somebody has taken pains.
  const session = await openSession(target.withDatabase('postgres'), options);
  try {
    // What a site keeps in template1 comes along where that is no other locale.
    const isUsual = like === undefined || sameText(await readTextRules(session, 'template1'), like);
    await session.query(
      isUsual ? `CREATE DATABASE ${quoteIdentifier(target.database)}` : createLike(target.database, like),
    );
    return true;
  } catch (error) {
    if (like?.locale != null && NO_SUCH_LOCALE.has(sqlState(error) ?? ''))
      throw new RefusedError({
        code: 'DBPS_E318',
        message: `${target.toString()} cannot be made as the shared database is (${showLocale(like.locale)}): ${(error as Error).message}`,
        hint: `install that locale on the server; or make the database yourself by another, by which texts sort otherwise: CREATE DATABASE ${quoteIdentifier(target.database)} ENCODING ${quoteLiteral(like.encoding)} LOCALE '…' TEMPLATE template0;`,
      });
    // Another process was faster.
    if (sqlState(error) === DUPLICATE_DATABASE) return false;
    throw error;
  } finally {
    await session.end();
  }
}
