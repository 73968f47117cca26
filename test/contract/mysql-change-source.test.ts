/** Capture from a real binary log: what a stream says of each change, and when a start is refused. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type {
  Change,
  ChangeStream,
  ChangeTransaction,
  Checkpoint,
  PreparedCapture,
  RelationMap,
} from '../../src/engines/engine.js';
import { MysqlChangeSource } from '../../src/engines/mysql/mysql-change-source.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { mysqlMapOf } from '../support/mysql-moving.js';
import { OWNER } from '../support/moving.js';

const STREAM = { service: OWNER.service, direction: 'forward' } as const;

let server: MysqlTestServer;

beforeAll(async () => {
  server = await startMysqlServer({ 'binlog-row-metadata': 'NO_LOG' });
});

afterAll(async () => {
  await server?.stop();
});

interface Source {
  readonly sql: MysqlTestDatabase;
  readonly changes: MysqlChangeSource;
  readonly control: MysqlControl;
  readonly pool: MysqlPool;
  map(table: string, key?: readonly string[]): Promise<RelationMap>;
  prepare(maps: readonly RelationMap[]): Promise<PreparedCapture>;
  stream(
    maps: readonly RelationMap[],
    capture: PreparedCapture,
    from?: Partial<Checkpoint>,
    maxChanges?: number,
  ): Promise<ChangeStream>;
}

const open: { source?: Source; streams: ChangeStream[] } = { streams: [] };

async function openSource(schema: string): Promise<Source> {
  const sql = await server.createDatabase(schema);
  const pool = await MysqlPool.open(sql.target, { applicationName: 'dbps test' });
  const control = new MysqlControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
  const changes = new MysqlChangeSource(pool, sql.target, 'dbps test');
  open.source = {
    sql,
    changes,
    control,
    pool,
    map: (table, key) => mysqlMapOf(sql, sql, table, key),
    prepare: (maps) => changes.prepare(STREAM, maps, OWNER),
    stream: async (maps, capture, from, maxChanges) => {
      const checkpoint: Checkpoint = {
        ...STREAM,
        epoch: 1,
        applied: capture.start,
        received: capture.start,
        source: capture.identity,
        updatedAt: '',
        ...from,
      };
      const { signal } = new AbortController();
      const stream = await changes.stream({
        stream: STREAM,
        maps,
        checkpoint,
        signal,
        ...(maxChanges !== undefined && { maxChanges }),
      });
      open.streams.push(stream);
      return stream;
    },
  };
  return open.source;
}

afterEach(async () => {
  for (const stream of open.streams.splice(0)) await stream.close();
  const { source } = open;
  delete open.source;
  await source?.changes.teardown(STREAM, OWNER);
  await source?.control.remove(OWNER);
  await source?.pool.close();
  await source?.sql.drop();
});

/** Everything up to the next marker row. */
async function readAll(source: Source, stream: ChangeStream): Promise<ChangeTransaction[]> {
  const nonce = `end-${Math.random()}`;
  await source.control.writeBarrier(OWNER, nonce);
  const transactions: ChangeTransaction[] = [];
  for await (const transaction of stream) {
    if (transaction.barriers.includes(nonce)) return transactions;
    transactions.push(transaction);
  }
  throw new Error('the stream ended');
}

const changesOf = (transactions: readonly ChangeTransaction[]): Change[] =>
  transactions.flatMap((transaction) => transaction.changes);

test('changes name the key, and the old one where it changed; generated columns stay at home', async () => {
  const source = await openSource(`
    CREATE TABLE plain (id int PRIMARY KEY, big mediumtext, n int);
    CREATE TABLE composed (a varchar(20) NOT NULL, b int NOT NULL, c int, PRIMARY KEY (a, b));
    CREATE TABLE made (id int PRIMARY KEY, twice int AS (n * 2) STORED, n int, thrice int AS (n * 3) VIRTUAL, last int);`);
  const maps = [
    await source.map('plain'),
    await source.map('composed', ['b', 'a']),
    await source.map('made'),
  ];
  const capture = await source.prepare(maps);
  expect(capture.created).toBe(true);
  expect((await source.prepare(maps)).created).toBe(false);
  const stream = await source.stream(maps, capture);
  const big = 'x'.repeat(70_000);
  await source.sql.query(`
    INSERT INTO plain VALUES (1, '${big}', 1); UPDATE plain SET n = 2; UPDATE plain SET id = 2; DELETE FROM plain;
    INSERT INTO composed VALUES ('k', 7, NULL); UPDATE composed SET c = 1; UPDATE composed SET a = 'l'; DELETE FROM composed;
    INSERT INTO made (id, n, last) VALUES (1, 5, 9), (2, NULL, 8); UPDATE made SET n = 6 WHERE id = 1;`);
  const changes = changesOf(await readAll(source, stream));
  const [plain, composed, made] = maps;
  expect(changes).toEqual([
    { kind: 'insert', map: plain, values: ['1', big, '1'] },
    { kind: 'update', map: plain, values: ['1', big, '2'], oldKey: null },
    { kind: 'update', map: plain, values: ['2', big, '2'], oldKey: ['1'] },
    { kind: 'delete', map: plain, key: ['2'] },
    { kind: 'insert', map: composed, values: ['k', '7', null] },
    { kind: 'update', map: composed, values: ['k', '7', '1'], oldKey: null },
    { kind: 'update', map: composed, values: ['l', '7', '1'], oldKey: ['7', 'k'] },
    { kind: 'delete', map: composed, key: ['7', 'l'] },
    { kind: 'insert', map: made, values: ['1', '5', '9'] },
    { kind: 'insert', map: made, values: ['2', null, '8'] },
    { kind: 'update', map: made, values: ['1', '6', '9'], oldKey: null },
  ]);
});
