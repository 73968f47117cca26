/** What dbps has made on a server of the MySQL family, found by its names, and how to take away what belongs to nothing any more. */
import { RefusedError } from '../../model/errors.js';
import { relationId } from '../../model/relation-id.js';
import type { Trace, TraceReader, TraceRemover } from '../engine.js';
import { queryable, type MysqlPool } from './mysql-connection.js';
import { MysqlControl } from './mysql-control.js';
import { isFenceTrigger, readFenceBody, readGuard, type FenceKey } from './mysql-fence-body.js';
import { DDL_SETTINGS } from './mysql-fence-retry.js';
import { currentDatabase } from './mysql-fence-row.js';
import { readMarkedTriggers, type TableTrigger } from './mysql-fence-tables.js';
import { quoteRelation } from './mysql-sql.js';

const IDLE = { isActive: false, retainedBytes: null } as const;

export class MysqlTraceReader implements TraceReader {
  constructor(protected readonly pool: MysqlPool) {}

  async list(): Promise<readonly Trace[]> {
    const database = await this.pool.use((connection) => currentDatabase(queryable(connection)));
    // The server is shared with other databases: their fences are theirs to tell of.
    const fences = new Set(
      (await this.fences()).filter((key) => key.database === database).map((key) => key.service),
    );
    return [
      ...[...fences]
        .sort()
        .map((service): Trace => ({ kind: 'fence', name: `fence of ${service}`, service, ...IDLE })),
      ...(await this.#controlled()).map((service): Trace => ({
        kind: 'control',
        name: `rows of ${service} in database dbps`,
        service,
        ...IDLE,
      })),
    ];
  }

  protected async fences(): Promise<readonly FenceKey[]> {
    const triggers = await this.pool.use((connection) => readMarkedTriggers(queryable(connection)));
    return triggers.flatMap((trigger) => keyOf(trigger) ?? []);
  }

  async #controlled(): Promise<readonly string[]> {
    if (!(await new MysqlControl(this.pool).isInstalled())) return [];
    const rows = await this.pool.query('SELECT service FROM dbps.epoch ORDER BY service');
    return rows.map((row) => row['service'] ?? '');
  }
}

const keyOf = (trigger: Pick<TableTrigger, 'name' | 'body'>): FenceKey | null =>
  isFenceTrigger(trigger.name) ? readFenceBody(trigger.body).key : (readGuard(trigger.body)?.key ?? null);

const ORDER = ['fence', 'control'] as const;

export class MysqlTraceRemover extends MysqlTraceReader implements TraceRemover {
  async remove(traces: readonly Trace[]): Promise<void> {
    for (const kind of ORDER)
      for (const trace of traces) {
        if (trace.kind !== kind || trace.service === null) continue;
        if (kind === 'fence') await this.#removeFence(trace.service);
        else await this.#forget(trace.service);
      }
  }

  /** A fence that keeps keys or triggers of the user's own in mind has to be opened, not dropped. */
  async #removeFence(service: string): Promise<void> {
    const key = {
      service,
      database: await this.pool.use((connection) => currentDatabase(queryable(connection))),
    };
    const [installed] = await this.pool.query(
      "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = 'fence_memory'",
    );
    const kept =
      installed === undefined
        ? []
        : await this.pool.query(
            'SELECT 1 AS kept FROM dbps.fence_memory WHERE service = ? AND database_name = ? LIMIT 1',
            [key.service, key.database],
          );
    const triggers = (await this.pool.use((connection) => readMarkedTriggers(queryable(connection)))).filter(
      (trigger) => {
        const found = keyOf(trigger);
        return found?.service === key.service && found.database === key.database;
      },
    );
    if (kept.length > 0 || triggers.some(({ name }) => !isFenceTrigger(name)))
      throw new RefusedError({
        code: 'DBPS_E390',
        message: `the fence of ${service} still keeps foreign keys or triggers of yours`,
        hint: `plan ${service} again and roll it back: dbps rollback ${service}`,
      });
    await this.pool.session(async (session) => {
      await session.query(DDL_SETTINGS);
      for (const { schema, name } of triggers)
        await session.query(`DROP TRIGGER IF EXISTS ${quoteRelation(relationId(schema, name))}`);
      if (installed !== undefined)
        await session.query('DELETE FROM dbps.fence WHERE service = ? AND database_name = ?', [
          key.service,
          key.database,
        ]);
    });
  }

  async #forget(service: string): Promise<void> {
    const control = new MysqlControl(this.pool);
    const epoch = await control.readEpoch(service);
    if (epoch !== null) await control.remove({ service, epoch });
  }
}
