/**
 * dbps's own tables, beside the data in both databases. `checkpoint` and `chunk` are in every publication: a transaction that
 * begins with a change of either was written by dbps and is dropped by the opposite direction. `barrier` is too, so that a marker
 * row travels like any other. The rest stays where it is.
 */
import type pg from 'pg';
import type {
  Checkpoint,
  Control,
  CopyProgress,
  Direction,
  Key,
  Ownership,
  RelationMap,
  StreamIdentity,
} from '../engine.js';
import { endHoldersAfter } from './postgres-take-over.js';
import { lockEpoch, type SessionPool } from './postgres-connection.js';
import { readChangedKeys } from './postgres-key-set.js';

const TABLES = `
CREATE SCHEMA IF NOT EXISTS dbps;
CREATE TABLE IF NOT EXISTS dbps.epoch (
  service text PRIMARY KEY,
  epoch bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS dbps.checkpoint (
  service text NOT NULL,
  direction text NOT NULL CHECK (direction IN ('forward', 'reverse')),
  epoch bigint NOT NULL,
  applied text NOT NULL,
  received text NOT NULL,
  source jsonb NOT NULL,
  -- Raised by every transaction, so that each begins with a change of this row even when no position moves.
  mark bigint NOT NULL DEFAULT 0,
  -- Where the source stood when healed rows were last read from it: replay must pass it to converge.
  heal_position text,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (service, direction)
);
CREATE TABLE IF NOT EXISTS dbps.barrier (
  service text NOT NULL,
  nonce text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (service, nonce)
);
-- Planned ranges and what became of them; the row changes in the transaction that writes the chunk.
CREATE TABLE IF NOT EXISTS dbps.chunk (
  service text NOT NULL,
  relation text NOT NULL,
  index integer NOT NULL,
  key_from jsonb,
  key_to jsonb,
  estimated_rows bigint NOT NULL,
  is_done boolean NOT NULL DEFAULT false,
  rows bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  position text,
  PRIMARY KEY (service, relation, index)
);
CREATE TABLE IF NOT EXISTS dbps.heal_key (
  service text NOT NULL,
  relation text NOT NULL,
  key jsonb NOT NULL,
  PRIMARY KEY (service, relation, key)
);
-- Keys of changed rows since they were last verified, as they were applied: one row a batch and relation, a JSON array of keys (each an
-- array of canonical texts). An empty key stands for every row: a TRUNCATE. A key changed again is in a later generation.
CREATE TABLE IF NOT EXISTS dbps.changed_key (
  service text NOT NULL,
  direction text NOT NULL,
  relation text NOT NULL,
  generation bigint GENERATED ALWAYS AS IDENTITY,
  size integer NOT NULL,
  keys text NOT NULL,
  PRIMARY KEY (service, direction, relation, generation)
);
-- Changes received while the copy runs: durable, so that the log need not be kept. Without an end position: pieces of a transaction whose
-- last has not come; a restart receives it whole again.
CREATE TABLE IF NOT EXISTS dbps.spool (
  service text NOT NULL,
  direction text NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  end_position text,
  payload bytea NOT NULL,
  PRIMARY KEY (service, direction, seq)
);
-- The route and who owns the writes. In legacy it is the truth and its change is the commit point; the service database holds a copy.
CREATE TABLE IF NOT EXISTS dbps.route (
  service text PRIMARY KEY,
  owner text NOT NULL CHECK (owner IN ('legacy', 'service')),
  read_share integer NOT NULL DEFAULT 0 CHECK (read_share BETWEEN 0 AND 100),
  read_relations jsonb NOT NULL DEFAULT '[]',
  epoch bigint NOT NULL,
  revision bigint NOT NULL DEFAULT 1,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Applications read it, under roles of their own, and are told when it changes: dbps/router.
GRANT USAGE ON SCHEMA dbps TO PUBLIC;
GRANT SELECT ON dbps.route TO PUBLIC;
CREATE OR REPLACE FUNCTION dbps.notify_route() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_catalog.pg_notify('dbps_route', ''); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER notify_route AFTER INSERT OR UPDATE OR DELETE ON dbps.route
  FOR EACH STATEMENT EXECUTE FUNCTION dbps.notify_route();
-- What a closing fence took away, to be put back when it opens: foreign keys, trigger states, sequence bounds.
CREATE TABLE IF NOT EXISTS dbps.fence_memory (
  service text NOT NULL,
  kind text NOT NULL,
  subject text NOT NULL,
  restore text NOT NULL,
  PRIMARY KEY (service, kind, subject)
);
-- Applications follow the route; nothing else in here is theirs to read.
GRANT USAGE ON SCHEMA dbps TO PUBLIC;
GRANT SELECT ON dbps.route TO PUBLIC;
`;

