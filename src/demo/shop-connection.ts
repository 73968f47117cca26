/** A plain session on one of the shop's databases, on either engine: rows are read as the text that the server prints, times in UTC. */
import mysql from 'mysql2';
import pg from 'pg';
import QueryStream from 'pg-query-stream';
import type { ShopEngine } from './shop-engines.js';

export type TextRow = Readonly<Record<string, string | null>>;

export interface ShopConnection {
  readonly engine: ShopEngine;
  readonly query: (sql: string) => Promise<readonly TextRow[]>;
  /** A row at a time, for results of any size. */
  readonly stream: (sql: string) => AsyncIterable<TextRow>;
  close(): Promise<void>;
}

export function openShopConnection(engine: ShopEngine, url: string): Promise<ShopConnection> {
  return engine === 'postgres' ? openPostgres(url) : openMysql(url);
}

/** For as long as `work` takes. */
export async function withShopConnection<T>(
  engine: ShopEngine,
  url: string,
  work: (connection: ShopConnection) => Promise<T>,
): Promise<T> {
  const connection = await openShopConnection(engine, url);
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

async function openPostgres(url: string): Promise<ShopConnection> {
  const types = { getTypeParser: () => (value: string) => value };
  const client = new pg.Client({ connectionString: url, options: '-c timezone=UTC', types });
  await client.connect();
  return {
    engine: 'postgres',
    query: async (sql) => (await client.query<TextRow>(sql)).rows,
    stream: (sql) =>
      client.query(new QueryStream(sql, [], { batchSize: 1000, types })) as AsyncIterable<TextRow>,
    close: () => client.end(),
  };
}

async function openMysql(url: string): Promise<ShopConnection> {
  const connection = mysql.createConnection({ uri: url, typeCast: (field) => field.string() });
  // A session that ends under nobody's hands is told by the next query.
  connection.on('error', () => undefined);
  const query = (sql: string): Promise<readonly TextRow[]> =>
    new Promise((resolve, reject) => {
      connection.query(sql, (error, rows) => {
        if (error) reject(error);
        else resolve(Array.isArray(rows) ? (rows as unknown as TextRow[]) : []);
      });
    });
  await query("SET SESSION time_zone = '+00:00'");
  return {
    engine: 'mysql',
    query,
    stream: (sql) => connection.query(sql).stream() as AsyncIterable<TextRow>,
    close: () => new Promise((resolve) => connection.end(() => resolve())),
  };
}
