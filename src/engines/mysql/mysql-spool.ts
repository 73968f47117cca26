/** Changes kept for later, as rows of `dbps.spool`. */
import type mysql from 'mysql2/promise';
import type { ChangeTransaction, Position, RelationMap, SpoolSegment, StreamIdentity } from '../engine.js';
import { decodeSegment, encodeSegment } from '../spool-codec.js';
import { queryable, type MysqlPool } from './mysql-connection.js';

/** Beside the payload a statement holds little else. */
const OVERHEAD = 1 << 16;

export class MysqlSpool {
  #last = 0n;
  #most: number | null = null;

  constructor(
    readonly pool: MysqlPool,
    readonly stream: StreamIdentity,
  ) {}

  /** In pieces that the server takes: what is too much is halved, down to single changes. */
  async pack(
    session: mysql.Connection,
    transactions: readonly ChangeTransaction[],
  ): Promise<readonly Buffer[]> {
    const payload = await encodeSegment(transactions);
    if (payload.length <= (await this.#mostBytes(session))) return [payload];
    const halves = halve(transactions);
    if (halves === null) return [payload];
    return [...(await this.pack(session, halves[0])), ...(await this.pack(session, halves[1]))];
  }

  /** @param end null: the last transaction goes on. Everything spooled so far without an end then ends here with the next one that has. */
  async add(session: mysql.Connection, payloads: readonly Buffer[], end: Position | null): Promise<void> {
    const of = [this.stream.service, this.stream.direction];
    for (const payload of payloads) {
      const [row] = await queryable(session).query({
        sql: 'SELECT COALESCE(MAX(seq), 0) AS seq FROM dbps.spool WHERE service = ? AND direction = ?',
        values: of,
      });
      // Never again a number that was given out: whoever reads goes on after the last one it has seen.
      const found = BigInt(row?.['seq'] ?? '0');
      this.#last = (found > this.#last ? found : this.#last) + 1n;
      // As a parameter: a literal would be twice as long.
      await session.execute(
        'INSERT INTO dbps.spool (service, direction, seq, end_position, payload) VALUES (?, ?, ?, ?, ?)',
        [...of, String(this.#last), end, payload],
      );
    }
    if (end !== null)
      await session.query(
        'UPDATE dbps.spool SET end_position = ? WHERE service = ? AND direction = ? AND end_position IS NULL',
        [end, ...of],
      );
  }

  async read(after: string, maps: readonly RelationMap[]): Promise<SpoolSegment | null> {
    const row = await this.pool.use(async (session) => {
      const [rows] = await session.query<mysql.RowDataPacket[]>(
        `SELECT CAST(seq AS CHAR) AS seq, payload FROM dbps.spool
          WHERE service = ? AND direction = ? AND seq > ${BigInt(after)} AND end_position IS NOT NULL ORDER BY dbps.spool.seq LIMIT 1`,
        [this.stream.service, this.stream.direction],
      );
      return rows[0] as { seq: string; payload: Buffer } | undefined;
    });
    return row === undefined ? null : { id: row.seq, transactions: await decodeSegment(row.payload, maps) };
  }

  async #mostBytes(session: mysql.Connection): Promise<number> {
    if (this.#most === null) {
      const [row] = await queryable(session).query({ sql: 'SELECT @@max_allowed_packet AS most' });
      this.#most = Number(row?.['most'] ?? 0) - OVERHEAD;
    }
    return this.#most;
  }
}

type Halves = readonly [readonly ChangeTransaction[], readonly ChangeTransaction[]];

function halve(transactions: readonly ChangeTransaction[]): Halves | null {
  if (transactions.length > 1) {
    const middle = Math.ceil(transactions.length / 2);
    return [transactions.slice(0, middle), transactions.slice(middle)];
  }
  const [only] = transactions;
  if (only === undefined || only.changes.length < 2) return null;
  const middle = Math.ceil(only.changes.length / 2);
  return [
    [{ ...only, changes: only.changes.slice(0, middle), barriers: [], last: false }],
    [{ ...only, changes: only.changes.slice(middle) }],
  ];
}
