/** Two databases of one MySQL-family server with the same tables and a stream between them, put together without a plan or a state store. */
import type { RelationMap } from '../../src/engines/engine.js';
import { MysqlChangeSource } from '../../src/engines/mysql/mysql-change-source.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { MysqlSinkFactory } from '../../src/engines/mysql/mysql-sink.js';
import { MysqlSnapshot } from '../../src/engines/mysql/mysql-snapshot.js';
import type { MoveContext } from '../../src/migration/move-context.js';
import { Replicator } from '../../src/migration/replicator.js';
import type { ServicePlan } from '../../src/model/plan.js';
import type { MysqlTestDatabase, MysqlTestServer } from './mariadb.js';
import { OWNER } from './moving.js';

const OPTIONS = { applicationName: 'dbps test' };
const STREAM = { service: OWNER.service, direction: 'forward' } as const;

export interface MysqlReplication {
  readonly legacy: MysqlTestDatabase;
  readonly service: MysqlTestDatabase;
  /** Named instants of the run: a test puts a function here to throw in it. */
  readonly at: { hook: (point: string) => Promise<void> };
  capture(): Promise<void>;
  replicator(): Replicator;
  copy(rowsPerChunk: number, format: 'mysql-load' | 'rows'): Promise<void>;
  /** Until everything committed before the call has been applied on the other side. */
  drain(replicator: Replicator): Promise<void>;
  close(): Promise<void>;
}

export async function startMysqlReplication(
  server: MysqlTestServer,
  schema: { readonly legacy: string; readonly service: string },
  mapsOf: (legacy: MysqlTestDatabase, service: MysqlTestDatabase) => Promise<readonly RelationMap[]>,
): Promise<MysqlReplication> {
  const legacy = await server.createDatabase(schema.legacy);
  const service = await server.createDatabase(schema.service);
  const rolesOf = async (database: MysqlTestDatabase) => {
    const pool = await MysqlPool.open(database.target, OPTIONS);
    const changes = new MysqlChangeSource(pool, database.target, OPTIONS.applicationName);
    return {
      engine: 'mysql' as const,
      target: database.target,
      pool,
      changes,
      control: new MysqlControl(pool),
      snapshot: new MysqlSnapshot(database.target, OPTIONS, changes),
      sink: new MysqlSinkFactory(pool, database.target, OPTIONS),
    };
  };
  const [source, target] = [await rolesOf(legacy), await rolesOf(service)];
  await source.control.install(OWNER.service);
  await source.control.raiseEpoch(OWNER);
  const maps = await mapsOf(legacy, service);
  const abort = new AbortController();
  const at = { hook: async (_point: string): Promise<void> => undefined };
  const context = {
    service: { name: OWNER.service, schema: { relations: [] } } as unknown as ServicePlan,
    owner: OWNER,
    legacy: source,
    target,
    maps,
    emit: () => undefined,
    signal: abort.signal,
    now: () => Date.now(),
    at: (point: string) => at.hook(point),
  } as unknown as MoveContext;
  const replicators: Replicator[] = [];
  let barriers = 0;
  return {
    legacy,
    service,
    at,
    capture: async () => {
      const prepared = await source.changes.prepare(STREAM, maps, OWNER);
      const sink = await target.sink.open({ stream: STREAM, owner: OWNER, maps });
      await sink.begin(prepared);
      await sink.close();
    },
    replicator: () => {
      const replicator = new Replicator(context, 'forward');
      replicators.push(replicator);
      return replicator;
    },
    copy: async (rowsPerChunk, format) => {
      const sink = await target.sink.open({ stream: STREAM, owner: OWNER, maps });
      await source.snapshot.waitUntilVisible(await source.snapshot.currentSnapshot());
      for (const map of maps) {
        const chunks = await sink.recordChunks(map, await source.snapshot.planChunks(map, rowsPerChunk));
        for (const chunk of chunks)
          await sink.writeChunk(map, chunk, await source.snapshot.readChunk(map, chunk, format));
      }
      await sink.close();
    },
    drain: async (replicator) => {
      const nonce = `drain-${++barriers}-${Math.random()}`;
      await source.control.writeBarrier(OWNER, nonce);
      await replicator.waitForBarrier(nonce, Date.now() + 60_000);
    },
    close: async () => {
      for (const replicator of replicators) await replicator.stop();
      abort.abort();
      await source.changes.teardown(STREAM, OWNER);
      await source.control.remove(OWNER);
      for (const { snapshot, pool } of [source, target]) {
        await snapshot.close();
        await pool.close();
      }
      await legacy.drop();
      await service.drop();
    },
  };
}
