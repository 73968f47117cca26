/** The pieces of one move between two test databases, put together by hand: for tests of single roles. */
import type { ChunkFormat, RelationMap } from '../../src/engines/engine.js';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { PostgresControl } from '../../src/engines/postgres/postgres-control.js';
import { PostgresCopyWriter } from '../../src/engines/postgres/postgres-sink-copy.js';
import { PostgresSnapshot } from '../../src/engines/postgres/postgres-snapshot.js';
import type { TestDatabase } from './postgres.js';

export const OWNER = { service: 'orders', epoch: 1 } as const;

/** A map of a relation onto one of the same name and types. */
export async function mapOf(
  database: TestDatabase,
  relation: string,
  key: readonly string[] = ['id'],
): Promise<RelationMap> {
  const columns = await database.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
      WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    [relation],
  );
  return {
    source: relation,
    target: relation,
    columns: columns.map(({ name, type }) => ({ name, target: name, sourceType: type, targetType: type })),
    key,
    leaves: [relation],
    hasOtherUniqueness: false,
  };
}

export interface CopyPieces {
  readonly snapshot: PostgresSnapshot;
  readonly writer: PostgresCopyWriter;
  readonly control: PostgresControl;
  /** All rows of a relation, in one go each chunk. */
  copy(
    map: RelationMap,
    rowsPerChunk?: number,
    accepted?: readonly ChunkFormat[],
  ): Promise<{ chunks: number; rows: number; format: string }>;
  close(): Promise<void>;
}

export async function openCopy(legacy: TestDatabase, service: TestDatabase): Promise<CopyPieces> {
  const options = { applicationName: 'dbps test' };
  const snapshot = new PostgresSnapshot(legacy.target, options);
  const pool = await SessionPool.open(service.target, options);
  const control = new PostgresControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
  const writer = new PostgresCopyWriter(OWNER, pool, service.target, options);
  return {
    snapshot,
    writer,
    control,
    copy: async (map, rowsPerChunk = 50_000, accepted = writer.formats) => {
      const format = await snapshot.chunkFormat(map, accepted);
      const chunks = await writer.recordChunks(map, await snapshot.planChunks(map, rowsPerChunk));
      let rows = 0;
      for (const chunk of chunks) {
        const reader = await snapshot.readChunk(map, chunk, format);
        rows += (await writer.writeChunk(map, chunk, reader)).rows;
      }
      return { chunks: chunks.length, rows, format };
    },
    close: async () => {
      await writer.close();
      await snapshot.close();
      await pool.close();
    },
  };
}

/** Everything in a relation as text, in an order that does not depend on the key. */
export async function contentOf(database: TestDatabase, relation: string): Promise<string[]> {
  const rows = await database.query<{ line: string }>(`SELECT t::text AS line FROM ${relation} t`);
  return rows.map((row) => row.line).sort();
}
