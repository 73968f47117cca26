/** What people hand to `analyze` that is not as it should be: each ends with the right exit code and words that help. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BIN, cleanEnvironment, dbps } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const LIBRARY = fs.readFileSync(path.resolve(import.meta.dirname, '../fixtures/library.sql'), 'utf8');

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-bad-'));
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

function file(name: string, content: string | Buffer): string {
  const full = path.join(directory, name);
  fs.writeFileSync(full, content);
  return full;
}

interface Result {
  readonly code: number | null;
  readonly relationCount: number;
  readonly services: readonly { readonly name: string; readonly relations: readonly string[] }[];
  readonly verdict: { readonly advice: string; readonly reasons: readonly string[] };
  readonly placements: readonly { readonly confidence: number }[];
  readonly findings: readonly { readonly code: string; readonly subject: string }[];
}

async function analyze(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  const { code, stdout, stderr } = await dbps(['analyze', ...args, '--json'], { cwd: directory, env });
  const { result, findings } = JSON.parse(stdout) as {
    result: Omit<Result, 'code' | 'findings'> | null;
  } & Pick<Result, 'findings'>;
  if (result === null) throw new Error(stderr);
  return { ...result, code, findings };
}
const codes = (result: Result) => result.findings.map(({ code }) => code);

test('a UTF-16 file, as PowerShell writes it', async () => {
  const text = `-- PostgreSQL database dump\n${LIBRARY}\n-- PostgreSQL database dump complete\n`;
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
  const [plain, wide] = [
    await analyze(['--from-sql', file('utf8.sql', text)]),
    await analyze(['--from-sql', file('utf16.sql', utf16)]),
  ];
  expect(wide.services).toEqual(plain.services);
  expect(wide.relationCount).toBe(15);
});

const DUMP = `-- PostgreSQL database dump\n${LIBRARY}\n-- PostgreSQL database dump complete\n`;
const INPUT = { cwd: os.tmpdir(), encoding: 'utf8', env: cleanEnvironment() } as const;
const relationsOf = (stdout: string) =>
  (JSON.parse(stdout) as { result: { relationCount: number } }).result.relationCount;

test('a script through a pipe, whose beginning cannot be read twice; one packed by gzip', () => {
  const arguments_ = [BIN, 'analyze', '--json', '--from-sql'];
  const piped = spawnSync(process.execPath, [...arguments_, '-'], { ...INPUT, input: DUMP });
  expect(relationsOf(piped.stdout)).toBe(15);
  const packed = file('packed.sql.gz', gzipSync(DUMP));
  expect(relationsOf(spawnSync(process.execPath, [...arguments_, packed], INPUT).stdout)).toBe(15);
  const substituted = `"${process.execPath}" ${arguments_.join(' ')} <(gzip -dc "${packed}")`;
  expect(relationsOf(spawnSync('bash', ['-c', substituted], INPUT).stdout)).toBe(15);
});

describe('what is no script is refused with what it is, and nothing is proposed', () => {
  const packed = gzipSync(Buffer.from(DUMP));
  const tar = Buffer.alloc(1024);
  tar.write('toc.dat');
  test.each<[string, Buffer | null, string, string]>([
    ['a folder', null, 'is a directory', 'path of a file'],
    ['nothing', Buffer.from(' \n'), 'is empty', 'exit code of pg_dump'],
    ['a custom-format dump', Buffer.from('PGDMP\x01\x0e'), 'custom format', 'pg_restore -s -f schema.sql'],
    ['a tar dump', tar, 'tar format', 'pg_restore -s -f schema.sql'],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), 'packed by zstd', 'zstd -dc'],
    [
      'half of a gzip file',
      packed.subarray(0, packed.length / 2),
      'cut off or damaged',
      'make the dump again',
    ],
    ['an image', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'), 'is no text', 'plain text'],
  ])('%s', async (name, content, what, remedy) => {
    const given = content === null ? directory : file(`${name}.sql`, content);
    const { code, stdout, stderr } = await dbps(['analyze', '--from-sql', given, '--json'], {
      cwd: directory,
    });
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${given} `) as string,
    });
    expect(stderr).toContain('DBPS_E152');
    expect(stderr).toContain(what);
    expect(stderr).toContain(remedy);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, result: null, error: { code: 'DBPS_E152' } });
  });
});

test('escape sequences in names and statements do not reach the terminal', async () => {
  const evil = file('evil.sql', 'CREATE TABLE "a\u001b[2Jb\u0007\u202ec" (id int);\n\u001b]0;owned\u0007;\n');
  const { stdout } = await dbps(['analyze', '--from-sql', evil, '--engine', 'postgres', '--verbose'], {
    cwd: directory,
    env: { FORCE_COLOR: '1' },
  });
  expect(stdout).toContain('a\ufffd[2Jb\ufffd\ufffdc');
  // Its own colours stay.
  expect(stdout).toContain('\u001b[1m');
  expect(stdout.replaceAll(/\u001b\[\d+m/g, '')).not.toMatch(/[\u001b\u0007\u202e]/);
});

test('a truncated dump is an error that says so; what came before is analysed', async () => {
  const text = `-- PostgreSQL database dump\n${LIBRARY.slice(0, LIBRARY.indexOf('CREATE TABLE loan ('))}CREATE TABLE lo`;
  const result = await analyze(['--from-sql', file('cut.sql', text)]);
  expect(result.code).toBe(1);
  expect(codes(result)).toContain('BND151');
  expect(result.services.flatMap(({ relations }) => relations)).toContain('public.branch_room');
});

test.each([
  ['postgres', 'CREATE TABLE a (id bigint PRIMARY KEY);\nCREATE TABLE b (id bigint, a_i'],
  ['mysql', 'CREATE TABLE `a` (`id` bigint PRIMARY KEY);\nCREATE TABLE `b` (`id` bigint, `a_i'],
  ['mysql', 'CREATE TABLE `a` (`id` bigint PRIMARY KEY);\nCREATE TABLE `b` (`id` bigint, `a_id` big'],
])(
  '%s: a script of any tool that ends within a statement is an error with its line',
  async (engine, text) => {
    const result = await analyze(['--from-sql', file(`cut-${engine}.sql`, text), '--engine', engine]);
    expect(result.code).toBe(1);
    expect(result.findings.filter(({ code }) => code === 'BND151').map(({ subject }) => subject)).toEqual([
      expect.stringMatching(/^line 2: CREATE TABLE/),
    ]);
    expect(result.relationCount).toBe(1);
  },
);

test('a statement that cannot be read is named with its line, the rest is read', async () => {
  const lines = LIBRARY.split('\n');
  const result = await analyze([
    '--from-sql',
    file(
      'odd.sql',
      [...lines.slice(0, 3), 'CREATE TABEL oops (', ...lines.slice(3)]
        .join('\n')
        .replace('oops (', 'oops (id int);'),
    ),
  ]);
  expect(result.findings.filter(({ code }) => code === 'BND150').map(({ subject }) => subject)).toEqual([
    expect.stringMatching(/^line 4: CREATE TABEL oops/),
  ]);
  expect(result.services.flatMap(({ relations }) => relations)).toHaveLength(14);
});

describe('a dump of 100 MB with its data in it', () => {
  const ROW_BYTES = 1000;
  const ROWS = 100_000;
  /** Written piece by piece; the process that reads it may hold less than the file. */
  async function write(
    name: string,
    head: string,
    row: (at: number) => string,
    tail: string,
  ): Promise<string> {
    const full = path.join(directory, name);
    const out = fs.createWriteStream(full);
    const put = (text: string) =>
      new Promise<void>((resolve) => (out.write(text) ? resolve() : out.once('drain', resolve)));
    await put(head);
    for (let at = 0; at < ROWS; at += 500)
      await put(Array.from({ length: 500 }, (_, i) => row(at + i)).join(''));
    await put(tail);
    await new Promise((resolve) => out.end(resolve));
    return full;
  }
  const filler = 'x'.repeat(ROW_BYTES - 20);
  const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=72' };

  test('PostgreSQL, by COPY', async () => {
    const full = await write(
      'large.sql',
      `-- PostgreSQL database dump\nCREATE TABLE public.a (id bigint, body text);\nCOPY public.a (id, body) FROM stdin;\n`,
      (at) => `${at}\t; CREATE TABLE no${filler}\n`,
      '\\.\nCREATE TABLE public.b (id bigint PRIMARY KEY);\n-- PostgreSQL database dump complete\n',
    );
    expect(fs.statSync(full).size).toBeGreaterThan(95e6);
    const result = await analyze(['--from-sql', full], SMALL_HEAP);
    expect(result.relationCount).toBe(2);
    expect(codes(result)).not.toContain('BND150');
    fs.rmSync(full);
  });

  test('MySQL, by INSERT of many rows', async () => {
    const full = await write(
      'large-mysql.sql',
      '-- MariaDB dump 10.19\nCREATE TABLE `a` (`id` bigint, `body` text);\n',
      (at) =>
        at % 500 === 0
          ? `INSERT INTO \`a\` VALUES (${at},'; CREATE TABLE no${filler}')`
          : `,(${at},'it\\'s; ${filler}')${at % 500 === 499 ? ';\n' : ''}`,
      'CREATE TABLE `b` (`id` bigint PRIMARY KEY);\n-- Dump completed on 2026-11-22\n',
    );
    expect(fs.statSync(full).size).toBeGreaterThan(95e6);
    const result = await analyze(['--from-sql', full], SMALL_HEAP);
    expect(result.relationCount).toBe(2);
    expect(codes(result)).not.toContain('BND150');
    fs.rmSync(full);
  });
});

