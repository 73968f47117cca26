/** Runs planned statements: each group one transaction, which begins with the epoch check. */
import { DatabaseError } from '../../model/errors.js';
import type { DdlRunner, Ownership, Statement } from '../engine.js';
import type { SessionPool } from './postgres-connection.js';
import { describeError } from './postgres-errors.js';

export class PostgresDdlRunner implements DdlRunner {
  constructor(private readonly pool: SessionPool) {}

  run(statements: readonly Statement[], owner: Ownership, signal?: AbortSignal): Promise<void> {
    return this.runGroups(statements, owner, signal);
  }

  /** Every undo passes over what is not there by itself (IF EXISTS). */
  undo(statements: readonly Statement[], owner: Ownership, signal?: AbortSignal): Promise<void> {
    const back = [...statements]
      .reverse()
      .flatMap(({ undo, purpose, group }) =>
        undo === null ? [] : [{ sql: undo, purpose: `take back: ${purpose}`, undo: null, group }],
      );
    return this.runGroups(back, owner, signal);
  }

  private async runGroups(
    statements: readonly Statement[],
    owner: Ownership,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const group of consecutiveGroups(statements)) {
      signal?.throwIfAborted();
      await this.pool.ownedTransaction(owner, async (client) => {
        // Bodies may name what is created after them; index builds need memory of their own.
        await client.query("SET LOCAL check_function_bodies = off; SET LOCAL maintenance_work_mem = '256MB'");
        for (const statement of group) {
          signal?.throwIfAborted();
          if (statement.unless !== undefined && (await client.query(statement.unless)).rowCount !== 0)
            continue;
          await client.query(statement.sql).catch((error: unknown) => {
            throw nameStatement(error, statement);
          });
        }
      });
    }
  }
}

/** undefined_object (collation, operator class, text search configuration …), undefined_function. */
const MISSING: ReadonlySet<string> = new Set(['42704', '42883']);

/** The server's message alone seldom says which object it was about. */
function nameStatement(error: unknown, statement: Statement): unknown {
  const described = describeError(error);
  if (described === null) return error;
  const isMissing = MISSING.has((error as { code?: string }).code ?? '');
  return new DatabaseError({
    code: described.code,
    message: `${statement.purpose}: ${described.message}`,
    hint: isMissing
      ? 'make it on this database first, then run the same command again: dbps plan show lists under BND406 what is not carried over'
      : (described.hint ?? `the statement was: ${statement.sql.slice(0, 300)}`),
    cause: error,
  });
}

function consecutiveGroups(statements: readonly Statement[]): readonly (readonly Statement[])[] {
  const groups: Statement[][] = [];
  for (const statement of statements) {
    const last = groups.at(-1);
    if (last?.[0]?.group === statement.group) last.push(statement);
    else groups.push([statement]);
  }
  return groups;
}
