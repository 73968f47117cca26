import { startPrivateMariadb } from './private-mariadb.js';
import { withShopConnection } from './shop-connection.js';
import { APPLICATION, OPERATOR, type Secrets, type ShopServer } from './shop-server.js';

/** What docs/mysql.md asks for, and little memory: there may be five of them. */
const SETTINGS = {
  'log-bin-trust-function-creators': 1,
  'innodb-buffer-pool-size': '96M',
};

export async function startMysqlShopServer(
  database: string,
  secrets: Secrets,
  program: string,
): Promise<ShopServer> {
  const server = await startPrivateMariadb({ program, settings: SETTINGS });
  try {
    await withShopConnection('mysql', server.url(), async ({ query }) => {
      await query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
      await query(`CREATE USER ${OPERATOR}@'%' IDENTIFIED BY '${secrets.dbps}'`);
      await query(`CREATE USER ${APPLICATION}@'%' IDENTIFIED BY '${secrets.application}'`);
      await query(`GRANT REPLICATION SLAVE, REPLICATION CLIENT, PROCESS ON *.* TO ${OPERATOR}@'%'`);
      // So that it sees who else could take a fence away.
      await query(`GRANT SELECT ON mysql.* TO ${OPERATOR}@'%'`);
      for (const name of ['dbps', database])
        await query(`GRANT ALL ON ${name}.* TO ${OPERATOR}@'%' WITH GRANT OPTION`);
      await query(`GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON ${database}.* TO ${APPLICATION}@'%'`);
    });
  } catch (error) {
    await server.stop();
    throw error;
  }
  const as = (account: string, password: string): string =>
    `mysql://${account}:${password}@${server.host}:${server.port}/${database}`;
  return {
    engine: 'mysql',
    url: (account) =>
      account === 'superuser'
        ? server.url(database)
        : account === 'dbps'
          ? as(OPERATOR, secrets.dbps)
          : as(APPLICATION, secrets.application),
    stop: () => server.stop(),
  };
}
