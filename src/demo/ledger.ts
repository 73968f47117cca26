/**
 * What one client of the shop knows to be true because the database acknowledged it: the state that its own rows must have at the end,
 * and what it added to rows that it shares with others. Plain data: it travels from the worker to the proof.
 */
import type { ShopService } from './shop-schema.js';

export interface ClientLedger {
  /** Begins every row that the client makes: `c3-`. */
  readonly prefix: string;
  readonly users: Map<string, { readonly email: string; visits: number }>;
  readonly addresses: Map<string, { readonly userId: string; readonly street: string }>;
  readonly reviews: Map<string, { readonly requestId: string; helpful: number; readonly bodyLength: number }>;
  /** `product:tag` under the client's own tag. */
  readonly productTags: Set<string>;
  readonly tags: Map<string, string>;
  readonly orders: Map<string, OrderEntry>;
  readonly payments: Map<
    string,
    { readonly requestId: string; readonly cents: number; refundedCents: number; refunds: number }
  >;
  /** Units sold and page views, by product: counters that all clients raise together. */
  readonly sold: Map<number, number>;
  readonly views: Map<number, number>;
  acknowledged: number;
  reads: number;
  /** Reads of the client's own rows that were older than what it had written. */
  staleReads: number;
  /** Transactions that the server chose to give way in a deadlock: begun again, as InnoDB asks of its applications. */
  deadlocks: number;
  /** Pauses of at least GAP_FLOOR_MS between two acknowledged writes. */
  readonly gaps: Gap[];
  /** Anything that went wrong: must stay empty. */
  readonly failures: string[];
}

export interface OrderEntry {
  readonly requestId: string;
  readonly userId: string;
  status: 'placed' | 'paid' | 'shipped';
  items: number;
  cents: number;
  events: number;
  shipments: number;
  paymentId: string | null;
}

export interface Gap {
  readonly service: ShopService;
  /** Wall clock, milliseconds. */
  readonly from: number;
  readonly to: number;
}

/** Shorter pauses are the client's own thinking time. */
export const GAP_FLOOR_MS = 15;

export function emptyLedger(prefix: string): ClientLedger {
  return {
    prefix,
    users: new Map(),
    addresses: new Map(),
    reviews: new Map(),
    productTags: new Set(),
    tags: new Map(),
    orders: new Map(),
    payments: new Map(),
    sold: new Map(),
    views: new Map(),
    acknowledged: 0,
    reads: 0,
    staleReads: 0,
    deadlocks: 0,
    gaps: [],
    failures: [],
  };
}
