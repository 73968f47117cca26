/** The shop of both engines on two private servers of the MySQL family, with a plan that takes its orders out. */
import { loadEngine } from '../../src/engines/registry.js';
import { relationId } from '../../src/model/relation-id.js';
import type { Plan } from '../../src/model/plan.js';
import { makePlan } from '../../src/planning/make-plan.js';
import { ENGINE_SHOP, SHOP_ON } from './engine-shop.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from './mariadb.js';
import { shopOn, type Shop } from './move.js';

async function planOf(legacy: MysqlTestDatabase, service: MysqlTestDatabase): Promise<Plan> {
  const engine = await loadEngine('mysql');
  const reader = await engine.openReadOnly(legacy.target, { applicationName: 'dbps test plan' });
  try {
    const schema = await reader.introspector.read({ schemas: [legacy.name] });
    const services = Object.entries(ENGINE_SHOP).map(([name, relations]) => ({
      name,
      targetEngine: 'mysql' as const,
      targetSchema: name === 'orders' ? service.name : `${service.name}_${name}`,
      relations: relations.map((relation) => ({ id: relationId(legacy.name, relation) })),
    }));
    const boundaries = { defaultSchema: legacy.name, exclude: [], services, shared: [], references: [] };
    return makePlan(schema, boundaries, '2026-01-01T00:00:00.000Z');
  } finally {
    await reader.close();
  }
}

export async function createMysqlShop(): Promise<
  Shop<MysqlTestDatabase> & { readonly server: MysqlTestServer }
> {
  const servers = [await startMysqlServer(), await startMysqlServer()] as const;
  const legacy = await servers[0].createDatabase(SHOP_ON.mysql);
  const service = await servers[1].createDatabase();
  const shop = await shopOn(legacy, service, () => planOf(legacy, service));
  return {
    ...shop,
    /** Of legacy, for what only its root may do. */
    server: servers[0],
    drop: async () => {
      await shop.drop();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
