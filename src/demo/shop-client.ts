/**
 * One customer-facing client of the shop. It talks to the databases through dbps/router alone, one operation after the other, and enters into
 * its ledger only what was acknowledged.
 */
import type { Knex } from 'knex';
import type { Router, RouterSession } from '../router/index.js';
import { emptyLedger, GAP_FLOOR_MS, type ClientLedger, type OrderEntry } from './ledger.js';
import type { ShopEngine } from './shop-engines.js';
import type { ShopService } from './shop-schema.js';

type Operation = (client: ShopClient) => Promise<void>;

/** How often each is done, relative to the others. */
const OPERATIONS: readonly (readonly [number, Operation])[] = [
  [3, (c) => c.register()],
  [6, (c) => c.visit()],
  [2, (c) => c.moveHouse()],
  [8, (c) => c.placeOrder()],
  [3, (c) => c.changeItem()],
  [5, (c) => c.pay()],
  [3, (c) => c.ship()],
  [2, (c) => c.cancel()],
  [2, (c) => c.refund()],
  [6, (c) => c.sell()],
  [4, (c) => c.viewProduct()],
  [3, (c) => c.review()],
  [2, (c) => c.voteOrRemoveReview()],
  [2, (c) => c.toggleTag()],
];
const TOTAL_WEIGHT = OPERATIONS.reduce((sum, [weight]) => sum + weight, 0);

export interface ShopClientOptions {
  readonly router: Router<ShopService>;
  readonly prefix: string;
  readonly products: number;
  /** Longest pause between two operations, milliseconds. */
  readonly thinkMs: number;
  readonly seed: number;
  /** The only statement in one engine's own SQL is about users, who change their engine in no variant of the demo. */
  readonly usersEngine: ShopEngine;
}

const LAST_VISIT: Readonly<Record<ShopEngine, string>> = {
  postgres: "jsonb_set(preferences, '{last}', to_jsonb(visits))",
  mysql: "json_set(preferences, '$.last', visits)",
};

const money = (cents: number): string => (cents / 100).toFixed(2);

export class ShopClient {
  readonly ledger: ClientLedger;
  readonly #session: RouterSession<ShopService>;
  readonly #options: ShopClientOptions;
  #seed: number;
  #serial = 0;
  #lastAcknowledged = 0;