const CONTROL_TABLES = [
  'checkpoint',
  'barrier',
  'chunk',
  'heal_key',
  'changed_key',
  'spool',
  'route',
  'fence_memory',
  'epoch',
] as const;

/** The latest of the chunks' positions. The source may be another engine: the text of its positions is ordered like its log. */
export const LATEST_POSITION = `
  CASE WHEN bool_and(position ~ '^[0-9A-F]+/[0-9A-F]+$')
       THEN max(CASE WHEN position ~ '^[0-9A-F]+/[0-9A-F]+$' THEN position::pg_lsn END)::text
       ELSE max(position COLLATE "C") END`;

/** Tables whose change at the head of a transaction marks it as dbps's own. */
export const MARK_TABLES = ['checkpoint', 'chunk'] as const;
/** Tables of dbps that are in every publication. */
export const PUBLISHED_TABLES = [...MARK_TABLES, 'barrier'] as const;

interface CheckpointRow {
  service: string;
  direction: Direction;
  epoch: string;
  applied: string;
  received: string;
  source: string;
  updated_at: string;
}

export class PostgresControl implements Control {
  constructor(
    readonly pool: SessionPool,
    /** How long a take-over leaves a former owner's open transactions alone. */
    readonly graceMs = 15_000,
  ) {}

  async install(service: string): Promise<void> {
    await this.pool.transaction(async (client) => {
      // Two first commands at once: IF NOT EXISTS alone still races inside the catalogue.
      await client.query("SELECT pg_advisory_xact_lock(hashtextextended('dbps.install', 0))");
      await client.query(TABLES);
      await client.query('INSERT INTO dbps.epoch VALUES ($1, 0) ON CONFLICT DO NOTHING', [service]);
    });
  }

  async isInstalled(): Promise<boolean> {
    const rows = await this.pool.query<{ found: string }>(
      "SELECT to_regclass('dbps.epoch') IS NOT NULL AS found",
    );
    return rows[0]?.found === 't';
  }

  async remove(owner: Ownership): Promise<void> {
    await this.pool.ownedTransaction(owner, async (client) => {
      await client.query("SELECT pg_advisory_xact_lock(hashtextextended('dbps.install', 0))");
      for (const table of CONTROL_TABLES) {
        await client.query(`DELETE FROM dbps.${table} WHERE service = $1`, [owner.service]);
      }
      const { rows } = await client.query<{ n: string }>('SELECT count(*) AS n FROM dbps.epoch');
      if (rows[0]?.n !== '0') return;
      await client.query(`DROP TABLE ${CONTROL_TABLES.map((table) => `dbps.${table}`).join(', ')}`);
      await client.query('DROP FUNCTION IF EXISTS dbps.notify_route()');
      // In legacy the state store lives in the same schema and stays.
      const others = await client.query(
        `SELECT 1 FROM pg_class WHERE relnamespace = 'dbps'::regnamespace
         UNION ALL SELECT 1 FROM pg_proc WHERE pronamespace = 'dbps'::regnamespace LIMIT 1`,
      );
      if (others.rowCount === 0) await client.query('DROP SCHEMA dbps');
    });
  }

  async readEpoch(service: string): Promise<number | null> {
    if (!(await this.isInstalled())) return null;
    const rows = await this.pool.query<{ epoch: string }>('SELECT epoch FROM dbps.epoch WHERE service = $1', [
      service,
    ]);
    return rows[0] === undefined ? null : Number(rows[0].epoch);
  }

