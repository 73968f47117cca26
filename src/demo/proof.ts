/**
 * The proof: the clients' ledgers against the databases that own the rows now. It shares nothing with dbps's own verification: plain queries, and
 * everything compared here.
 */
import { createHash } from 'node:crypto';
import type { ClientLedger } from './ledger.js';
import { openShopConnection, type ShopConnection, type TextRow } from './shop-connection.js';
import type { ShopDatabase } from './shop-server.js';
import { SHOP_REFERENCES, SHOP_SERVICES, SHOP_SERVICE_NAMES, type ShopService } from './shop-schema.js';

export interface Proof {
  readonly acknowledged: number;
  readonly reads: number;
  /** Client rows and counters compared one by one. */
  readonly compared: number;
  /** Loaded rows compared by count and hash. */
  readonly untouched: number;
  readonly lost: readonly string[];
  readonly duplicated: readonly string[];
  readonly orphans: readonly string[];
  readonly staleReads: number;
  /** Begun again because the server asked for it; on InnoDB only. */
  readonly deadlocks: number;
  readonly failures: readonly string[];
}

/** Count and content of the rows that were loaded and that no client changes, by table. */
export type Baseline = ReadonlyMap<string, { readonly rows: number; readonly hash: string }>;

type Databases = Readonly<Record<ShopService, ShopDatabase>>;

/** Loaded rows, and the columns in which they must not have changed: words that both engines understand. */
const LOADED: Readonly<Record<string, readonly [columns: string, where: string]>> = {
  users: ['id, email, name, preferences, visits, created_at', `email LIKE '%@example.com'`],
  addresses: ['id, user_id, street, city, is_default', `street LIKE '% Main Street'`],
  categories: ['id, parent_id, name', '1 = 1'],
  products: ['id, category_id, name, price, description, attributes, updated_at', '1 = 1'],
  inventory: ['product_id, on_hand + sold AS units', '1 = 1'],
  tags: ['id, label', `label LIKE 'tag %'`],
  product_tags: ['product_id, tag_id', `tag_id IN (SELECT id FROM tags WHERE label LIKE 'tag %')`],
  reviews: ['id, product_id, user_id, request_id, rating, helpful, body', `request_id LIKE 'loaded-%'`],
  orders: ['id, user_id, request_id, status, total, placed_at', `request_id LIKE 'loaded-%'`],
  order_items: [
    'order_id, line, product_id, quantity, unit_price, amount',
    `order_id IN (SELECT id FROM orders WHERE request_id LIKE 'loaded-%')`,
  ],
  shipments: ['id, order_id, tracking, shipped_at', `tracking NOT LIKE 'c%-%'`],
  order_events: ['id, at, order_id, kind, payload', `kind = 'loaded'`],
  payments: ['id, order_id, request_id, amount, refunded, paid_at', `request_id LIKE 'loaded-%'`],
  refunds: ['id, payment_id, request_id, amount', `request_id LIKE 'loaded-%'`],
};

/** What the two engines print differently, brought to one text; everything else is the same text on both. */
const SAME: Readonly<Record<string, (text: string) => string>> = {
  ...Object.fromEntries(['preferences', 'attributes', 'payload'].map((name) => [name, canonicalJson])),
  ...Object.fromEntries(
    ['created_at', 'updated_at', 'placed_at', 'shipped_at', 'at', 'paid_at'].map((name) => [
      name,
      // `2024-01-01 00:17:00+00`, `2024-01-01 00:17:00.000000`: both in UTC.
      (text: string) =>
        text
          .replace(/\+00$/, '')
          .replace(/(\.\d*?)0+$/, '$1')
          .replace(/\.$/, ''),
    ]),
  ),
  is_default: (text) => (text === 't' || text === '1' ? 'yes' : 'no'),
};

