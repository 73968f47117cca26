/**
 * Runs planned statements. DDL commits by itself here, so the epoch is held by a transaction of a second session while a statement runs: a take-over
 * waits for it all the same.
 */
import type mysql from 'mysql2/promise';
import { DatabaseError } from '../../model/errors.js';
import type { DdlRunner, Ownership, Statement } from '../engine.js';
import type { MysqlPool } from './mysql-connection.js';
import { describeError, errorNumber } from './mysql-errors.js';
import { withSessionSettings } from './mysql-session-settings.js';

/**
 * What a drop says when there is nothing to drop: database, table, index, column or key, routine, event, trigger, check; or no such right of
 * anybody's, of a relation, of a routine.
 */
const NOT_THERE = new Set([1008, 1049, 1051, 1091, 1141, 1146, 1147, 1305, 1360, 1403, 1539, 3821, 3940]);

export class MysqlDdlRunner implements DdlRunner {
  constructor(private readonly pool: MysqlPool) {}

  async run(statements: readonly Statement[], owner: Ownership, signal?: AbortSignal): Promise<void> {
    for (const statement of statements) {
      signal?.throwIfAborted();
      await this.#owned(owner, async (session) => {
        if (statement.unless !== undefined && (await isThere(session, statement.unless))) return;
        await withSessionSettings(session, statement.settings, () => session.query(statement.sql)).catch(
          (error: unknown) => {
            throw nameStatement(error, statement);
          },
        );
      });
    }
  }

  async undo(statements: readonly Statement[], owner: Ownership, signal?: AbortSignal): Promise<void> {
    for (const { undo, purpose, group } of [...statements].reverse()) {
      signal?.throwIfAborted();
      if (undo === null) continue;
      await this.#owned(owner, async (session) => {
        await session.query(undo).catch((error: unknown) => {
          if (NOT_THERE.has(errorNumber(error) ?? 0)) return;
          throw nameStatement(error, { sql: undo, purpose: `take back: ${purpose}`, undo: null, group });
        });
      });
    }
  }

  /** Without looking at rows that other tables refer to: they are compared, and searched for orphans, by verification. */
  async #owned(owner: Ownership, work: (session: mysql.Connection) => Promise<void>): Promise<void> {
    await this.pool.ownedTransaction(owner, () =>
      // Not of the pool: as many runs as it has sessions would wait for one another's second.
      this.pool.session(async (session) => {
        await session.query('SET SESSION foreign_key_checks = 0');
        await work(session);
      }),
    );
  }
}

async function isThere(session: mysql.Connection, query: string): Promise<boolean> {
  const [rows] = await session.query<mysql.RowDataPacket[]>(query);
  return rows.length > 0;
}

/** The server's message alone seldom says which object it was about. */
function nameStatement(error: unknown, statement: Statement): unknown {
  const described = describeError(error);
  if (described === null) return error;
  return new DatabaseError({
    code: described.code,
    message: `${statement.purpose}: ${described.message}`,
    hint: isAccountRefused(error, statement)
      ? 'GRANT CREATE USER ON *.* TO the account of dbps; or create that account yourself, and let the account of dbps see it: GRANT SELECT ON mysql.*'
      : (described.hint ?? `the statement was: ${statement.sql.slice(0, 300)}`),
    cause: error,
  });
}

/** No preflight can tell: whether an account is there is known to those alone who may read the accounts. */
function isAccountRefused(error: unknown, statement: Statement): boolean {
  return errorNumber(error) === 1227 && statement.sql.startsWith('CREATE USER ');
}
