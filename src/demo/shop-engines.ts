/** On which engines the demo's shop stands. */
import type { ShopService } from './shop-schema.js';

export type ShopEngine = 'postgres' | 'mysql';

export interface DemoVariant {
  readonly shared: ShopEngine;
  readonly services: Readonly<Record<ShopService, ShopEngine>>;
  /** The service that is taken back and brought forward again. */
  readonly rolledBack: ShopService;
}

const all = (engine: ShopEngine): Readonly<Record<ShopService, ShopEngine>> => ({
  users: engine,
  catalog: engine,
  orders: engine,
  payments: engine,
});

/**
 * `mixed` moves the catalogue to the other engine: it has the types that differ most (documents, decimals, instants with a zone, long text),
 * and nothing that would have to be written anew there. It is also the one that goes back and forward again.
 */
export const DEMO_VARIANTS = {
  postgres: { shared: 'postgres', services: all('postgres'), rolledBack: 'orders' },
  mysql: { shared: 'mysql', services: all('mysql'), rolledBack: 'orders' },
  mixed: { shared: 'postgres', services: { ...all('postgres'), catalog: 'mysql' }, rolledBack: 'catalog' },
} as const satisfies Readonly<Record<string, DemoVariant>>;

export type DemoEngine = keyof typeof DEMO_VARIANTS;

export const DEMO_ENGINES = Object.keys(DEMO_VARIANTS) as readonly DemoEngine[];

/** `5 PostgreSQL servers`, `4 PostgreSQL servers and 1 MariaDB server`. */
export function describeServers({ shared, services }: DemoVariant): string {
  const engines = [shared, ...Object.values(services)];
  return (
    [
      ['postgres', 'PostgreSQL'],
      ['mysql', 'MariaDB'],
    ] as const
  )
    .map(([engine, name]) => [name, engines.filter((one) => one === engine).length] as const)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name} server${count === 1 ? '' : 's'}`)
    .join(' and ');
}