  constructor(options: ShopClientOptions) {
    this.#options = options;
    this.ledger = emptyLedger(options.prefix);
    this.#session = options.router.session(options.prefix);
    this.#seed = options.seed;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#lastAcknowledged = Date.now();
    while (!signal.aborted) {
      try {
        await this.#pickOperation()(this);
      } catch (error) {
        this.ledger.failures.push(
          `${this.ledger.prefix} ${error instanceof Error ? error.message : String(error)}`,
        );
        // Its outcome may be unknown: this client's ledger ends here, and the proof says so.
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, this.#random() * this.#options.thinkMs));
    }
  }

  // ---------------------------------------------------------------- users

  async register(): Promise<void> {
    const email = `${this.#next()}@clients.example`;
    const street = `${this.#next()} Lane`;
    const made = await this.#transaction('users', async (trx) => {
      const userId = await insert(trx, 'users', { email, name: `Client of ${email}` });
      const addressId = await insert(trx, 'addresses', {
        user_id: userId,
        street,
        city: 'Ælfwick',
        is_default: true,
      });
      return { userId, addressId };
    });
    this.ledger.users.set(made.userId, { email, visits: 0 });
    this.ledger.addresses.set(made.addressId, { userId: made.userId, street });
  }

  /** Changes a row and reads it back: a session must see what it wrote, wherever reads go. */
  async visit(): Promise<void> {
    const found = this.#any(this.ledger.users);
    if (found === undefined) return this.register();
    const [id, user] = found;
    await this.#write('users', (knex) =>
      knex('users')
        .where({ id })
        .update({
          visits: knex.raw('visits + 1'),
          preferences: knex.raw(LAST_VISIT[this.#options.usersEngine]),
        }),
    );
    user.visits += 1;
    const reader = this.#session.reads('users', { relation: 'users' });
    const row = await reader<{ id: string; visits: number }>('users').where({ id }).first('visits');
    this.ledger.reads += 1;
    if ((row?.visits ?? -1) < user.visits) this.ledger.staleReads += 1;
  }

  async moveHouse(): Promise<void> {
    const found = this.#any(this.ledger.addresses);
    if (found === undefined) return this.register();
    const [id, { userId }] = found;
    const street = `${this.#next()} Road`;
    const addressId = await this.#transaction('users', async (trx) => {
      await trx('addresses').where({ id }).delete();
      return insert(trx, 'addresses', { user_id: userId, street, city: 'Nové Město' });
    });
    this.ledger.addresses.delete(id);
    this.ledger.addresses.set(addressId, { userId, street });
  }

  // ---------------------------------------------------------------- orders

  async placeOrder(): Promise<void> {
    const user = this.#any(this.ledger.users);
    if (user === undefined) return this.register();
    const requestId = this.#next();
    const lines = Array.from({ length: 1 + this.#below(4) }, (_, n) => ({
      line: n + 1,
      product_id: this.#product(),
      quantity: 1 + this.#below(3),
      cents: 100 + this.#below(5000),
    }));
    const orderId = await this.#transaction('orders', async (trx) => {
      const id = await insert(trx, 'orders', { user_id: user[0], request_id: requestId });
      await trx('order_items').insert(
        lines.map(({ cents, ...line }) => ({ ...line, order_id: id, unit_price: money(cents) })),
      );
      await trx('order_events').insert({
        order_id: id,
        kind: 'placed',
        payload: JSON.stringify({ requestId }),
      });
      return id;
    });
    this.ledger.orders.set(orderId, {
      requestId,
      userId: user[0],
      status: 'placed',
      items: lines.length,
      cents: lines.reduce((sum, line) => sum + line.quantity * line.cents, 0),
      events: 1,
      shipments: 0,
      paymentId: null,
    });
  }

  /** The trigger on the items keeps the order's total. */
  async changeItem(): Promise<void> {
    const found = this.#anyOrder((order) => order.status === 'placed');
    if (found === undefined) return this.placeOrder();
    const [id, order] = found;
    const cents = 100 + this.#below(900);
    await this.#transaction('orders', async (trx) => {
      await trx('order_items').insert({
        order_id: id,
        line: order.items + 1,
        product_id: this.#product(),
        quantity: 2,
        unit_price: money(cents),
      });
      await trx('order_events').insert({ order_id: id, kind: 'changed' });
    });
    order.items += 1;
    order.events += 1;
    order.cents += 2 * cents;
  }

  async pay(): Promise<void> {
    const found = this.#anyOrder((order) => order.status === 'placed');
    if (found === undefined) return this.placeOrder();
    const [id, order] = found;
    const requestId = this.#next();
    const paymentId = await this.#write('payments', async (knex) =>
      insert(knex, 'payments', { order_id: id, request_id: requestId, amount: money(order.cents) }),
    );
    this.ledger.payments.set(paymentId, { requestId, cents: order.cents, refundedCents: 0, refunds: 0 });
    order.paymentId = paymentId;
    await this.#transaction('orders', async (trx) => {
      await trx('orders').where({ id }).update({ status: 'paid' });
      await trx('order_events').insert({
        order_id: id,
        kind: 'paid',
        payload: JSON.stringify({ paymentId }),
      });
    });
    order.status = 'paid';
    order.events += 1;
  }

  async ship(): Promise<void> {
    const found = this.#anyOrder((order) => order.status === 'paid');
    if (found === undefined) return this.pay();
    const [id, order] = found;
    await this.#transaction('orders', async (trx) => {
      await trx('shipments').insert({ order_id: id, tracking: this.#next() });
      await trx('orders').where({ id }).update({ status: 'shipped' });
    });
    order.shipments += 1;
    order.status = 'shipped';
  }

  /** A delete that cascades inside the service, where the engine's cascades can be seen by others. */
  async cancel(): Promise<void> {
    const found = this.#anyOrder((order) => order.status === 'placed' && order.paymentId === null);
    if (found === undefined) return this.placeOrder();
    await this.#transaction('orders', async (trx) => {
      await trx('order_events').where({ order_id: found[0] }).delete();
      if (isMysql(trx)) await trx('order_items').where({ order_id: found[0] }).delete();
      await trx('orders').where({ id: found[0] }).delete();
    });
    this.ledger.orders.delete(found[0]);
  }

  // ---------------------------------------------------------------- payments

  async refund(): Promise<void> {
    const found = this.#any(this.ledger.payments);
    if (found === undefined) return this.pay();
    const [id, payment] = found;
    await this.#transaction('payments', async (trx) => {
      await trx('refunds').insert({ payment_id: id, request_id: this.#next(), amount: '0.05' });
      await trx('payments').where({ id }).increment('refunded', 0.05);
    });
    payment.refundedCents += 5;
    payment.refunds += 1;
  }

  // ---------------------------------------------------------------- catalog

  /** A counter that all clients raise: made twice or lost, the sum tells. */
  async sell(): Promise<void> {
    const product = this.#product();
    const quantity = 1 + this.#below(3);
    await this.#write('catalog', (knex) =>
      knex('inventory')
        .where({ product_id: product })
        .update({ on_hand: knex.raw('on_hand - ?', [quantity]), sold: knex.raw('sold + ?', [quantity]) }),
    );
    add(this.ledger.sold, product, quantity);
  }

  /** Leaves a description that is stored out of line as it is: those bytes are not in the log. */
  async viewProduct(): Promise<void> {
    const product = this.#product();
    await this.#write('catalog', (knex) => knex('products').where({ id: product }).increment('views', 1));
    add(this.ledger.views, product, 1);
  }

  async review(): Promise<void> {
    const user = this.#any(this.ledger.users);
    if (user === undefined) return this.register();
    const requestId = this.#next();
    // One in four is too long for its page.
    const body = this.#below(4) === 0 ? `${requestId} `.repeat(900) : `${requestId}: “très bien”`;
    const id = await this.#write('catalog', async (knex) =>
      insert(knex, 'reviews', {
        product_id: this.#product(),
        user_id: user[0],
        request_id: requestId,
        rating: 1 + this.#below(5),
        body,
      }),
    );
    this.ledger.reviews.set(id, { requestId, helpful: 0, bodyLength: [...body].length });
  }

  async voteOrRemoveReview(): Promise<void> {
    const found = this.#any(this.ledger.reviews);
    if (found === undefined) return this.review();
    const [id, review] = found;
    if (this.#below(3) === 0) {
      await this.#write('catalog', (knex) => knex('reviews').where({ id }).delete());
      this.ledger.reviews.delete(id);
    } else {
      await this.#write('catalog', (knex) => knex('reviews').where({ id }).increment('helpful', 1));
      review.helpful += 1;
    }
  }

  async toggleTag(): Promise<void> {
    const tag = this.#any(this.ledger.tags);
    if (tag === undefined) {
      const label = this.#next();
      const id = await this.#write('catalog', async (knex) => insert(knex, 'tags', { label }));
      this.ledger.tags.set(id, label);
      return;
    }
    const link = { product_id: this.#product(), tag_id: tag[0] };
    const name = `${link.product_id}:${link.tag_id}`;
    if (this.ledger.productTags.has(name)) {
      await this.#write('catalog', (knex) => knex('product_tags').where(link).delete());
      this.ledger.productTags.delete(name);
    } else {
      await this.#write('catalog', (knex) => knex('product_tags').insert(link));
      this.ledger.productTags.add(name);
    }
  }

  // ---------------------------------------------------------------- how it writes

  async #transaction<T>(service: ShopService, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    const value = await this.#untilNoDeadlock(() => this.#session.transaction(service, work));
    this.#acknowledge(service);
    return value;
  }

  async #write<T>(service: ShopService, work: (knex: Knex) => PromiseLike<T>): Promise<T> {
    const value = await this.#untilNoDeadlock(async () => work(this.#session.writes(service)));
    this.#acknowledge(service);
    return value;
  }

  /** InnoDB's gap locks make neighbours wait for each other, and one of them is asked to begin again. PostgreSQL has no such reason. */
  async #untilNoDeadlock<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ER_LOCK_DEADLOCK') throw error;
        this.ledger.deadlocks += 1;
      }
    }
  }

  #acknowledge(service: ShopService): void {
    const now = Date.now();
    if (now - this.#lastAcknowledged >= GAP_FLOOR_MS) {
      this.ledger.gaps.push({ service, from: this.#lastAcknowledged, to: now });
    }
    this.#lastAcknowledged = now;
    this.ledger.acknowledged += 1;
  }

  // ---------------------------------------------------------------- chance

  #pickOperation(): Operation {
    let at = this.#random() * TOTAL_WEIGHT;
    for (const [weight, operation] of OPERATIONS) {
      at -= weight;
      if (at < 0) return operation;
    }
    return (c) => c.visit();
  }

  /** mulberry32: the same seed, the same client. */
  #random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #product(): number {
    return 1 + this.#below(this.#options.products);
  }

  #next(): string {
    this.#serial += 1;
    return `${this.ledger.prefix}${this.#serial}`;
  }

  /** One of the most recent, so that rows age and are left alone. */
  #any<V>(entries: ReadonlyMap<string, V>): [string, V] | undefined {
    if (entries.size === 0) return undefined;
    const recent = [...entries].slice(-50);
    return recent[this.#below(recent.length)];
  }

  #anyOrder(wanted: (order: OrderEntry) => boolean): [string, OrderEntry] | undefined {
    const recent = [...this.ledger.orders].slice(-50).filter(([, order]) => wanted(order));
    return recent.length === 0 ? undefined : recent[this.#below(recent.length)];
  }
}

/** PostgreSQL returns the row, MySQL the number that it counted up. */
async function insert(knex: Knex, table: string, row: object): Promise<string> {
  const rows: readonly ({ id: string | number } | number)[] = await knex(table).insert(row).returning('id');
  const [made] = rows;
  return String(typeof made === 'object' ? made.id : made);
}

const isMysql = (trx: Knex.Transaction): boolean =>
  (trx.client as { readonly config: Knex.Config }).config.client === 'mysql2';

function add(counters: Map<number, number>, key: number, amount: number): void {
  counters.set(key, (counters.get(key) ?? 0) + amount);
}
