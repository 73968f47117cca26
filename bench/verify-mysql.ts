/** Comparing one relation of two MariaDB servers, a session a side: dbps's hashes in key ranges against pt-table-checksum itself, which reads one side only, and against its bare statements on both. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RelationMap } from '../src/engines/engine.js';
import { MysqlChecksum } from '../src/engines/mysql/mysql-checksum.js';
import { openMysqlSession, queryable } from '../src/engines/mysql/mysql-connection.js';
import { normaliseType } from '../src/engines/mysql/mysql-flavor.js';
import { MysqlIntrospector } from '../src/engines/mysql/mysql-introspector.js';
import { verifyService } from '../src/verification/verify.js';
import { measure, type Contender } from './measure.js';
import {
  MYSQL_CREATE,
  mysqlFill,
  mysqlQuery,
  mysqlTarget,
  startMysqlServers,
  type MysqlBenchServers,
} from './mysql-servers.js';
import { has, run } from './servers.js';
import type { VerifyOptions } from './verify.js';

const TABLE = 'order_items';

/** With its defaults (chunks that take half a second, results written beside the data), on a server without replicas. */
async function runTool(server: MysqlBenchServers['source']): Promise<void> {
  await run('pt-table-checksum', [
    `h=${server.host},P=${server.port},u=${server.user},p=${server.password}`,
    '--databases=shop',
    `--tables=${TABLE}`,
    '--recursion-method=none',
    '--no-check-binlog-format',
    '--no-check-replication-filters',
    '--no-version-check',
    '--quiet',
  ]);
}

export async function benchVerifyMysql(options: VerifyOptions): Promise<void> {
  const servers = await startMysqlServers();
  try {
    const sides = [servers.source, servers.target] as const;
    const { sql } = mysqlFill(options.scale);
    for (const server of sides) {
      await mysqlQuery(server, undefined, 'CREATE DATABASE shop');
      await mysqlQuery(server, 'shop', MYSQL_CREATE + sql);
    }
    // Writing the pages of what was just loaded would be measured too.
    await sleep(5_000);
    const [counted] = await mysqlQuery(servers.source, 'shop', `SELECT COUNT(*) AS n FROM ${TABLE}`);
    const rows = Number(counted?.['n']);
    const columns = (
      await mysqlQuery(
        servers.source,
        undefined,
        `SELECT column_name AS name, column_type AS type, is_nullable AS nullable FROM information_schema.columns
          WHERE table_schema = 'shop' AND table_name = '${TABLE}' ORDER BY ordinal_position`,
      )
    ).map(({ name, type, nullable }) => ({
      name: String(name),
      type: normaliseType(String(type)),
      isNullable: nullable === 'YES',
    }));
    const map: RelationMap = {
      source: `shop.${TABLE}`,
      target: `shop.${TABLE}`,
      columns: columns.map(({ name, type }) => ({ name, target: name, sourceType: type, targetType: type })),
      key: ['id'],
      leaves: [`shop.${TABLE}`],
      hasOtherUniqueness: false,
    };

    const open = { applicationName: 'dbps bench', readOnly: true };
    const opened = await Promise.all(
      sides.map(async (server) => {
        const target = mysqlTarget(server, 'shop');
        const session = await openMysqlSession(target, open);
        const introspector = new MysqlIntrospector(queryable(session), 'shop');
        return { engine: 'mysql', session, introspector, checksum: new MysqlChecksum(target, open) } as const;
      }),
    );
    const [source, target] = opened as [(typeof opened)[number], (typeof opened)[number]];

    // Its default: one CRC32 of all columns, which flags stand beside, exclusive or over the rows of a chunk.
    const nullable = columns.filter(({ isNullable }) => isNullable);
    const crc = `COALESCE(LOWER(CONV(BIT_XOR(CAST(CRC32(CONCAT_WS('#', ${columns.map(({ name }) => `\`${name}\``).join(', ')}, CONCAT(${nullable.map(({ name }) => `ISNULL(\`${name}\`)`).join(', ')}))) AS UNSIGNED)), 10, 16)), 0)`;
    const percona = async ({ session }: (typeof opened)[number]) => {
      const ask = queryable(session);
      const found: string[] = [];
      for (let from: string | null = '0'; from !== null;) {
        const [next] = await ask.query({
          sql: `SELECT id FROM ${TABLE} FORCE INDEX (PRIMARY) WHERE id >= ${from} ORDER BY id LIMIT ${options.chunkRows}, 1`,
        });
        const to = next?.['id'] ?? null;
        const [hashed] = await ask.query({
          sql: `SELECT COUNT(*) AS cnt, ${crc} AS crc FROM ${TABLE} FORCE INDEX (PRIMARY) WHERE id >= ${from}${to === null ? '' : ` AND id < ${to}`}`,
        });
        found.push(`${hashed?.['cnt']} ${hashed?.['crc']}`);
        from = to;
      }
      return found.join();
    };
    const dbps =
      (mode: 'full' | 'changed', keys = 0) =>
      async () => {
        const taken = Array.from({ length: keys }, (_, i) => [String(1 + ((i * 7919) % rows))]);
        const result = await verifyService({
          service: 'shop',
          source,
          target,
          maps: [map],
          owner: 'source',
          mode,
          barrier: async () => undefined,
          changed: { size: async () => keys, take: async (_, limit) => taken.slice(0, limit) },
          chunkRows: options.chunkRows,
          jobs: 1,
          emit: () => undefined,
          signal: new AbortController().signal,
          now: () => Date.now(),
        });
        if (!result.isEqual) throw new Error('equal tables were called different');
        return { chunks: result.relations[0]?.chunks };
      };
    const tool: Contender[] = (await has('pt-table-checksum', 'apt-get install percona-toolkit'))
      ? [{ name: 'pt-table-checksum', run: () => runTool(servers.source) }]
      : [];
    await measure({
      bench: 'verify-mysql',
      measure: 'full, one session a side',
      rows,
      rounds: options.rounds,
      peer: tool[0]?.name ?? 'statements of pt-table-checksum',
      contenders: [
        ...tool,
        {
          name: 'statements of pt-table-checksum',
          run: async () => {
            const [a, b] = await Promise.all([percona(source), percona(target)]);
            if (a !== b) throw new Error('equal tables were called different');
          },
        },
        { name: 'dbps', run: dbps('full') },
      ],
    });
    await measure({
      bench: 'verify-mysql',
      measure: '2,000 changed keys',
      rows: 2000,
      rounds: options.rounds,
      peer: 'dbps changed',
      contenders: [{ name: 'dbps changed', run: dbps('changed', 2000) }],
    });
    for (const { checksum, session } of opened) {
      await checksum.close();
      await session.end();
    }
  } finally {
    await servers.stop();
  }
}
