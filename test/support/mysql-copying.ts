/** The pieces of one move between two databases of a MySQL-family server, put together by hand: for tests of single roles. */
import type { RelationMap, Sink } from '../../src/engines/engine.js';
import { MysqlCaptureObserver } from '../../src/engines/mysql/mysql-change-source.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { MysqlSinkFactory } from '../../src/engines/mysql/mysql-sink.js';
import { MysqlSnapshot } from '../../src/engines/mysql/mysql-snapshot.js';
import type { MysqlTestDatabase } from './mariadb.js';
import { OWNER } from './moving.js';

export const IDENTITY = { server: '1', nonce: 'n' };

export interface MysqlPieces {
  readonly pool: MysqlPool;
  readonly control: MysqlControl;
  readonly snapshot: MysqlSnapshot;
  readonly sink: Sink;
  copy(
    map: RelationMap,
    rowsPerChunk?: number,
    format?: 'rows',
  ): Promise<{ chunks: number; rows: number; format: string }>;
  close(): Promise<void>;
}

export async function openMysqlPieces(
  source: MysqlTestDatabase,
  target: MysqlTestDatabase,
  maps: readonly RelationMap[] = [],
): Promise<MysqlPieces> {
  const options = { applicationName: 'dbps test' };
  const legacy = await MysqlPool.open(source.target, options);
  const pool = await MysqlPool.open(target.target, options);
  const observer = new MysqlCaptureObserver(legacy, source.target);
  const snapshot = new MysqlSnapshot(source.target, options, observer);
  const control = new MysqlControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
  const sink = await new MysqlSinkFactory(pool, target.target, options).open({
    stream: { service: OWNER.service, direction: 'forward' },
    owner: OWNER,
    maps,
  });
  await sink.begin({ start: await observer.currentPosition(), identity: IDENTITY, created: true });
  return {
    pool,
    control,
    snapshot,
    sink,
    copy: async (map, rowsPerChunk = 50_000, format) => {
      const chosen = format ?? (await snapshot.chunkFormat(map, sink.formats));
      const chunks = await sink.recordChunks(map, await snapshot.planChunks(map, rowsPerChunk));
      let rows = 0;
      for (const chunk of chunks) {
        const reader = await snapshot.readChunk(map, chunk, chosen);
        rows += (await sink.writeChunk(map, chunk, reader)).rows;
      }
      return { chunks: chunks.length, rows, format: chosen };
    },
    close: async () => {
      await sink.close();
      await snapshot.close();
      await control.remove(OWNER);
      await legacy.close();
      await pool.close();
    },
  };
}

/** Everything in a table, byte for byte, in an order that does not depend on the key. */
export async function mysqlContentOf(database: MysqlTestDatabase, table: string): Promise<string[]> {
  const columns = await database.query(
    'SELECT column_name AS name, data_type AS type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position',
    [database.name, table],
  );
  const parts = columns.map(({ name, type }) => {
    const column = `\`${String(name).replaceAll('`', '``')}\``;
    if (/float|double/.test(String(type))) return `CONCAT(${column} + 0e0)`;
    if (/int|decimal|year/.test(String(type))) return `CONCAT(${column})`;
    return `HEX(${column})`;
  });
  const rows = await database.query(
    `SELECT CONCAT_WS('|', ${parts.map((part) => `COALESCE(${part}, 'NULL')`).join(', ')}) AS line FROM \`${table.replaceAll('`', '``')}\``,
  );
  return rows.map((row) => String(row['line'])).sort();
}
