/** What dbps has made in a database, found by its names, and how to take away what belongs to nothing any more. */
import { RefusedError } from '../../model/errors.js';
import type { Trace, TraceReader, TraceRemover } from '../engine.js';
import type { SessionPool } from './postgres-connection.js';
import { PostgresControl } from './postgres-control.js';
import { quoteIdentifier } from './postgres-sql.js';

/** Publications and slots: `dbps_<service>_<hash>_<fwd|rev>` (postgres-capture-name.ts). */
const CAPTURE = /^dbps_(.+)_[0-9a-f]{8}_(?:fwd|rev)$/;

export class PostgresTraceReader implements TraceReader {
  constructor(protected readonly pool: SessionPool) {}

  async list(services: readonly string[]): Promise<readonly Trace[]> {
    const known = new Map(
      services.map((service) => [service.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_'), service]),
    );
    const serviceOf = (name: string): string | null => {
      const found = CAPTURE.exec(name)?.[1];
      return found === undefined ? null : (known.get(found) ?? found);
    };
    const slots = await this.pool.query<{ name: string; active: string; retained: string | null }>(`
      SELECT slot_name AS name, active,
             CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END AS retained
        FROM pg_replication_slots WHERE database = current_database() AND slot_name LIKE 'dbps\\_%' ORDER BY slot_name`);
    const publications = await this.pool.query<{ name: string }>(
      `SELECT pubname AS name FROM pg_publication WHERE pubname LIKE 'dbps\\_%' ORDER BY pubname`,
    );
    const fences = await this.pool.query<{ name: string }>(`
      SELECT p.proname AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE n.nspname = 'dbps' AND p.proname LIKE 'fence\\_%' AND p.prorettype = 'trigger'::regtype ORDER BY p.proname`);
    const idle = { isActive: false, retainedBytes: null };
    return [
      ...slots.map((slot): Trace => ({
        kind: 'slot',
        name: slot.name,
        service: serviceOf(slot.name),
        isActive: slot.active === 't',
        retainedBytes: slot.retained === null ? null : Number(slot.retained),
      })),
      ...publications.map(({ name }): Trace => ({
        kind: 'publication',
        name,
        service: serviceOf(name),
        ...idle,
      })),
      ...fences.map(({ name }): Trace => ({
        kind: 'fence',
        name,
        service: name.slice('fence_'.length),
        ...idle,
      })),
      ...(await this.#controlled()).map((service): Trace => ({
        kind: 'control',
        name: `rows of ${service} in schema dbps`,
        service,
        ...idle,
      })),
    ];
  }

  async #controlled(): Promise<readonly string[]> {
    const [there] = await this.pool.query<{ found: string }>(
      "SELECT to_regclass('dbps.epoch') IS NOT NULL AS found",
    );
    if (there?.found !== 't') return [];
    const rows = await this.pool.query<{ service: string }>(
      'SELECT service FROM dbps.epoch ORDER BY service',
    );
    return rows.map(({ service }) => service);
  }
}

const ORDER = ['slot', 'publication', 'fence', 'control'] as const;

export class PostgresTraceRemover extends PostgresTraceReader implements TraceRemover {
  async remove(traces: readonly Trace[]): Promise<void> {
    for (const kind of ORDER)
      for (const trace of traces.filter((candidate) => candidate.kind === kind)) await this.#remove(trace);
  }

  async #remove(trace: Trace): Promise<void> {
    switch (trace.kind) {
      case 'slot':
        if (trace.isActive)
          throw new RefusedError({
            code: 'DBPS_E390',
            message: `slot ${trace.name} is in use`,
            hint: 'stop whoever reads it first',
          });
        await this.pool.query(
          'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()',
          [trace.name],
        );
        return;
      case 'publication':
        await this.pool.query(`DROP PUBLICATION IF EXISTS ${quoteIdentifier(trace.name)}`);
        return;
      case 'fence':
        await this.#removeFence(trace);
        return;
      case 'control':
        if (trace.service !== null) await this.#forget(trace.service);
    }
  }

  /** A fence that keeps keys or triggers of the user's own in mind has to be opened, not dropped. */
  async #removeFence(trace: Trace): Promise<void> {
    const kept = await this.pool.query('SELECT FROM dbps.fence_memory WHERE service = $1 LIMIT 1', [
      trace.service,
    ]);
    if (kept.length > 0)
      throw new RefusedError({
        code: 'DBPS_E390',
        message: `the fence of ${trace.service ?? 'a service'} still keeps foreign keys, triggers or sequences of yours`,
        hint: `plan ${trace.service ?? 'the service'} again and roll it back: dbps rollback ${trace.service ?? '<service>'}`,
      });
    await this.pool.transaction(async (client) => {
      // Its triggers go with it; readers queue behind a drop that waits.
      await client.query("SET LOCAL lock_timeout = '2s'");
      await client.query(`DROP FUNCTION IF EXISTS dbps.${quoteIdentifier(trace.name)}() CASCADE`);
    });
  }

  async #forget(service: string): Promise<void> {
    const control = new PostgresControl(this.pool);
    const epoch = await control.readEpoch(service);
    if (epoch !== null) await control.remove({ service, epoch });
  }
}