function canonicalJson(text: string): string {
  return JSON.stringify(JSON.parse(text), (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** @param databases who owns each service's rows now. */
export async function takeBaseline(databases: Databases): Promise<Baseline> {
  const baseline = new Map<string, { rows: number; hash: string }>();
  await withConnections(databases, async (connections) => {
    for (const service of SHOP_SERVICE_NAMES)
      for (const table of SHOP_SERVICES[service]) {
        const [columns, where] = LOADED[table] as readonly [string, string];
        baseline.set(
          table,
          await hashRows(connections[service].stream(`SELECT ${columns} FROM ${table} WHERE ${where}`)),
        );
      }
  });
  return baseline;
}

/** In whatever order they come: the sum of a hash of each. */
async function hashRows(rows: AsyncIterable<TextRow>): Promise<{ rows: number; hash: string }> {
  let count = 0;
  let sum = 0n;
  for await (const row of rows) {
    count += 1;
    const values = Object.entries(row).map(([name, value]) =>
      value === null ? null : (SAME[name]?.(value) ?? value),
    );
    sum += createHash('md5').update(JSON.stringify(values)).digest().readBigUInt64BE();
  }
  return { rows: count, hash: BigInt.asUintN(64, sum).toString(16) };
}

export async function prove(
  ledgers: readonly ClientLedger[],
  before: Baseline,
  databases: Databases,
): Promise<Proof> {
  const differences = new Differences();
  const orphans: string[] = [];
  await withConnections(databases, async (connections) => {
    const query: Query = (service, sql) => connections[service].query(sql);
    await compareClientRows(ledgers, query, differences);
    // Counters that all clients raise together.
    for (const [what, service, table, key, column] of [
      ['sold', 'catalog', 'inventory', 'product_id', 'sold'],
      ['views', 'catalog', 'products', 'id', 'views'],
    ] as const) {
      const expected = new Map<string, number>();
      for (const ledger of ledgers)
        for (const [product, amount] of ledger[what])
          expected.set(String(product), (expected.get(String(product)) ?? 0) + amount);
      const rows = await query(
        service,
        `SELECT ${key} AS k, ${column} AS n FROM ${table} WHERE ${column} <> 0`,
      );
      differences.counters(`${table}.${column}`, expected, rows);
    }
    orphans.push(...(await findOrphans(query)));
  });

  const after = await takeBaseline(databases);
  let untouched = 0;
  for (const [table, { rows, hash }] of before) {
    const now = after.get(table);
    untouched += rows;
    if (now === undefined || now.rows < rows)
      differences.lost.push(`${table}: ${rows} loaded rows, ${now?.rows ?? 0} left`);
    else if (now.rows > rows) differences.duplicated.push(`${table}: ${rows} loaded rows, now ${now.rows}`);
    else if (now.hash !== hash) differences.lost.push(`${table}: loaded rows changed`);
  }
  return {
    acknowledged: ledgers.reduce((sum, ledger) => sum + ledger.acknowledged, 0),
    reads: ledgers.reduce((sum, ledger) => sum + ledger.reads, 0),
    compared: differences.compared,
    untouched,
    lost: differences.lost,
    duplicated: differences.duplicated,
    orphans,
    staleReads: ledgers.reduce((sum, ledger) => sum + ledger.staleReads, 0),
    deadlocks: ledgers.reduce((sum, ledger) => sum + ledger.deadlocks, 0),
    failures: ledgers.flatMap((ledger) => ledger.failures),
  };
}

type Query = (service: ShopService, sql: string) => Promise<readonly TextRow[]>;

/** Whole cents, as text without a fraction on either engine. */
const cents = (amount: string): string => `cast(${amount} * 100 AS decimal(20, 0))`;

async function compareClientRows(
  ledgers: readonly ClientLedger[],
  query: Query,
  differences: Differences,
): Promise<void> {
  const collect = <V>(
    entries: (ledger: ClientLedger) => Iterable<V>,
    describe: (value: V) => readonly [key: string, facts: string],
  ) => new Map(ledgers.flatMap((ledger) => [...entries(ledger)].map(describe)));
  const mine = (column: string) => `${column} LIKE 'c%-%'`;

  differences.rows(
    'users',
    collect(
      (l) => l.users,
      ([id, u]) => [u.email, `${id} ${u.visits}`],
    ),
    await query(
      'users',
      `SELECT email AS k, concat_ws(' ', id, visits) AS facts FROM users WHERE ${mine('email')}`,
    ),
  );
  differences.rows(
    'addresses',
    collect(
      (l) => l.addresses,
      ([id, a]) => [a.street, `${id} ${a.userId}`],
    ),
    await query(
      'users',
      `SELECT street AS k, concat_ws(' ', id, user_id) AS facts FROM addresses WHERE ${mine('street')}`,
    ),
  );
  differences.rows(
    'tags',
    collect(
      (l) => l.tags,
      ([id, label]) => [label, id],
    ),
    await query('catalog', `SELECT label AS k, id AS facts FROM tags WHERE ${mine('label')}`),
  );
  differences.rows(
    'product_tags',
    collect(
      (l) => l.productTags,
      (link) => [link, ''],
    ),
    await query(
      'catalog',
      `SELECT concat(product_id, ':', tag_id) AS k, '' AS facts FROM product_tags JOIN tags t ON t.id = tag_id WHERE ${mine('label')}`,
    ),
  );
  differences.rows(
    'reviews',
    collect(
      (l) => l.reviews,
      ([id, r]) => [r.requestId, `${id} ${r.helpful} ${r.bodyLength}`],
    ),
    await query(
      'catalog',
      `SELECT request_id AS k, concat_ws(' ', id, helpful, char_length(body)) AS facts FROM reviews WHERE ${mine('request_id')}`,
    ),
  );
  differences.rows(
    'orders',
    collect(
      (l) => l.orders,
      ([id, o]) => [
        o.requestId,
        `${id} ${o.userId} ${o.status} ${o.cents} ${o.items} ${o.cents} ${o.events} ${o.shipments}`,
      ],
    ),
    await query(
      'orders',
      `SELECT request_id AS k, concat_ws(' ', id, user_id, status, ${cents('total')},
         (SELECT count(*) FROM order_items i WHERE i.order_id = o.id),
         (SELECT ${cents('coalesce(sum(amount), 0)')} FROM order_items i WHERE i.order_id = o.id),
         (SELECT count(*) FROM order_events e WHERE e.order_id = o.id AND e.kind <> 'loaded'),
         (SELECT count(*) FROM shipments s WHERE s.order_id = o.id)) AS facts
       FROM orders o WHERE ${mine('request_id')}`,
    ),
  );
  differences.rows(
    'payments',
    collect(
      (l) => l.payments,
      ([id, p]) => [p.requestId, `${id} ${p.cents} ${p.refundedCents} ${p.refunds}`],
    ),
    await query(
      'payments',
      `SELECT request_id AS k, concat_ws(' ', id, ${cents('amount')}, ${cents('refunded')},
         (SELECT count(*) FROM refunds r WHERE r.payment_id = p.id)) AS facts
       FROM payments p WHERE ${mine('request_id')}`,
    ),
  );
}

/** Across databases too: where a boundary cut a reference, no key watches over it any more. */
async function findOrphans(query: Query): Promise<string[]> {
  const found: string[] = [];
  const values = async (table: string, column: string): Promise<Set<string>> => {
    const service = SHOP_SERVICE_NAMES.find((name) =>
      (SHOP_SERVICES[name] as readonly string[]).includes(table),
    );
    const rows = await query(
      service as ShopService,
      `SELECT DISTINCT ${column} AS value FROM ${table} WHERE ${column} IS NOT NULL`,
    );
    return new Set(rows.map((row) => String(row['value'])));
  };
  for (const { child, column, parent, parentColumn } of SHOP_REFERENCES) {
    const parents = await values(parent, parentColumn);
    for (const value of await values(child, column))
      if (!parents.has(value)) found.push(`${child}.${column} = ${value} has no ${parent}`);
  }
  return found;
}

class Differences {
  readonly lost: string[] = [];
  readonly duplicated: string[] = [];
  compared = 0;

  /** A row that is not as acknowledged was lost in part; one that nobody has (any more) was made twice or has come back. */
  rows(table: string, expected: ReadonlyMap<string, string>, found: readonly TextRow[]): void {
    const seen = new Set<string>();
    this.compared += expected.size;
    for (const row of found) {
      const key = String(row['k']);
      const facts = String(row['facts']);
      const wanted = expected.get(key);
      if (wanted === undefined || seen.has(key)) this.duplicated.push(`${table} ${key}: ${facts}`);
      else if (wanted !== facts) this.lost.push(`${table} ${key}: acknowledged ${wanted}, found ${facts}`);
      seen.add(key);
    }
    for (const [key, facts] of expected) if (!seen.has(key)) this.lost.push(`${table} ${key}: ${facts}`);
  }

  counters(name: string, expected: ReadonlyMap<string, number>, found: readonly TextRow[]): void {
    const counts = new Map(found.map((row) => [String(row['k']), Number(row['n'])]));
    this.compared += expected.size;
    for (const key of new Set([...expected.keys(), ...counts.keys()])) {
      const difference = (counts.get(key) ?? 0) - (expected.get(key) ?? 0);
      if (difference < 0) this.lost.push(`${name} of ${key}: ${-difference} too few`);
      if (difference > 0) this.duplicated.push(`${name} of ${key}: ${difference} too many`);
    }
  }
}

async function withConnections(
  databases: Databases,
  work: (connections: Readonly<Record<ShopService, ShopConnection>>) => Promise<void>,
): Promise<void> {
  const open: Partial<Record<ShopService, ShopConnection>> = {};
  try {
    for (const service of SHOP_SERVICE_NAMES) {
      const { engine, url } = databases[service];
      open[service] = await openShopConnection(engine, url('superuser'));
    }
    await work(open as Record<ShopService, ShopConnection>);
  } finally {
    await Promise.all(Object.values(open).map((connection) => connection.close()));
  }
}
