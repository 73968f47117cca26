/** Comparing one relation of both sides, a session a side: dbps's hashes in key ranges against md5 of the rows' text. */
import { postgresEngine } from '../src/engines/postgres/postgres-engine.js';
import type { RelationMap } from '../src/engines/engine.js';
import { verifyService } from '../src/verification/verify.js';
import { measure } from './measure.js';
import { emptyDatabase, parallel, query, startServers, targetOf } from './servers.js';
import { CREATE, fill } from './shop.js';

const COLUMNS = [
  'id',
  'order_id',
  'product_id',
  'qty',
  'unit_price',
  'options',
  'note',
  'created_at',
] as const;
const TYPES = [
  'bigint',
  'bigint',
  'bigint',
  'integer',
  'numeric(12,2)',
  'jsonb',
  'text',
  'timestamp with time zone',
];
/** data-diff's expression. */
const MD5 = `SELECT count(*), sum(('x' || substring(md5(concat(${COLUMNS.map((c) => `${c}::text`).join(", '|', ")})), 18))::bit(60)::bigint)::text AS hash FROM order_items`;

export interface VerifyOptions {
  readonly scale: number;
  readonly rounds: number;
  readonly chunkRows: number;
}

export async function benchVerify(options: VerifyOptions): Promise<void> {
  const servers = await startServers();
  try {
    const sides = [servers.source, servers.target] as const;
    const { sql, rows } = fill(options.scale);
    await parallel(
      2,
      sides.map((server) => async () => {
        const url = await emptyDatabase(server, 'shop');
        await query(url, CREATE);
        for (const statement of sql.split(';\n').filter((s) => s.trim() !== '')) await query(url, statement);
        // One session a side for everybody.
        await query(server.url(), 'ALTER SYSTEM SET max_parallel_workers_per_gather = 0; ');
        await query(server.url(), 'SELECT pg_reload_conf()');
      }),
    );
    const open = { applicationName: 'dbps bench' };
    const [source, target] = await Promise.all(
      sides.map((server) => postgresEngine.openReadOnly(targetOf(server, 'shop'), open)),
    );
    const map: RelationMap = {
      source: 'public.order_items',
      target: 'public.order_items',
      columns: COLUMNS.map((name, i) => ({
        name,
        target: name,
        sourceType: TYPES[i]!,
        targetType: TYPES[i]!,
      })),
      key: ['id'],
      leaves: ['public.order_items'],
      hasOtherUniqueness: false,
    };
    const withDbps = (mode: 'full' | 'counts' | 'changed', keys: number) => async () => {
      const taken = Array.from({ length: keys }, (_, i) => [
        String(1 + ((i * 7919) % (rows['order_items'] ?? 1))),
      ]);
      const result = await verifyService({
        service: 'shop',
        source: source!,
        target: target!,
        maps: [map],
        owner: 'source',
        mode,
        barrier: async () => undefined,
        changed: { size: async () => keys, take: async (_, limit) => taken.slice(0, limit) },
        chunkRows: options.chunkRows,
        jobs: 1,
        emit: () => undefined,
        signal: new AbortController().signal,
        now: () => Date.now(),
      });
      if (!result.isEqual) throw new Error('equal tables were called different');
      return { chunks: result.relations[0]?.chunks };
    };
    const items = rows['order_items'] ?? 0;
    await measure({
      bench: 'verify',
      measure: 'full, one session a side',
      rows: items,
      rounds: options.rounds,
      peer: 'md5 of text',
      contenders: [
        {
          name: 'md5 of text',
          run: async () => {
            const [a, b] = await Promise.all(
              sides.map((server) => query<{ hash: string }>(server.url('shop'), MD5)),
            );
            if (a?.[0]?.hash !== b?.[0]?.hash) throw new Error('equal tables were called different');
          },
        },
        { name: 'dbps', run: withDbps('full', 0) },
        { name: 'dbps counts', run: withDbps('counts', 0) },
      ],
    });
    await measure({
      bench: 'verify',
      measure: '2,000 changed keys',
      rows: 2000,
      rounds: options.rounds,
      peer: 'dbps changed',
      contenders: [{ name: 'dbps changed', run: withDbps('changed', 2000) }],
    });
    await Promise.all([source?.close(), target?.close()]);
  } finally {
    await servers.stop();
  }
}
