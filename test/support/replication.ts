/** Two databases with the same tables and a stream between them, put together without a plan or a state store. */
import type { Direction, RelationMap } from '../../src/engines/engine.js';
import { postgresEngine } from '../../src/engines/postgres/postgres-engine.js';
import type { MoveContext } from '../../src/migration/move-context.js';
import { Replicator } from '../../src/migration/replicator.js';
import { reverseMaps } from '../../src/migration/reverse-maps.js';
import type { DbpsEvent } from '../../src/model/events.js';
import type { ServicePlan } from '../../src/model/plan.js';
import { OWNER } from './moving.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';

export interface Replication {
  readonly legacy: TestDatabase;
  readonly service: TestDatabase;
  readonly context: MoveContext;
  readonly events: DbpsEvent[];
  /** Named instants of the run: a test puts a function here to delay it, or to throw in it. */
  readonly at: { hook: (point: string) => Promise<void> };
  /** Publication, slot and checkpoint. */
  capture(direction: Direction): Promise<void>;
  replicator(direction: Direction): Replicator;
  /** Copies every relation as it is now, in chunks. */
  copy(rowsPerChunk?: number): Promise<void>;
  /** Until everything committed before the call has been applied on the other side. */
  drain(replicator: Replicator): Promise<void>;
  close(): Promise<void>;
}

export interface ReplicationSetup {
  /** Run in both databases. */
  readonly schema: string;
  /** Run in the service database only, instead of `schema`. */
  readonly serviceSchema?: string;
  readonly maps: (legacy: TestDatabase) => Promise<readonly RelationMap[]>;
}

export async function startReplication(setup: ReplicationSetup): Promise<Replication> {
  const legacy = await createTestDatabase('legacy', setup.schema);
  const service = await createTestDatabase('service', setup.serviceSchema ?? setup.schema);
  const options = { applicationName: 'dbps test' };
  const [source, target] = await Promise.all([
    postgresEngine.open(legacy.target, options),
    postgresEngine.open(service.target, options),
  ]);
  for (const database of [source, target]) {
    await database.control.install(OWNER.service);
    await database.control.raiseEpoch(OWNER);
  }
  const maps = await setup.maps(legacy);
  const abort = new AbortController();
  const events: DbpsEvent[] = [];
  const at = { hook: async (_point: string): Promise<void> => undefined };
  const context = {
    service: { name: OWNER.service, schema: { relations: [] } } as unknown as ServicePlan,
    owner: OWNER,
    legacy: source,
    target,
    maps,
    emit: (event: DbpsEvent) => void events.push(event),
    signal: abort.signal,
    now: () => Date.now(),
    at: (point: string) => at.hook(point),
  } as unknown as MoveContext;
  const replicators: Replicator[] = [];
  const captured: Direction[] = [];
  let barriers = 0;

  return {
    legacy,
    service,
    context,
    events,
    at,
    capture: async (direction) => {
      const [from, to] = direction === 'forward' ? [source, target] : [target, source];
      const own = direction === 'forward' ? maps : reverseMaps(maps, context.service);
      const stream = { service: OWNER.service, direction };
      const prepared = await from.changes.prepare(stream, own, OWNER);
      captured.push(direction);
      const sink = await to.sink.open({ stream, owner: OWNER, maps: own });
      await sink.begin(prepared);
      await sink.close();
    },
    replicator: (direction) => {
      const replicator = new Replicator(context, direction);
      replicators.push(replicator);
      return replicator;
    },
    copy: async (rowsPerChunk = 100) => {
      const sink = await target.sink.open({
        stream: { service: OWNER.service, direction: 'forward' },
        owner: OWNER,
        maps,
      });
      for (const map of maps) {
        const format = await source.snapshot.chunkFormat(map, sink.formats);
        const chunks = await sink.recordChunks(map, await source.snapshot.planChunks(map, rowsPerChunk));
        for (const chunk of chunks) {
          if (chunk.isDone) continue;
          await sink.writeChunk(map, chunk, await source.snapshot.readChunk(map, chunk, format));
        }
      }
      await sink.close();
    },
    drain: async (replicator) => {
      const nonce = `drain-${++barriers}-${Math.random()}`;
      const from = replicator.direction === 'forward' ? source : target;
      await from.control.writeBarrier(OWNER, nonce);
      await replicator.waitForBarrier(nonce, Date.now() + 60_000);
    },
    close: async () => {
      for (const replicator of replicators) await replicator.stop();
      abort.abort();
      for (const direction of captured) {
        const from = direction === 'forward' ? source : target;
        await from.changes.teardown({ service: OWNER.service, direction }, OWNER);
      }
      await source.close();
      await target.close();
      await legacy.drop();
      await service.drop();
    },
  };
}
