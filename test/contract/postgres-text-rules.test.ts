/** A database that provisioning makes sorts as the shared one does; one that was there and sorts otherwise is told. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabaseIfMissing } from '../../src/engines/postgres/postgres-database.js';
import { assessText } from '../../src/engines/postgres/postgres-preflight-judgement.js';
import { createLike, readTextRules } from '../../src/engines/postgres/postgres-text-rules.js';
import type { DatabaseLocale, TextRules } from '../../src/model/text-rules.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const OPTIONS = { applicationName: 'dbps test' };
let database: TestDatabase;
let root: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  root = new pg.Client(database.superuserUrl);
  await root.connect();
});
afterAll(async () => {
  await root?.end();
  await database?.drop();
});

const libc = (collate: string, ctype = collate): DatabaseLocale => ({
  provider: 'libc',
  collate,
  ctype,
  name: null,
});

/** Its name is another one each time, and it is gone at the end. */
async function made(like: TextRules | undefined): Promise<TextRules> {
  const name = `t_like_${randomBytes(4).toString('hex')}`;
  try {
    expect(await createDatabaseIfMissing(database.target.withDatabase(name), OPTIONS, like)).toBe(true);
    expect(await createDatabaseIfMissing(database.target.withDatabase(name), OPTIONS, like)).toBe(false);
    return await readTextRules(root, name);
  } finally {
    await root.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

test.each<TextRules>([
  { encoding: 'UTF8', locale: libc('C', 'C.UTF-8') },
  { encoding: 'LATIN1', locale: libc('C') },
  { encoding: 'UTF8', locale: { provider: 'icu', collate: 'C', ctype: 'C.UTF-8', name: 'de-DE' } },
])('$encoding, $locale.provider $locale.collate', async (like) => {
  expect(await made(like)).toEqual(like);
});

test('where nothing is to be like, or the usual is, the usual is made', async () => {
  const usual = await readTextRules(root, 'template1');
  expect(await made(undefined)).toEqual(usual);
  expect(await made(usual)).toEqual(usual);
  // Each column of the other engine has its own.
  expect(await made({ encoding: usual.encoding, locale: null })).toEqual(usual);
});

test('a locale that the server lacks is refused with what to do, and nothing is made', async () => {
  const name = `t_like_${randomBytes(4).toString('hex')}`;
  const target = database.target.withDatabase(name);
  const like: TextRules = { encoding: 'UTF8', locale: libc('xx_YY.UTF-8') };
  await expect(createDatabaseIfMissing(target, OPTIONS, like)).rejects.toMatchObject({
    code: 'DBPS_E318',
    message: expect.stringContaining('(xx_YY.UTF-8)') as unknown,
    hint: expect.stringContaining(`CREATE DATABASE "${name}"`) as unknown,
  });
  expect((await root.query('SELECT FROM pg_database WHERE datname = $1', [name])).rowCount).toBe(0);
});

test('a database that sorts otherwise is told with the statement that makes one like the other', () => {
  const own: TextRules = { encoding: 'UTF8', locale: libc('en_US.utf8') };
  const told = (otherText: TextRules) =>
    assessText(own, { role: 'target', otherText }, { database: 'orders' }, {}).flatMap(
      ({ finding }) => finding ?? [],
    );
  // Two names of one.
  expect(told({ encoding: 'UTF8', locale: libc('en_US.UTF-8') })).toEqual([]);
  expect(told({ encoding: 'UTF8', locale: null })).toEqual([]);
  const other: TextRules = { encoding: 'UTF8', locale: libc('C', 'C.UTF-8') };
  expect(told(other)).toMatchObject([
    {
      code: 'RPL113',
      severity: 'warning',
      message:
        'texts in orders sort and change case by en_US.utf8, in the shared database by C, case by C.UTF-8',
      remedy: `make the database anew: ${createLike('orders', other)};`,
    },
  ]);
  expect(told({ encoding: 'LATIN1', locale: libc('C') })).toMatchObject([{ code: 'RPL111' }]);
});
