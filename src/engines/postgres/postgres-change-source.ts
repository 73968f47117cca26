/**
 * Capture on PostgreSQL: one publication and one slot per service and direction, the publication first (a slot decodes with the
 * catalogue of its time: a publication made later does not exist for it, H9). The publication's comment carries a nonce, so that a
 * capture made again under the same name is told from the one a checkpoint belongs to.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { RefusedError } from '../../model/errors.js';
import type {
  CaptureObserver,
  CaptureStatus,
  ChangeSource,
  ChangeStream,
  Direction,
  Ownership,
  Position,
  PreparedCapture,
  RelationMap,
  StreamIdentity,
  StreamOptions,
} from '../engine.js';
import { assertSameSource, changedShape } from '../stream-refusals.js';
import type { TransactionWatch, WatchOptions } from '../usage.js';
import { captureName } from './postgres-capture-name.js';
import { PostgresChangeStream } from './postgres-change-stream.js';
import { openSession, type SessionPool } from './postgres-connection.js';
import { PUBLISHED_TABLES } from './postgres-control.js';
import { described } from './postgres-errors.js';
import { hasSameMembers, LogRelations, readTree, type TreeRow } from './postgres-log-relations.js';
import { parseLsn } from './postgres-lsn.js';
import { describeAlteration, readMembers, type Members } from './postgres-publication.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';
import { watchTransactions } from './postgres-transaction-watch.js';

/** What the publication's comment says: whose it is, and whether its slot has been made. */
interface CaptureMark {
  readonly dbps: 1;
  readonly nonce: string;
  readonly slot: 'none' | 'made' | 'leaving';
  /** What it published when it was made; absent in a capture that an older dbps began. */
  readonly members?: Members;
}

interface SlotRow {
  active: string;
  active_pid: string | null;
  confirmed: string | null;
  wal_status: string | null;
  retained: string | null;
  plugin: string | null;
  database: string | null;
}

/** The looking half: works on a session that the server holds read-only. */
export class PostgresCaptureObserver implements CaptureObserver {
  readonly followsApplied = true;

  constructor(
    readonly pool: SessionPool,
    readonly target: ConnectionTarget,
  ) {}

  async status(stream: StreamIdentity): Promise<CaptureStatus | null> {
    const name = captureName(stream, this.target.database);
    const [mark, slot] = [await this.readMark(name), await this.readSlot(name)];
    if (mark === null && slot === null) return null;
    if (slot === null && mark?.slot !== 'made') return null;
    const [server] = await this.pool.query<{ system: string; timeline: string }>(
      `SELECT (SELECT system_identifier FROM pg_control_system()) AS system,
              (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline`,
    );
    return {
      name: `slot ${name}`,
      isActive: slot?.active === 't',
      confirmed: slot?.confirmed ?? '0/0',
      retainedBytes: slot?.retained == null ? null : Number(slot.retained),
      isLost: slot === null || slot.wal_status === 'lost' || slot.confirmed === null,
      ...(await this.readAlteration(name, mark)),
      identity: {
        system: server?.system ?? '',
        timeline: server?.timeline ?? '',
        database: this.target.database,
        slot: name,
        nonce: mark?.nonce ?? '',
      },
    };
  }

  async currentPosition(): Promise<Position> {
    // Not the written position: it lags behind commits that others already see (H4).
    const [row] = await this.pool.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn');
    return row?.lsn ?? '0/0';
  }

  reached(current: Position, target: Position): boolean {
    return parseLsn(current) >= parseLsn(target);
  }

  distance(from: Position, to: Position): number {
    return Number(parseLsn(to) - parseLsn(from));
  }

  protected async readSlot(name: string): Promise<SlotRow | null> {
    const rows = await this.pool.query<SlotRow>(
      `SELECT active, active_pid, confirmed_flush_lsn AS confirmed, wal_status, plugin, database,
              pg_current_wal_lsn() - restart_lsn AS retained
         FROM pg_replication_slots WHERE slot_name = $1`,
      [name],
    );
    return rows[0] ?? null;
  }

  /** Empty when the publication is as it was made. */
  protected async readAlteration(name: string, mark: CaptureMark | null): Promise<{ altered?: string }> {
    if (mark === null) return { altered: `publication ${name} is gone` };
    if (mark.members === undefined) return {};
    const what = describeAlteration(mark.members, await this.pool.use((client) => readMembers(client, name)));
    return what === null ? {} : { altered: `publication ${name} ${what}` };
  }

  protected async readMark(name: string): Promise<CaptureMark | null> {
    const rows = await this.pool.query<{ comment: string | null }>(
      "SELECT obj_description(oid, 'pg_publication') AS comment FROM pg_publication WHERE pubname = $1",
      [name],
    );
    if (rows[0] === undefined) return null;
    try {
      const mark = JSON.parse(rows[0].comment ?? '') as CaptureMark;
      if (mark.dbps === 1) return mark;
    } catch {
      // Not written by dbps: told below.
    }
    throw new RefusedError({
      code: 'DBPS_E358',
      message: `publication ${name} is there but was not made by dbps`,
      hint: `DROP PUBLICATION ${quoteIdentifier(name)}`,
    });
  }
}

