/** One private server with one database of the shop, and the accounts on it. */
import type { ShopEngine } from './shop-engines.js';

/** `dbps` is no superuser; `application` owns nothing; `superuser` is for looking at what was left behind. */
export type ShopAccount = 'dbps' | 'application' | 'superuser';

export interface ShopDatabase {
  readonly engine: ShopEngine;
  readonly url: (account: ShopAccount) => string;
}

export interface ShopServer extends ShopDatabase {
  stop(): Promise<void>;
}

export interface Secrets {
  readonly dbps: string;
  readonly application: string;
}

export const OPERATOR = 'dbps';
export const APPLICATION = 'shop_app';
