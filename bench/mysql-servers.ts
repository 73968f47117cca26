/** Two private MariaDB servers, with a log that others can follow, and a small shop in one of them. */
import mysql from 'mysql2/promise';
import { startPrivateMariadb, type PrivateMariadb } from '../src/demo/private-mariadb.js';
import { ConnectionTarget } from '../src/model/connection-target.js';
import { debianProgram } from '../test/support/debian-program.js';

export interface MysqlBenchServers {
  readonly source: PrivateMariadb;
  readonly target: PrivateMariadb;
  stop(): Promise<void>;
}

export function startMysqlServer(
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PrivateMariadb> {
  return startPrivateMariadb({
    program: debianProgram(['mariadbd', 'mysqld'], 'mariadb-server-core'),
    settings: {
      'innodb-buffer-pool-size': '512M',
      'innodb-log-file-size': '512M',
      'secure-file-priv': '',
      ...settings,
    },
  });
}

export async function startMysqlServers(): Promise<MysqlBenchServers> {
  const [source, target] = await Promise.all([startMysqlServer(), startMysqlServer()]);
  return {
    source,
    target,
    stop: async () => {
      await Promise.all([source.stop(), target.stop()]);
    },
  };
}

export function mysqlTarget(server: PrivateMariadb, database: string): ConnectionTarget {
  return new ConnectionTarget({
    engine: 'mysql',
    host: server.host,
    port: server.port,
    user: server.user,
    database,
    password: async () => server.password,
    tls: false,
    parameters: {},
  });
}

export async function mysqlQuery(
  server: PrivateMariadb,
  database: string | undefined,
  sql: string,
): Promise<Record<string, unknown>[]> {
  const connection = await mysql.createConnection({
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    multipleStatements: true,
    ...(database !== undefined && { database }),
  });
  try {
    const [rows] = await connection.query(sql);
    return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
  } finally {
    await connection.end();
  }
}

/** The peers' study: four tables of ordinary columns; with nothing but their primary keys. */
export const MYSQL_CREATE = `
CREATE TABLE users (id bigint NOT NULL PRIMARY KEY, email varchar(200) NOT NULL, name varchar(200) NOT NULL, profile json, created_at datetime(6) NOT NULL, updated_at datetime(6));
CREATE TABLE products (id bigint NOT NULL PRIMARY KEY, sku varchar(64) NOT NULL, name varchar(200) NOT NULL, description text, price decimal(12,2) NOT NULL, attrs json, created_at datetime(6) NOT NULL);
CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, user_id bigint NOT NULL, status varchar(20) NOT NULL, total decimal(14,2) NOT NULL, shipping json, note text, placed_at datetime(6) NOT NULL);
CREATE TABLE order_items (id bigint NOT NULL PRIMARY KEY, order_id bigint NOT NULL, product_id bigint NOT NULL, qty int NOT NULL, unit_price decimal(12,2) NOT NULL, options json, note text, created_at datetime(6) NOT NULL);`;

export const MYSQL_TABLES = ['order_items', 'orders', 'users', 'products'] as const;

/** @param scale 1: 4.25 million rows. */
export function mysqlFill(scale: number): { readonly sql: string; readonly rows: number } {
  const [users, products, orders, items] = [200_000, 50_000, 1_000_000, 3_000_000].map((rows) =>
    Math.max(100, Math.round(rows * scale)),
  ) as [number, number, number, number];
  return {
    rows: users + products + orders + items,
    sql: `
INSERT INTO users SELECT seq, concat('user',seq,'@example.com'), concat('Name ',md5(seq)), json_object('lang',elt(1+seq%3,'en','de','fr'),'score',seq%1000,'tags',json_array(concat('a',seq%7),concat('b',seq%11))), timestamp'2020-01-01 00:00:00'+interval seq*7 minute, if(seq%3=0,timestamp'2024-01-01 00:00:00'+interval seq second,null) FROM seq_1_to_${users};
INSERT INTO products SELECT seq, concat('SKU-',lpad(seq,8,'0')), concat('Product ',md5(seq)), repeat(concat(md5(seq*7),' '),8), (seq%10000)/100+1, json_object('color',elt(1+seq%3,'red','blue','green'),'w',seq%50,'dims',json_object('x',seq%9,'y',seq%8)), timestamp'2019-01-01 00:00:00'+interval seq hour FROM seq_1_to_${products};
INSERT INTO orders SELECT seq, 1+(seq*7919)%${users}, elt(1+seq%4,'new','paid','shipped','done'), ((seq*31)%1000000)/100, json_object('city',concat('City',seq%500),'zip',lpad(seq%99999,5,'0'),'street',md5(seq)), if(seq%5=0,concat('note with\\ttab and \\nnewline ',md5(seq*3)),null), timestamp'2021-01-01 00:00:00'+interval seq*97 second FROM seq_1_to_${orders};
INSERT INTO order_items SELECT seq, 1+(seq-1) div 3, 1+(seq*104729)%${products}, 1+seq%9, ((seq*17)%100000)/100, if(seq%4=0,json_object('gift',seq%8=0,'size',elt(1+seq%3,'S','M','L')),null), if(seq%3=0,concat('item note ',md5(seq)),null), timestamp'2021-01-01 00:00:00'+interval seq*32 second FROM seq_1_to_${items};
ANALYZE TABLE users, products, orders, order_items;`,
  };
}