test('a statement log much larger than the heap: what is kept grows with what is different', async () => {
  const schema = file('logged.sql', DUMP);
  const log = path.join(directory, 'large.csv');
  const out = fs.openSync(log, 'w');
  const session = (at: number, message: string) =>
    `2026-11-22 08:00:01.123 UTC,"app","shop",${at % 50},"10.0.0.1:5000",6561.${at},3,"X",2026-11-22 08:00:00 UTC,5/12,0,LOG,00000,"${message}",,,,,,,,,"psql","client backend",,0\n`;
  for (let at = 0; at < 100_000; at += 1_000)
    fs.writeSync(
      out,
      Array.from({ length: 1_000 }, (_, i) =>
        [
          'statement: BEGIN',
          `execute S_1: UPDATE member SET name = '${'x'.repeat(200)}' WHERE id = ${at + i}`,
          `execute S_2: INSERT INTO member_card (member_id) VALUES (${at + i})`,
          'statement: COMMIT',
        ]
          .map((message) => session(at + i, message))
          .join(''),
      ).join(''),
    );
  fs.closeSync(out);
  expect(fs.statSync(log).size).toBeGreaterThan(70e6);
  const { code, stdout } = await dbps(['analyze', '--from-sql', schema, '--log', log, '--json'], {
    cwd: directory,
    env: { NODE_OPTIONS: '--max-old-space-size=72' },
  });
  expect(code).not.toBeNull();
  expect((JSON.parse(stdout) as { result: object }).result).toMatchObject({
    workload: { statements: 400_000, unread: 0, transactions: 100_000 },
  });
  fs.rmSync(log);
});

