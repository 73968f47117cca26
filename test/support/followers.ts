/**
 * Applications that follow the owner: each transaction is made where the writes are accepted, and made again on the other side when a fence
 * refuses it. Each client keeps a ledger of what was acknowledged, and the longest time between two acknowledgements.
 */
import pg from 'pg';
import { isFenceError } from '../../src/model/fence-error.js';
import type { TestDatabase } from './postgres.js';

export interface Followers {
  /** code → value of its counter, as last acknowledged; null: deleted. */
  readonly ledger: ReadonlyMap<string, number | null>;
  /** Whatever a client saw that was not a refusal by a fence. */
  readonly errors: readonly string[];
  readonly acknowledged: number;
  readonly refusals: number;
  longestGapMs(): number;
  stop(): Promise<void>;
}

/** @param pauseMs of a client between two turns: a long test would otherwise fill the tables. */
export function startFollowers(
  legacy: TestDatabase,
  service: TestDatabase,
  clients = 4,
  pauseMs = 2,
): Followers {
  const urls = [legacy.applicationUrl, service.applicationUrl];
  const ledger = new Map<string, number | null>();
  const errors: string[] = [];
  let isStopped = false;
  let acknowledged = 0;
  let refusals = 0;
  let longest = 0;

  const work = async (number: number): Promise<void> => {
    const connections = await Promise.all(
      urls.map(async (connectionString) => {
        const client = new pg.Client({ connectionString });
        client.on('error', () => undefined);
        await client.connect();
        return client;
      }),
    );
    let side = 0;
    let last = performance.now();
    const transact = async (statements: (client: pg.Client) => Promise<void>): Promise<boolean> => {
      while (!isStopped) {
        const client = connections[side] as pg.Client;
        try {
          await client.query('BEGIN');
          await statements(client);
          await client.query('COMMIT');
          acknowledged++;
          const now = performance.now();
          longest = Math.max(longest, now - last);
          last = now;
          return true;
        } catch (error) {
          await client.query('ROLLBACK').catch(() => undefined);
          if (!isFenceError(error)) {
            errors.push((error as Error).message);
            return false;
          }
          refusals++;
          side = 1 - side;
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }
      return false;
    };

    for (let turn = 0; !isStopped; turn++) {
      const code = `f${number}-${turn}`;
      const isMade = await transact(async (client) => {
        const { rows } = await client.query<{ id: string }>(
          'INSERT INTO public.orders (user_id, code, total, note) VALUES ($1, $2, 0, $3) RETURNING id',
          [1 + (turn % 50), code, turn % 9 === 0 ? 'n'.repeat(9000) : null],
        );
        await client.query('INSERT INTO public.order_items VALUES ($1, 1, $2, 1)', [rows[0]?.id, code]);
        await client.query(
          "INSERT INTO public.order_events (at, order_id, what) VALUES (now(), $1, 'made')",
          [rows[0]?.id],
        );
      });
      if (!isMade) continue;
      ledger.set(code, 0);
      const older = `f${number}-${turn - 3}`;
      const value = ledger.get(older);
      if (typeof value !== 'number') continue;
      if (turn % 5 === 0) {
        if (
          await transact(
            async (client) => void (await client.query('DELETE FROM public.orders WHERE code = $1', [older])),
          )
        )
          ledger.set(older, null);
      } else {
        let updated = 0;
        const isUpdated = await transact(async (client) => {
          const { rowCount } = await client.query(
            'UPDATE public.orders SET total = total + 1 WHERE code = $1',
            [older],
          );
          updated = rowCount ?? 0;
        });
        if (isUpdated && updated !== 1) errors.push(`${older} was updated ${updated} times`);
        if (isUpdated) ledger.set(older, value + 1);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    await Promise.all(connections.map((client) => client.end()));
  };
  const running = Array.from({ length: clients }, (_, number) => work(number));
  return {
    ledger,
    errors,
    get acknowledged() {
      return acknowledged;
    },
    get refusals() {
      return refusals;
    },
    longestGapMs: () => {
      const found = longest;
      longest = 0;
      return found;
    },
    stop: async () => {
      isStopped = true;
      await Promise.all(running);
    },
  };
}

/** Acknowledged writes that the database does not have, and rows that it has twice or that were acknowledged as deleted. */
export async function compareLedger(
  database: TestDatabase,
  ledger: ReadonlyMap<string, number | null>,
): Promise<{ lost: string[]; duplicated: string[]; wrong: string[] }> {
  const rows = await database.query<{ code: string; total: string; n: string; items: string }>(
    `SELECT o.code, max(o.total)::int::text AS total, count(DISTINCT o.id)::text AS n, count(i.*)::text AS items
       FROM public.orders o LEFT JOIN public.order_items i ON i.order_id = o.id WHERE o.code LIKE 'f%' GROUP BY o.code`,
  );
  const found = new Map(rows.map((row) => [row.code, row]));
  const lost: string[] = [];
  const wrong: string[] = [];
  for (const [code, value] of ledger) {
    const row = found.get(code);
    if (value === null) {
      if (row !== undefined) wrong.push(`${code} was deleted`);
    } else if (row === undefined) lost.push(code);
    else if (Number(row.total) !== value || row.items !== '1')
      wrong.push(`${code}: ${row.total} for ${value}, ${row.items} items`);
  }
  return { lost, duplicated: rows.filter((row) => row.n !== '1').map((row) => row.code), wrong };
}
