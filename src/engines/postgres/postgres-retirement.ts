/** The end of the legacy relations: closed to everybody, renamed, and after a while dropped. Remembered, so that a crash between is found. */
import { createHash } from 'node:crypto';
import { RefusedError } from '../../model/errors.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { Ownership, RetiredRelation, Retirement } from '../engine.js';
import type { SessionPool } from './postgres-connection.js';
import { forget, recall, remember } from './postgres-fence-memory.js';
import { inSmallRetries } from './postgres-fence-retry.js';
import type { Queryable } from './postgres-fence-tree.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';

export class PostgresRetirement implements Retirement {
  constructor(private readonly pool: SessionPool) {}

  async retired(service: string): Promise<RetiredRelation[]> {
    const memories = await this.pool.use((client) => recall(client, service, 'retired'));
    return memories.map(({ subject, renamedTo, at }) => ({ relation: subject, renamedTo, at }));
  }

  async retire(
    owner: Ownership,
    relations: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<RetiredRelation[]> {
    // All or none: half of a service renamed would be neither here nor there.
    await inSmallRetries(
      this.pool,
      owner,
      `retiring the relations of ${owner.service}`,
      async (client) => {
        for (const relation of relations) await retireOne(client, owner.service, relation);
      },
      signal,
    );
    return this.retired(owner.service);
  }

  async drop(owner: Ownership, signal?: AbortSignal): Promise<void> {
    const retired = await this.retired(owner.service);
    if (retired.length === 0) return;
    // All in one statement, so that keys and inheritance among them are no dependants.
    const names = retired.map(({ renamedTo }) => quoteRelation(renamedTo)).join(', ');
    try {
      await inSmallRetries(
        this.pool,
        owner,
        `dropping the relations of ${owner.service}`,
        async (client) => {
          await client.query(`DROP TABLE IF EXISTS ${names} RESTRICT`);
          await forget(client, owner.service, 'retired');
        },
        signal,
      );
    } catch (error) {
      // dependent_objects_still_exist
      if ((error as { code?: string }).code !== '2BP01') throw error;
      throw new RefusedError({
        code: 'DBPS_E340',
        message: `the relations of ${owner.service} are not dropped: ${(error as Error & { detail?: string }).detail ?? (error as Error).message}`,
        hint: 'Drop or rewrite what depends on them, then run it again. They are renamed and archived already.',
        cause: error,
      });
    }
  }
}

async function retireOne(client: Queryable, service: string, relation: RelationId): Promise<void> {
  const { schema, name } = parseRelationId(relation);
  const renamed = retiredName(name);
  const { rows } = await client.query<{ at: string; found: string }>(
    "SELECT to_json(clock_timestamp()) #>> '{}' AS at, (to_regclass($1) IS NOT NULL)::text AS found",
    [quoteRelation(relation)],
  );
  if (rows[0]?.found !== 'true') return;
  await client.query(revokeAll(schema, name));
  await client.query(`ALTER TABLE ${quoteRelation(relation)} RENAME TO ${quoteIdentifier(renamed)}`);
  await remember(client, service, [
    { kind: 'retired', subject: relation, renamedTo: relationId(schema, renamed), at: rows[0].at },
  ]);
}

/** Within 63 bytes, and never two alike. */
export function retiredName(name: string): string {
  const renamed = `dbps_retired_${name}`;
  if (Buffer.byteLength(renamed) <= 63) return renamed;
  return `dbps_retired_${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}

function revokeAll(schema: string, name: string): string {
  const literal = quoteLiteral(`${quoteIdentifier(schema)}.${quoteIdentifier(name)}`);
  return `DO $revoke$ DECLARE grantee text; BEGIN
    FOR grantee IN
      SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_class c, aclexplode(c.relacl) a
       WHERE c.oid = ${literal}::regclass AND a.grantee <> c.relowner
    LOOP
      EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', ${literal}::regclass, grantee);
    END LOOP; END $revoke$`;
}