export class PostgresChangeSource extends PostgresCaptureObserver implements ChangeSource {
  readonly #applicationName: string;

  constructor(pool: SessionPool, target: ConnectionTarget, applicationName: string) {
    super(pool, target);
    this.#applicationName = applicationName;
  }

  async prepare(
    stream: StreamIdentity,
    maps: readonly RelationMap[],
    owner: Ownership,
    signal?: AbortSignal,
  ): Promise<PreparedCapture> {
    const name = captureName(stream, this.target.database);
    const tree = await readTree(this.pool, maps);
    assertIdentities(maps, tree, stream.direction);
    if ((await this.readMark(name))?.slot === 'leaving') await this.teardown(stream, owner);

    const [mark, slot] = [await this.readMark(name), await this.readSlot(name)];
    if (mark === null && slot !== null) throw strayed(name, 'it is older than its publication');
    if (mark?.slot === 'made' && slot === null) throw strayed(name, 'it was made once and is gone');
    const published = publishedTables(tree);
    const nonce = mark?.nonce ?? randomBytes(8).toString('hex');
    if (mark === null) await this.#createPublication(name, published, nonce, owner);
    else await this.#assertMembers(name, published);
    const made = await this.readMark(name);
    const { altered } = await this.readAlteration(name, made);
    if (made === null || altered !== undefined) throw strayed(name, altered ?? 'its publication is gone');

    const created = slot === null;
    const start = slot?.confirmed ?? (await this.#createSlot(name, signal));
    if (mark?.slot !== 'made') await this.#comment(name, { ...made, slot: 'made' }, owner);
    return { start, created, identity: { ...(await this.#identify()), slot: name, nonce } };
  }

  stream(options: StreamOptions): Promise<ChangeStream> {
    return described(this.#stream(options));
  }

  async #stream(options: StreamOptions): Promise<ChangeStream> {
    const { stream, checkpoint } = options;
    const name = captureName(stream, this.target.database);
    const slot = await this.readSlot(name);
    if (slot === null) throw strayed(name, 'there is no such slot');
    if (slot.wal_status === 'lost' || slot.confirmed === null)
      throw strayed(name, 'the server has given up its log');

    const mark = await this.readMark(name);
    const identity = { ...(await this.#identify()), slot: name, nonce: mark?.nonce ?? '' };
    assertSameSource(stream, checkpoint, identity);
    // What happened while a relation was not published is nowhere to be read.
    const { altered } = await this.readAlteration(name, mark);
    if (altered !== undefined) throw strayed(name, altered);
    if (slot.active_pid !== null) await this.#evict(name, slot.active_pid);

    const relations = new LogRelations(this.pool, options.maps);
    await relations.refresh();
    const session = await this.#openReplication();
    const opened = new PostgresChangeStream(session, relations, options, this.target);
    try {
      await opened.start(name);
      // Nothing has been acknowledged yet, and nobody else can use the slot: what it says now is what the start was given (H6).
      const confirmed = (await this.readSlot(name))?.confirmed ?? null;
      if (confirmed === null || parseLsn(confirmed) > parseLsn(checkpoint.received))
        throw new RefusedError({
          code: 'DBPS_E352',
          message: `${stream.service} (${stream.direction}) would skip changes: its checkpoint is ${checkpoint.received}, slot ${name} has been confirmed up to ${confirmed ?? 'nothing'}`,
          hint: `copy ${stream.service} again, or verify it in full`,
        });
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  async teardown(stream: StreamIdentity, owner: Ownership): Promise<void> {
    const name = captureName(stream, this.target.database);
    const mark = await this.readMark(name);
    // Said first, so that a teardown that stops here is finished, not taken for a lost slot.
    if (mark !== null) await this.#comment(name, { ...mark, slot: 'leaving' }, owner);
    for (let slot = await this.readSlot(name); slot !== null; slot = await this.readSlot(name)) {
      if (slot.active_pid !== null) await this.#evict(name, slot.active_pid);
      await this.pool.query('SELECT pg_drop_replication_slot($1)', [name]).catch((error: unknown) => {
        // Taken between the two statements by a session that is on its way out, or dropped by somebody else.
        if (!(error instanceof pg.DatabaseError && (error.code === '55006' || error.code === '42704')))
          throw error;
      });
    }
    if (mark !== null) {
      await this.pool.ownedTransaction(owner, async (client) => {
        await client.query(`DROP PUBLICATION IF EXISTS ${quoteIdentifier(name)}`);
      });
    }
  }

  watch(options: WatchOptions): Promise<TransactionWatch> {
    return described(watchTransactions(this.target, this.#applicationName, options));
  }

  async #createPublication(
    name: string,
    tables: readonly string[],
    nonce: string,
    owner: Ownership,
  ): Promise<void> {
    await this.pool.ownedTransaction(owner, async (client) => {
      await client.query(
        `CREATE PUBLICATION ${quoteIdentifier(name)} FOR TABLE ${tables.map((table) => `ONLY ${quoteRelation(table)}`).join(', ')}
           WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = false)`,
      );
      const members = await readMembers(client, name);
      await client.query(commentSql(name, { dbps: 1, nonce, slot: 'none', members }));
    });
  }

  async #comment(name: string, mark: CaptureMark, owner: Ownership): Promise<void> {
    await this.pool.ownedTransaction(owner, async (client) => {
      await client.query(commentSql(name, mark));
    });
  }

  async #assertMembers(name: string, tables: readonly string[]): Promise<void> {
    const rows = await this.pool.query<{ id: string }>(
      `SELECT json_build_array(n.nspname, c.relname) AS id FROM pg_publication p
         JOIN pg_publication_rel r ON r.prpubid = p.oid JOIN pg_class c ON c.oid = r.prrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = $1`,
      [name],
    );
    const members = rows.map((row) => quoteRelationParts(JSON.parse(row.id) as [string, string]));
    if (
      !hasSameMembers(
        members,
        tables.map((table) => quoteRelation(table)),
      )
    )
      throw strayed(name, 'its publication does not hold the relations of the plan');
  }

  /** Waits for every transaction open in the cluster; an abort takes the half-made slot away again. */
  async #createSlot(name: string, signal?: AbortSignal): Promise<Position> {
    const session = await openSession(this.target, { applicationName: this.#applicationName });
    try {
      const { rows: me } = await session.query<{ pid: string }>('SELECT pg_backend_pid() AS pid');
      const cancel = () =>
        void this.pool.query('SELECT pg_cancel_backend($1)', [me[0]?.pid]).catch(() => undefined);
      signal?.throwIfAborted();
      signal?.addEventListener('abort', cancel);
      try {
        const { rows } = await session.query<{ lsn: string }>(
          "SELECT lsn FROM pg_create_logical_replication_slot($1, 'pgoutput')",
          [name],
        );
        return rows[0]?.lsn ?? '0/0';
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        signal?.removeEventListener('abort', cancel);
      }
    } finally {
      await session.end();
    }
  }

  /** Whoever holds the slot holds it without the lease: the caller's epoch is already in the checkpoint. */
  async #evict(name: string, pid: string): Promise<void> {
    await this.pool.query('SELECT pg_terminate_backend($1)', [pid]);
    for (let tries = 0; tries < 100; tries++) {
      if ((await this.readSlot(name))?.active_pid !== pid) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #identify(): Promise<{ system: string; timeline: string; database: string }> {
    const session = await this.#openReplication();
    try {
      const { rows } = await session.query<{ systemid: string; timeline: string }>('IDENTIFY_SYSTEM');
      return {
        system: rows[0]?.systemid ?? '',
        timeline: rows[0]?.timeline ?? '',
        database: this.target.database,
      };
    } finally {
      await session.end();
    }
  }

  #openReplication(): Promise<pg.Client> {
    return openSession(this.target, {
      applicationName: this.#applicationName,
      replication: true,
      settings: { wal_sender_timeout: '60s' },
    });
  }
}

const commentSql = (name: string, mark: CaptureMark): string =>
  `COMMENT ON PUBLICATION ${quoteIdentifier(name)} IS ${quoteLiteral(JSON.stringify(mark))}`;

const quoteRelationParts = ([schema, name]: readonly [string, string]): string =>
  `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;

/**
 * Roots of partition trees (later leaves are then published from their first row) and everything else by its own name, with dbps's
 * own marker tables.
 */
function publishedTables(tree: readonly TreeRow[]): readonly string[] {
  const named = tree.filter((row) => row.id === row.map.source || row.map.leaves.includes(row.id));
  const roots = new Set(named.filter((row) => row.kind === 'p').map((row) => row.map.source));
  return [
    ...named.filter((row) => row.id === row.map.source || !roots.has(row.map.source)).map((row) => row.id),
    ...PUBLISHED_TABLES.map((table) => `dbps.${table}`),
  ];
}

/** Publishing a relation that the log cannot identify rows of would break its UPDATEs and DELETEs in production at once. */
function assertIdentities(
  maps: readonly RelationMap[],
  tree: readonly TreeRow[],
  direction: Direction,
): void {
  for (const map of maps) {
    if (!tree.some((row) => row.id === map.source)) throw changedShape(map.source, 'it is not there');
  }
  for (const row of tree) {
    if (row.kind === 'p' || row.identity === 'f') continue;
    // Behind its closed fence the service database holds bare tables until the copy builds their keys; only dbps writes there.
    if (direction === 'reverse' && row.identityColumns.length === 0) continue;
    if (!hasSameMembers(row.identityColumns, row.map.key))
      throw new RefusedError({
        code: 'DBPS_E355',
        message: `${row.id} cannot be captured: its replica identity is (${row.identityColumns.join(', ')}), its rows are identified by (${row.map.key.join(', ')})`,
        hint: `ALTER TABLE ${quoteRelation(row.id)} REPLICA IDENTITY FULL`,
      });
  }
}

function strayed(name: string, why: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E351',
    message: `replication slot ${name} cannot be used: ${why}`,
    hint: 'go one phase back and forward again: capture begins anew, and the relations are copied again',
  });
}
