/**
 * The end of the legacy relations: closed to everybody, renamed, and after a while dropped. Remembered before anything is done, since each
 * statement commits by itself: a crash between is found. A view does not follow a rename here, it fails, which is heard of.
 */
import { createHash } from 'node:crypto';
import { RefusedError } from '../../model/errors.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { Ownership, RetiredRelation, Retirement } from '../engine.js';
import { readPrivileges } from './mysql-accounts.js';
import { queryable, type MysqlPool } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';
import type { FenceKey } from './mysql-fence-body.js';
import { readForeignKeys } from './mysql-fence-keys.js';
import { forget, recall, remember } from './mysql-fence-memory.js';
import { DDL_SETTINGS, inSmallRetries } from './mysql-fence-retry.js';
import { currentDatabase } from './mysql-fence-row.js';
import { readExisting } from './mysql-fence-tables.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

export class MysqlRetirement implements Retirement {
  constructor(private readonly pool: MysqlPool) {}

  async retired(service: string): Promise<RetiredRelation[]> {
    const [installed] = await this.pool.query(
      "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = 'fence_memory'",
    );
    if (installed === undefined) return [];
    const key = await this.#key(service);
    const memories = await this.pool.use((connection) => recall(connection, key, 'retired'));
    return memories.map(({ subject, renamedTo, at }) => ({ relation: subject, renamedTo, at }));
  }

  async retire(
    owner: Ownership,
    relations: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<RetiredRelation[]> {
    const key = await this.#key(owner.service);
    const there = await this.#existing(relations);
    await this.pool.ownedTransaction(owner, async (connection) => {
      const [now] = await queryable(connection).query({
        sql: "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ') AS at",
      });
      await remember(
        connection,
        key,
        there.map((relation) => ({
          kind: 'retired',
          subject: relation,
          renamedTo: retiredId(relation),
          at: now?.['at'] ?? '',
        })),
      );
    });
    for (const relation of there) await this.#revokeAll(owner, relation);
    // All or none: half of a service renamed would be neither here nor there.
    const renames = there.map(
      (relation) => `${quoteRelation(relation)} TO ${quoteRelation(retiredId(relation))}`,
    );
    if (renames.length > 0)
      await this.pool.session(async (session) => {
        await session.query(DDL_SETTINGS);
        await inSmallRetries(
          this.pool,
          owner,
          `retiring the relations of ${owner.service}`,
          () => session.query(`RENAME TABLE ${renames.join(', ')}`),
          { signal, session },
        );
      });
    return this.retired(owner.service);
  }

  async drop(owner: Ownership, signal?: AbortSignal): Promise<void> {
    const retired = await this.retired(owner.service);
    if (retired.length === 0) return;
    const key = await this.#key(owner.service);
    const names = await this.#existing(retired.map(({ renamedTo }) => renamedTo));
    const keys = await this.pool.use((connection) => readForeignKeys(queryable(connection), names));
    const staying = keys.filter((k) => !names.includes(k.relation));
    const [first] = staying;
    if (first !== undefined)
      throw stillNeeded(owner, `${first.relation} refers to ${first.parent} (${first.name})`);
    await this.pool.session(async (session) => {
      await session.query(DDL_SETTINGS);
      // Checked again by the server: a key that came in between stops the drop.
      await session.query('SET SESSION foreign_key_checks = 1');
      const step = (sql: string, gone: number) =>
        inSmallRetries(
          this.pool,
          owner,
          `dropping the relations of ${owner.service}`,
          () =>
            session.query(sql).catch((error: unknown) => {
              if (errorNumber(error) !== gone) throw error;
            }),
          { signal, session },
        );
      try {
        // Keys among them would make the order matter, and some have none.
        for (const k of keys.filter(
          ({ relation, parent }) => names.includes(relation) && names.includes(parent),
        ))
          await step(
            `ALTER TABLE ${quoteRelation(k.relation)} DROP FOREIGN KEY ${quoteIdentifier(k.name)}`,
            CANNOT_DROP,
          );
        for (const name of names) await step(`DROP TABLE ${quoteRelation(name)} RESTRICT`, UNKNOWN_TABLE);
      } catch (error) {
        if (!HAS_CHILDREN.has(errorNumber(error) ?? 0)) throw error;
        throw stillNeeded(owner, (error as Error).message, error);
      }
    });
    await this.pool.ownedTransaction(owner, (connection) => forget(connection, key, 'retired'));
  }

  async #key(service: string): Promise<FenceKey> {
    return this.pool.use(async (connection) => ({
      service,
      database: await currentDatabase(queryable(connection)),
    }));
  }

  async #existing(relations: readonly RelationId[]): Promise<RelationId[]> {
    return this.pool.use((connection) => readExisting(queryable(connection), relations));
  }

  /** Grants on a table do not follow its rename: they would be those of whatever bears the name next. */
  async #revokeAll(owner: Ownership, relation: RelationId): Promise<void> {
    const { schema, name } = parseRelationId(relation);
    const privileges = await this.pool.use((connection) => readPrivileges(queryable(connection)));
    const accounts = new Set(
      privileges
        .filter((p) => p.level === 'table' && p.schema === schema && p.table === name)
        .map(({ account }) => account),
    );
    for (const account of accounts)
      await this.pool.ownedTransaction(owner, (connection) =>
        connection
          .query(`REVOKE ALL PRIVILEGES ON ${quoteRelation(relation)} FROM ${account}`)
          .catch((error: unknown) => {
            // Gone already; or not ours to take, and then the rename closes the table all the same.
            if (![1141, 1147, 1142, 1044].includes(errorNumber(error) ?? 0)) throw error;
          }),
      );
  }
}

const CANNOT_DROP = 1091;
const UNKNOWN_TABLE = 1051;
/** A key of another table refers to it: MariaDB's number, MySQL's, and that of older ones. */
const HAS_CHILDREN = new Set([1451, 3730, 1217]);

function stillNeeded(owner: Ownership, why: string, cause?: unknown): RefusedError {
  return new RefusedError({
    code: 'DBPS_E340',
    message: `the relations of ${owner.service} are not dropped: ${why}`,
    hint: 'Drop or rewrite what depends on them, then run it again. They are renamed and archived already.',
    cause,
  });
}

/** Within 64 characters, and never two alike. */
export function retiredName(name: string): string {
  const renamed = `dbps_retired_${name}`;
  if ([...renamed].length <= 64) return renamed;
  return `dbps_retired_${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}

function retiredId(relation: RelationId): RelationId {
  const { schema, name } = parseRelationId(relation);
  return relationId(schema, retiredName(name));
}