  async raiseEpoch(owner: Ownership): Promise<void> {
    await this.pool.use(async (client) => {
      const { rows } = await client.query<{ pid: string }>('SELECT pg_backend_pid() AS pid');
      const stopEnding = endHoldersAfter(this.pool, Number(rows[0]?.pid), this.graceMs);
      try {
        await client.query(
          `INSERT INTO dbps.epoch VALUES ($1, $2)
           ON CONFLICT (service) DO UPDATE SET epoch = excluded.epoch WHERE epoch.epoch < excluded.epoch`,
          [owner.service, owner.epoch],
        );
      } finally {
        stopEnding();
      }
    });
    // Raised by us, or higher already: the second is somebody else's lease.
    await this.pool.transaction((client) => lockEpoch(client, owner));
  }

  async forgetStream({ service, epoch }: Ownership, direction: Direction): Promise<void> {
    await this.pool.ownedTransaction({ service, epoch }, async (client) => {
      for (const table of ['checkpoint', 'spool', 'changed_key']) {
        await client.query(`DELETE FROM dbps.${table} WHERE service = $1 AND direction = $2`, [
          service,
          direction,
        ]);
      }
      // Only the forward direction copies.
      for (const table of direction === 'forward' ? ['chunk', 'heal_key'] : []) {
        await client.query(`DELETE FROM dbps.${table} WHERE service = $1`, [service]);
      }
    });
  }

  async writeBarrier(owner: Ownership, nonce: string): Promise<void> {
    await this.pool.ownedTransaction(owner, async (client) => {
      // Sent on only when it is on disk: with synchronous_commit off that takes wal_writer_delay, inside the pause of a cutover.
      await client.query(
        "INSERT INTO dbps.barrier (service, nonce) SELECT $1, $2 FROM set_config('synchronous_commit', 'local', true)",
        [owner.service, nonce],
      );
    });
  }

  async readCheckpoint(service: string, direction: Direction): Promise<Checkpoint | null> {
    if (!(await this.isInstalled())) return null;
    return this.pool.use((client) => readCheckpoint(client, service, direction));
  }

  async readCopyProgress(service: string): Promise<readonly CopyProgress[]> {
    if (!(await this.isInstalled())) return [];
    const rows = await this.pool.query<
      Record<'relation' | 'chunks' | 'done' | 'rows' | 'bytes', string> & { position: string | null }
    >(
      `SELECT relation, count(*) AS chunks, count(*) FILTER (WHERE is_done) AS done,
              coalesce(sum(rows) FILTER (WHERE is_done), 0) AS rows, coalesce(sum(bytes) FILTER (WHERE is_done), 0) AS bytes,
              ${LATEST_POSITION} AS position
         FROM dbps.chunk WHERE service = $1 GROUP BY relation ORDER BY relation`,
      [service],
    );
    return rows.map((row) => ({
      relation: row.relation,
      chunks: Number(row.chunks),
      done: Number(row.done),
      rows: Number(row.rows),
      bytes: Number(row.bytes),
      position: row.position,
    }));
  }

  async readChangedKeys(stream: StreamIdentity, map: RelationMap, limit: number): Promise<readonly Key[]> {
    if (!(await this.isInstalled())) return [];
    return readChangedKeys(this.pool, stream, map, limit).then(({ keys }) => keys);
  }

  async readKeySets(service: string, direction: Direction): Promise<{ heal: number; changed: number }> {
    if (!(await this.isInstalled())) return { heal: 0, changed: 0 };
    const [row] = await this.pool.query<{ heal: string; changed: string }>(
      `SELECT (SELECT count(*) FROM dbps.heal_key WHERE service = $1) AS heal,
              (SELECT coalesce(sum(size), 0) FROM dbps.changed_key WHERE service = $1 AND direction = $2) AS changed`,
      [service, direction],
    );
    return { heal: Number(row?.heal ?? 0), changed: Number(row?.changed ?? 0) };
  }
}

export async function readCheckpoint(
  client: Pick<pg.ClientBase, 'query'>,
  service: string,
  direction: Direction,
): Promise<Checkpoint | null> {
  const { rows } = await client.query<CheckpointRow>(
    `SELECT service, direction, epoch, applied, received, source, to_json(updated_at) #>> '{}' AS updated_at
       FROM dbps.checkpoint WHERE service = $1 AND direction = $2`,
    [service, direction],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    service: row.service,
    direction: row.direction,
    epoch: Number(row.epoch),
    applied: row.applied,
    received: row.received,
    source: JSON.parse(row.source) as Record<string, string>,
    updatedAt: row.updated_at,
  };
}
