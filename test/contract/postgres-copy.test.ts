/** Reading and writing chunks: whatever the key and the types, all rows arrive once and unchanged. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { parseLsn } from '../../src/engines/postgres/postgres-lsn.js';
import { PostgresCopyWriter } from '../../src/engines/postgres/postgres-sink-copy.js';
import { contentOf, mapOf, openCopy, OWNER, type CopyPieces } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

let legacy: TestDatabase;
let service: TestDatabase;
let pieces: CopyPieces;

beforeAll(async () => {
  [legacy, service] = await Promise.all([createTestDatabase('legacy'), createTestDatabase('service')]);
  pieces = await openCopy(legacy, service);
});
afterAll(async () => {
  await pieces.close();
  await Promise.all([legacy.drop(), service.drop()]);
});

let tables = 0;
/** The same table on both sides, empty on the target. */
async function bothSides(columns: string, fill: (table: string) => string, both = ''): Promise<string> {
  const table = `public.t${++tables}`;
  await legacy.query(`${both}; CREATE TABLE ${table} (${columns})`);
  await service.query(`${both}; CREATE TABLE ${table} (${columns})`);
  await legacy.query(fill(table));
  return table;
}

describe('any key', () => {
  const keys: [name: string, columns: string, values: string, key: string[]][] = [
    ['bigint', 'id bigint PRIMARY KEY, v text', 'g * 7 - 5000, g', ['id']],
    ['uuid', 'id uuid PRIMARY KEY, v text', 'md5(g::text)::uuid, g', ['id']],
    ['numeric', 'id numeric PRIMARY KEY, v text', "CASE g WHEN 7 THEN 'NaN' ELSE g * 0.10 END, g", ['id']],
    [
      'text, database collation',
      'id text PRIMARY KEY, v text',
      "chr(33 + g % 90) || E'\\\\''\"\\t' || g, g",
      ['id'],
    ],
    [
      'text, ICU collation',
      'id text COLLATE "en-x-icu" PRIMARY KEY, v text',
      "chr(33 + g % 90) || 'é' || g, g",
      ['id'],
    ],
    [
      'timestamptz',
      'id timestamptz PRIMARY KEY, v text',
      "CASE g WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' ELSE '2020-03-29 00:00:00.000001+01'::timestamptz + g * interval '1 hour' END, g",
      ['id'],
    ],
    [
      'interval',
      'id interval PRIMARY KEY, v text',
      "g * interval '1 month 2 days 3.000001 seconds' - interval '4 years', g",
      ['id'],
    ],
    [
      'composite, mixed case, reserved',
      '"Order" integer, "from" text, v text, PRIMARY KEY ("Order", "from")',
      "g / 10, 'x' || g, g",
      ['Order', 'from'],
    ],
    ['bytea', 'id bytea PRIMARY KEY, v text', "decode(md5(g::text), 'hex'), g", ['id']],
    ['char', 'id char(8) PRIMARY KEY, v text', "'k' || g, g", ['id']],
    [
      'float',
      'id float8 PRIMARY KEY, v text',
      "CASE g WHEN 3 THEN 'NaN' WHEN 4 THEN '-Infinity' ELSE 1.0 / g END, g",
      ['id'],
    ],
    ['inet', 'id inet PRIMARY KEY, v text', "'10.0.0.0'::inet + g, g", ['id']],
    ['range', 'id int4range PRIMARY KEY, v text', 'int4range(g, g + 5), g', ['id']],
  ];
  test.each(keys)('%s', async (_, columns, values, key) => {
    const table = await bothSides(
      columns,
      (t) => `INSERT INTO ${t} SELECT ${values} FROM generate_series(1, 1000) g`,
    );
    const map = await mapOf(legacy, table, key);
    const { chunks, rows } = await pieces.copy(map, 90);
    expect(chunks).toBeGreaterThan(8);
    expect(rows).toBe(1000);
    expect(await contentOf(service, table)).toEqual(await contentOf(legacy, table));
  });

  test('names that try to break out of their quotes', async () => {
    const table = 'public."Order; drop--""x"';
    for (const side of [legacy, service])
      await side.query(`CREATE TABLE ${table} ("key'\\""" text PRIMARY KEY, "--" text)`);
    await legacy.query(`INSERT INTO ${table} SELECT $1 || g, $1 FROM generate_series(1, 100) g`, [
      `'\\"; --`,
    ]);
    const map = {
      ...(await mapOf(legacy, table, [`key'\\"`])),
      source: 'public."Order; drop--""x"',
      target: 'public."Order; drop--""x"',
    };
    expect((await pieces.copy(map, 20)).rows).toBe(100);
    expect(await contentOf(service, table)).toEqual(await contentOf(legacy, table));
  });

  test('any text at all, as key and as value', async () => {
    const table = await bothSides('id text PRIMARY KEY, v text, b bytea', (t) => `SELECT 1 FROM ${t}`);
    const map = await mapOf(legacy, table);
    const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((s) => s.replaceAll('\0', ''));
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(text, text, fc.uint8Array({ maxLength: 9 })), {
          selector: ([id]) => id,
          maxLength: 40,
        }),
        fc.constantFrom('postgres-binary' as const, 'postgres-text' as const, 'rows' as const),
        async (rows, format) => {
          await legacy.query(`TRUNCATE ${table}`);
          for (const [id, v, b] of rows)
            await legacy.query(`INSERT INTO ${table} VALUES ($1, $2, $3)`, [id, v, Buffer.from(b)]);
          // Binary reading skips the parser of values; text has its own escapes. Both must keep everything.
          await pieces.control.pool.transaction((c) =>
            c.query(
              "INSERT INTO dbps.checkpoint VALUES ('orders', 'forward', 1, '0/0', '0/0', '{}') ON CONFLICT DO NOTHING",
            ),
          );
          await pieces.writer.resetRelation(map);
          const chunks = await pieces.writer.recordChunks(map, await pieces.snapshot.planChunks(map, 7));
          for (const chunk of chunks)
            await pieces.writer.writeChunk(map, chunk, await pieces.snapshot.readChunk(map, chunk, format));
          expect(await contentOf(service, table)).toEqual(await contentOf(legacy, table));
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('any type', () => {
  test.each([['postgres-binary'], ['rows']] as const)(
    'values at the edges of every type, as %s',
    async (format) => {
      const columns = `id integer PRIMARY KEY, i2 smallint, i8 bigint, n numeric, n2 numeric(12,4), f4 real, f8 double precision, m money,
      t text, vc varchar(20), c char(5), b bytea, ts timestamp, tz timestamptz(3), d date, ti time, tt timetz, iv interval, bo boolean,
      u uuid, j json, jb jsonb, x xml, bi bit(5), vb varbit, ine inet, ci cidr, ma macaddr, p point, bx box, po polygon, pa path, li line,
      ls lseg, ce circle, tv tsvector, tq tsquery, ia integer[], ta text[], r int4range, mr int4multirange, tr tstzrange, l pg_lsn, ch "char"`;
      const table = await bothSides(
        columns,
        (t) => `INSERT INTO ${t} VALUES
      (1, -32768, 9223372036854775807, 'NaN', 1.5, 'Infinity', '-0', '-92233720368547758.08', E'a\\tb\\n\\\\', '', 'ab', '\\x00ff27', 'infinity', '-infinity',
       '4713-01-01 BC', '24:00', '15:00-15:59', '-178000000 years', true, '00000000-0000-0000-0000-000000000000', '{"a": 1.0, "a":2}', '{"b":[1e400]}', '<a>&amp;</a>',
       B'10101', B'', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '(1,-0)', '((0,0),(1e300,1))', '((0,0),(1,1))', '[(0,0),(1,1)]', '{1,2,3}', '[(0,0),(1,1)]',
       '<(0,0),1>', '''a'':1A b:2', 'a & !b', '{1,NULL,3}', '{"a,b","\\"",NULL,""}', '[1,5)', '{[1,2),[5,6)}', '[2020-01-01,infinity)', 'FF/FFFFFFFF', 'x'),
      (2, 0, 0, 1e-1000, 0, 'NaN', 5e-324, 0, '', 'é', '', '', '294276-12-31 23:59:59.999999', '2020-03-29 01:00:00.001+00', '5874897-12-31', '0:00:00.000001', '0:00+15:59', '1 mon -1 day 00:00:00.000001',
       false, 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', '"\\u2028"', '', B'00000', B'1', '1.2.3.4', '::/0', 'ff:ff:ff:ff:ff:ff', '(NaN,Infinity)', '((1,1),(0,0))', '((0,0))', '((0,0))', '{0,1,0}', '[(0,0),(0,0)]',
       '<(0,0),0>', '', NULL, '{}', '{{a,b},{c,d}}', 'empty', '{}', '(,)', '0/0', ''),
      (3, ${Array(43).fill('NULL').join(', ')})`,
      );
      const map = await mapOf(legacy, table);
      expect(await pieces.copy(map, 1, [format])).toMatchObject({ rows: 3, format });
      expect(await contentOf(service, table)).toEqual(await contentOf(legacy, table));
    },
  );

  test('types whose binary form names identifiers of one database go as text', async () => {
    const types = `CREATE TYPE mood AS ENUM ('so "so"', 'ok,\\', 'é'); CREATE TYPE pair AS (m mood, n numeric); CREATE DOMAIN pos AS integer CHECK (value > 0)`;
    // Identifiers must differ for the test to mean anything.
    await service.query('CREATE TYPE elsewhere AS ENUM ()');
    const cases: [columns: string, values: string, format: string][] = [
      ['id integer PRIMARY KEY, m mood, p pos', "1, 'ok,\\', 7", 'postgres-binary'],
      ['id integer PRIMARY KEY, m mood[]', "1, ARRAY['é', NULL, 'so \"so\"']::mood[]", 'postgres-text'],
      ['id integer PRIMARY KEY, m pair', "1, ROW('é', 1.0)::pair", 'postgres-text'],
      ['id integer PRIMARY KEY, p pos[]', "1, '{1,2}'", 'postgres-text'],
      ['id integer PRIMARY KEY, r regclass', "1, 'public.later'", 'postgres-text'],
    ];
    let both = `${types}; CREATE TABLE later ()`;
    for (const [columns, values, format] of cases) {
      const table = await bothSides(columns, (t) => `INSERT INTO ${t} VALUES (${values})`, both);
      both = '';
      expect(await pieces.copy(await mapOf(legacy, table))).toMatchObject({ rows: 1, format });
      expect(await contentOf(service, table)).toEqual(await contentOf(legacy, table));
    }
  });

  test('another type on the other side: text, converted by the target', async () => {
    await legacy.query(
      "CREATE TABLE wider (id integer PRIMARY KEY, v varchar(5)); INSERT INTO wider VALUES (1, 'a'), (2, NULL)",
    );
    await service.query('CREATE TABLE wider (id bigint PRIMARY KEY, label text)');
    const map = await mapOf(legacy, 'public.wider');
    const wider = {
      ...map,
      columns: [
        { ...map.columns[0]!, targetType: 'bigint' },
        { ...map.columns[1]!, target: 'label', targetType: 'text' },
      ],
    };
    expect(await pieces.copy(wider)).toMatchObject({ rows: 2, format: 'postgres-text' });
    expect(await service.query('SELECT * FROM wider ORDER BY id')).toEqual([
      { id: '1', label: 'a' },
      { id: '2', label: null },
    ]);
  });
});

describe('any shape', () => {
  test('a partitioned table is read through its root, an inheritance parent without its children', async () => {
    const ddl = `CREATE TABLE parted (id integer, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
      CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) PARTITION BY HASH (id);
      CREATE TABLE parted_2a PARTITION OF parted_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE parted_2b PARTITION OF parted_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
      CREATE TABLE parent (id integer PRIMARY KEY); CREATE TABLE child (extra text, PRIMARY KEY (id)) INHERITS (parent);`;
    await legacy.query(ddl);
    await service.query(ddl);
    await legacy.query(`INSERT INTO parted SELECT g, date '2019-01-01' + g FROM generate_series(1, 1000) g;
      INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 'c'), (3, 'd')`);
    const parted = {
      ...(await mapOf(legacy, 'public.parted', ['id', 'at'])),
      leaves: ['public.parted_1', 'public.parted_2a', 'public.parted_2b'],
    };
    const result = await pieces.copy(parted, 100);
    expect(result.rows).toBe(1000);
    expect(result.chunks).toBeGreaterThan(5);
    expect((await pieces.copy(await mapOf(legacy, 'public.parent'))).rows).toBe(2);
    expect((await pieces.copy(await mapOf(legacy, 'public.child'))).rows).toBe(2);
    for (const table of ['parted', 'parent', 'child'])
      expect(await contentOf(service, table)).toEqual(await contentOf(legacy, table));
  });

  test('rows hidden by row security are an error, never left out', async () => {
    await legacy.query(`CREATE TABLE hidden (id integer PRIMARY KEY); INSERT INTO hidden VALUES (1), (2);
      ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; ALTER TABLE hidden FORCE ROW LEVEL SECURITY; CREATE POLICY first_only ON hidden USING (id = 1)`);
    await service.query('CREATE TABLE hidden (id integer PRIMARY KEY)');
    await expect(pieces.copy(await mapOf(legacy, 'public.hidden'))).rejects.toThrow(/row-level security/);
    expect(await contentOf(service, 'hidden')).toEqual([]);
  });

  test('generated columns stay home, an empty table is one chunk', async () => {
    const table = await bothSides(
      'id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a integer, twice integer GENERATED ALWAYS AS (a * 2) STORED',
      (t) => `INSERT INTO ${t} (a) VALUES (4)`,
    );
    expect((await pieces.copy(await mapOf(legacy, table))).rows).toBe(1);
    expect(await contentOf(service, table)).toEqual(['(1,4,8)']);
    const empty = await bothSides('id integer PRIMARY KEY', (t) => `SELECT 1 FROM ${t}`);
    expect(await pieces.copy(await mapOf(legacy, empty))).toMatchObject({ chunks: 1, rows: 0 });
  });

  test('values larger than the buffers on the way, and many small rows', async () => {
    const table = await bothSides(
      'id integer PRIMARY KEY, v text',
      (t) =>
        `INSERT INTO ${t} SELECT g, CASE WHEN g % 1000 = 0 THEN repeat(md5(g::text), 100000) ELSE g::text END FROM generate_series(1, 5000) g`,
    );
    expect((await pieces.copy(await mapOf(legacy, table), 1500)).rows).toBe(5000);
    // Lines longer than a buffer, as rows.
    const reader = await pieces.snapshot.readKeys(await mapOf(legacy, table), [['1000'], ['1001']], 'rows');
    const read: unknown[] = [];
    for await (const rows of reader.data)
      read.push(...(rows as unknown[][]).map((row) => [row[0], String(row[1]).length]));
    expect(await reader.finish()).toMatchObject({ rows: 2 });
    expect(read.sort()).toEqual([
      ['1000', 3_200_000],
      ['1001', 4],
    ]);
    const digest = `SELECT count(*), sum(length(v)), md5(string_agg(md5(v), '' ORDER BY id)) FROM ${table}`;
    expect(await service.query(digest)).toEqual(await legacy.query(digest));
  });
});

describe('what goes wrong', () => {
  test('a chunk that is already there is skipped', async () => {
    const table = await bothSides(
      'id integer PRIMARY KEY',
      (t) => `INSERT INTO ${t} SELECT generate_series(1, 10)`,
    );
    const map = await mapOf(legacy, table);
    await pieces.copy(map);
    const [chunk] = await pieces.writer.recordedChunks(map);
    const again = await pieces.writer.writeChunk(
      map,
      chunk!,
      await pieces.snapshot.readChunk(map, chunk!, 'postgres-binary'),
    );
    expect(again).toEqual({ rows: 0, bytes: 0 });
    expect(await contentOf(service, table)).toHaveLength(10);
    const progress = await pieces.writer.copyProgress();
    expect(progress.find((p) => p.relation === table)).toMatchObject({
      chunks: 1,
      done: 1,
      rows: 10,
      position: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/) as string,
    });
  });

  test('a chunk that the target refuses leaves nothing behind and can be written again', async () => {
    const table = await bothSides(
      'id integer PRIMARY KEY, v text',
      (t) => `INSERT INTO ${t} SELECT g, repeat('x', 1000) FROM generate_series(1, 20000) g`,
    );
    await service.query(`INSERT INTO ${table} VALUES (500, 'in the way')`);
    const map = await mapOf(legacy, table);
    await expect(pieces.copy(map)).rejects.toThrow(/duplicate key/);
    expect((await pieces.writer.recordedChunks(map)).map((c) => c.isDone)).toEqual([false]);
    await service.query(`DELETE FROM ${table}`);
    expect((await pieces.copy(map)).rows).toBe(20_000);
  });

  test('an abort in the middle leaves nothing behind', async () => {
    const table = await bothSides(
      'id integer PRIMARY KEY, v text',
      (t) => `INSERT INTO ${t} SELECT g, repeat('x', 1000) FROM generate_series(1, 20000) g`,
    );
    const map = await mapOf(legacy, table);
    const [chunk] = await pieces.writer.recordChunks(map, await pieces.snapshot.planChunks(map, 100_000));
    const stop = new AbortController();
    const reader = await pieces.snapshot.readChunk(map, chunk!, 'postgres-binary', stop.signal);
    const stopping = {
      ...reader,
      format: reader.format,
      finish: () => reader.finish(),
      cancel: () => reader.cancel(),
      data: (async function* () {
        for await (const part of reader.data) {
          yield part;
          stop.abort(new Error('stopped by the test'));
        }
      })(),
    };
    await expect(pieces.writer.writeChunk(map, chunk!, stopping, stop.signal)).rejects.toThrow(
      'stopped by the test',
    );
    expect((await pieces.copy(map)).rows).toBe(20_000);
  });

  test('H4: a transaction that was running when capture began is waited for', async () => {
    const late = await legacy.connect();
    const before = await pieces.snapshot.currentSnapshot();
    await legacy.query('CREATE TABLE late (id integer PRIMARY KEY)');
    await late.query('BEGIN; INSERT INTO late VALUES (1)');
    const since = await pieces.snapshot.currentSnapshot();
    let isVisible = false;
    const waiting = pieces.snapshot.waitUntilVisible(since).then(() => (isVisible = true));
    // Those that began later are not waited for; and meanwhile the other wait has looked at least once.
    for (let i = 0; i < 3; i++) await pieces.snapshot.waitUntilVisible(before);
    expect(isVisible).toBe(false);
    await late.query('COMMIT');
    await waiting;
  });

  test('H4: a chunk’s position is not before a commit that its reader has seen, on disk or not', async () => {
    const table = await bothSides('id integer PRIMARY KEY, n int', (t) => `INSERT INTO ${t} VALUES (1, 0)`);
    const map = await mapOf(legacy, table);
    const [chunk] = await pieces.snapshot.planChunks(map, 100);
    for (let n = 1; n <= 20; n++) {
      // Acknowledged before it is written: others see it, and the written position is still behind it.
      await legacy.query(`SET synchronous_commit = off; UPDATE ${table} SET n = ${n}`);
      const [at] = await legacy.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn');
      const reader = await pieces.snapshot.readChunk(map, chunk!, 'postgres-binary');
      for await (const part of reader.data) void part;
      const { position } = await reader.finish();
      expect(parseLsn(position) >= parseLsn(at?.lsn ?? '')).toBe(true);
    }
    await legacy.query('RESET synchronous_commit');
  });

  test('H7: a dead runner’s late chunk is refused, and a take-over waits for one that is being written', async () => {
    const table = await bothSides('id integer PRIMARY KEY', (t) => `INSERT INTO ${t} VALUES (1), (2)`);
    const map = await mapOf(legacy, table);
    const pool = await SessionPool.open(service.target, { applicationName: 'dbps test' });
    const zombie = new PostgresCopyWriter(OWNER, pool, service.target, { applicationName: 'dbps test' });
    const [chunk] = await zombie.recordChunks(map, await pieces.snapshot.planChunks(map, 100));
    const reader = await pieces.snapshot.readChunk(map, chunk!, 'postgres-binary');
    let goOn!: () => void;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let reached!: () => void;
    const reading = new Promise<void>((resolve) => (reached = resolve));
    const slow = {
      format: reader.format,
      finish: () => reader.finish(),
      cancel: () => reader.cancel(),
      data: (async function* () {
        yield* reader.data;
        reached();
        await held;
      })(),
    };
    const writing = zombie.writeChunk(map, chunk!, slow);
    await reading;
    const order: string[] = [];
    const takeOver = pieces.control.raiseEpoch({ ...OWNER, epoch: 2 }).then(() => order.push('taken over'));
    // The row was deleted in the source meanwhile; the chunk in hand still holds it.
    await legacy.query(`DELETE FROM ${table} WHERE id = 2`);
    await expect
      .poll(async () => (await service.query(`SELECT 1 FROM pg_locks WHERE NOT granted`)).length)
      .toBe(1);
    order.push('chunk goes on');
    goOn();
    await writing;
    await takeOver;
    expect(order).toEqual(['chunk goes on', 'taken over']);

    // From now on the old epoch writes nothing, neither chunks nor plans.
    await service.query(
      `TRUNCATE ${table}; UPDATE dbps.chunk SET is_done = false WHERE relation = '${table}'`,
    );
    const late = await pieces.snapshot.readChunk(map, chunk!, 'postgres-binary');
    await expect(zombie.writeChunk(map, chunk!, late)).rejects.toMatchObject({ code: 'DBPS_E301' });
    await expect(zombie.recordChunks({ ...map, source: 'public.other' }, [])).rejects.toMatchObject({
      code: 'DBPS_E301',
    });
    expect(await contentOf(service, table)).toEqual([]);
    await zombie.close();
    await pool.close();
  });
});
