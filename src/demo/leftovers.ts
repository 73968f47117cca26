/** What dbps must have taken with it. The journal of what was done stays in the shared database. */
import { withShopConnection } from './shop-connection.js';
import type { ShopEngine } from './shop-engines.js';
import { OPERATOR, type ShopDatabase } from './shop-server.js';

const TRACES: Readonly<Record<ShopEngine, string>> = {
  postgres: `
    SELECT 'slot ' || slot_name AS what FROM pg_replication_slots
    UNION ALL SELECT 'publication ' || pubname FROM pg_publication
    UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
    UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE '%dbps%'`,
  mysql: `
    SELECT concat('trigger ', trigger_name) AS what FROM information_schema.triggers
     WHERE trigger_name LIKE '%dbps%' OR action_statement LIKE '%dbps%'
    UNION ALL SELECT concat('session ', id, ' of ${OPERATOR}: ', command) FROM information_schema.processlist WHERE user = '${OPERATOR}'
    UNION ALL SELECT concat('table dbps.', table_name) FROM information_schema.tables
     WHERE table_schema = 'dbps' AND (table_name LIKE 'change\\_log%' OR table_name IN ('capture', 'checkpoint', 'spool', 'fence'))`,
};

export async function findLeftovers(
  databases: Readonly<Record<string, ShopDatabase>>,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [name, { engine, url }] of Object.entries(databases))
    await withShopConnection(engine, url('superuser'), async ({ query }) => {
      found.push(...(await query(TRACES[engine])).map(({ what }) => `${what} in ${name}`));
    });
  return found;
}
