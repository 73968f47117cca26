/** Applications at work on the small shop: several clients, each with a ledger of what the database acknowledged. */
import pg from 'pg';

export interface ShopTraffic {
  readonly acknowledged: number;
  /** Codes that must be there, and codes that must not. */
  readonly present: ReadonlySet<string>;
  readonly absent: ReadonlySet<string>;
  /** Errors that clients saw. */
  readonly errors: readonly Error[];
  stop(): Promise<void>;
}

/** Inserts, updates (of keys, of large values, of nothing much), deletes, transactions over two tables. */
export function startTraffic(url: string, clients = 3, tag = 't'): ShopTraffic {
  let isStopped = false;
  let acknowledged = 0;
  const present = new Set<string>();
  const absent = new Set<string>();
  const errors: Error[] = [];

  const work = async (number: number): Promise<void> => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    const mine: string[] = [];
    for (let turn = 0; !isStopped; turn++) {
      const code = `${tag}${number}-${turn}`;
      try {
        await client.query('BEGIN');
        const { rows } = await client.query<{ id: string }>(
          'INSERT INTO public.orders (user_id, code, note) VALUES ($1, $2, $3) RETURNING id',
          [1 + (turn % 50), code, turn % 7 === 0 ? 'x'.repeat(9000 + turn) : null],
        );
        const id = rows[0]?.id;
        await client.query('INSERT INTO public.order_items VALUES ($1, 1, $2, 1)', [id, code]);
        await client.query(
          "INSERT INTO public.order_events (at, order_id, what) VALUES (now(), $1, 'made')",
          [id],
        );
        await client.query('COMMIT');
        acknowledged++;
        present.add(code);
        mine.push(code);
        // Somebody else's rows too, with large values left unchanged.
        await client.query("UPDATE public.orders SET status = 'paid', total = total + 1 WHERE id = $1", [
          1 + ((turn * 7 + number) % 2000),
        ]);
        const oldest = mine.length > 5 ? mine.shift() : undefined;
        if (oldest !== undefined && turn % 2 === 0) {
          await client.query('DELETE FROM public.orders WHERE code = $1', [oldest]);
          acknowledged++;
          present.delete(oldest);
          absent.add(oldest);
        }
      } catch (error) {
        errors.push(error as Error);
        await client.query('ROLLBACK').catch(() => undefined);
        // Whether this one was committed is not known: it is in neither ledger.
        present.delete(code);
        if (client.listenerCount('end') === 0 && errors.length > 1000) break;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await client.end().catch(() => undefined);
  };
  const running = Array.from({ length: clients }, (_, number) => work(number));
  return {
    get acknowledged() {
      return acknowledged;
    },
    present,
    absent,
    errors,
    stop: async () => {
      isStopped = true;
      await Promise.all(running);
    },
  };
}