test('zero tables: nothing to divide, and no failure', async () => {
  const result = await analyze([
    '--from-sql',
    file('empty.sql', '-- PostgreSQL database dump\n-- PostgreSQL database dump complete\n'),
  ]);
  expect(result).toMatchObject({ code: 0, relationCount: 0, services: [], verdict: { advice: 'keep' } });
  const { stdout } = await dbps(['analyze', '--from-sql', path.join(directory, 'empty.sql')], {
    cwd: directory,
  });
  expect(stdout).toContain('There are no relations to divide.');
});

test('no foreign key at all: names and columns still give a proposal, and it says how sure it is', async () => {
  const bare = LIBRARY.replaceAll(/ REFERENCES \w+(?: ON DELETE CASCADE)?/g, '').replaceAll(
    /ALTER TABLE .*FOREIGN KEY.*\n/g,
    '',
  );
  const result = await analyze(['--from-sql', file('bare.sql', bare)]);
  const home = new Map(result.services.flatMap(({ name, relations }) => relations.map((id) => [id, name])));
  expect(home.get('public.member_card')).toBe(home.get('public.member'));
  expect(home.get('public.loan_fine')).toBe(home.get('public.loan'));
  expect(result.verdict.reasons.join()).toContain('declares no references');
  for (const { confidence } of result.placements) expect(confidence).toBeLessThanOrEqual(1);
});

describe('live', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase(
      'legacy',
      `${LIBRARY} CREATE SCHEMA secret; CREATE TABLE secret.salary (id bigint PRIMARY KEY, member_id bigint NOT NULL REFERENCES member, amount numeric);
       REVOKE ALL ON SCHEMA secret FROM PUBLIC;`,
    );
  });
  afterAll(async () => database.drop());

  test('a schema that the user may not read is in the proposal all the same: its shape is in the catalogue', async () => {
    const asOwner = await analyze(['--url', database.url, '--no-workload']);
    const asApplication = await analyze(['--url', database.applicationUrl, '--no-workload']);
    expect(asApplication.services.map(({ relations }) => relations)).toEqual(
      asOwner.services.map(({ relations }) => relations),
    );
    expect(asApplication.services.flatMap(({ relations }) => relations)).toContain('secret.salary');
  });

  test('pins that contradict each other are an error that names both (2)', async () => {
    file(
      'dbps.yaml',
      `version: 1
source: { engine: postgres, url: "\${SHARED}" }
services:
  people: { relations: [member, loan] }
apart: [[member, loan]]
`,
    );
    const { code, stderr } = await dbps(['analyze'], { cwd: directory, env: { SHARED: database.url } });
    fs.rmSync(path.join(directory, 'dbps.yaml'));
    expect(code).toBe(2);
    expect(stderr).toMatch(/public\.(?:member|loan).*public\.(?:member|loan)/);
    expect(stderr).toContain('services.people');
  });
});
