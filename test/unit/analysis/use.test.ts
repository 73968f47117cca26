/** Evidence from use: statements without their values, who writes what, and what the findings say of it. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { analyzeBoundaries, NO_EVIDENCE, type BoundaryEvidence } from '../../../src/analysis/analyze.js';
import { userEdges } from '../../../src/analysis/edges.js';
import { withoutValues } from '../../../src/analysis/statement-text.js';
import type { ResolvedUse } from '../../../src/analysis/workload.js';
import { analyze } from '../../../src/app/analyze.js';
import { relation, schemaOf, SHOP } from '../../support/schema.js';

const shop = SHOP.map((line) => relation(line));
const NO_PINS = { services: {}, together: [], apart: [], shared: [] };
const judge = (evidence: Partial<BoundaryEvidence>, servicesWanted?: number) =>
  analyzeBoundaries(
    {
      schema: schemaOf(shop),
      pins: NO_PINS,
      granularity: 0.5,
      ...(servicesWanted !== undefined && { servicesWanted }),
    },
    { ...NO_EVIDENCE, ...evidence },
  );
const use = (writes: readonly string[], user?: string): ResolvedUse => ({
  kind: 'query',
  text: `write ${writes.join()} ${user ?? ''}`,
  calls: 100,
  totalMs: 1,
  reads: [],
  writes,
  columns: new Map(),
  ...(user !== undefined && { user }),
});

describe('statements without their values', () => {
  test.each<['postgres' | 'mysql', string, string]>([
    [
      'postgres',
      "SELECT * FROM t1 WHERE a = 'it''s' AND b=12.5 AND c IN (1, 2,3) -- me@home\n",
      'SELECT * FROM t1 WHERE a = ? AND b=? AND c IN (?, …)',
    ],
    ['postgres', "INSERT INTO a VALUES (1, 'b'), (2, E'c\\'d');", 'INSERT INTO a VALUES (?, …), …'],
    ['postgres', String.raw`SELECT 'C:\', "a 1", $1 FROM t2`, 'SELECT ?, "a 1", $1 FROM t2'],
    ['postgres', 'DO $x$ secret 1 $x$; SELECT 2', 'DO ?; SELECT ?'],
    [
      'mysql',
      String.raw`SELECT "secret", 'x\'y', ${'`a 1`'} FROM b LIMIT 5`,
      'SELECT ?, ?, `a 1` FROM b LIMIT ?',
    ],
    ['mysql', "SELECT 'cut off at the end", 'SELECT ?'],
  ])('%s: %s', (engine, sql, expected) => {
    expect(withoutValues(sql, engine)).toBe(expected);
  });

  test('the same statement with other values is one crossing, its calls together, and shows no value', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-use-'));
    const file = (name: string, text: string) => {
      fs.writeFileSync(path.join(folder, name), text);
      return path.join(folder, name);
    };
    try {
      const { analysis, workload } = await analyze({
        source: {
          kind: 'sql',
          file: file(
            'schema.sql',
            'CREATE TABLE a (id bigserial PRIMARY KEY, mail text); CREATE TABLE b (id bigserial PRIMARY KEY, a_id bigint REFERENCES a);',
          ),
        },
        logs: [
          file(
            'log.sql',
            [1, 2, 3]
              .map((n) => `SELECT 1 FROM a JOIN b ON b.a_id = a.id WHERE mail = 'm${n}@home';`)
              .join('\n'),
          ),
        ],
        pins: { ...NO_PINS, services: { one: ['public.a'], two: ['public.b'] } },
      });
      expect(workload.statements).toBe(3);
      const queries = analysis.crossings.filter(({ kind }) => kind === 'query');
      expect(queries.map(({ subject }) => subject)).toEqual([
        'SELECT ? FROM a JOIN b ON b.a_id = a.id WHERE mail = ?',
      ]);
      expect(JSON.stringify(analysis)).not.toContain('@home');
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe('who writes what', () => {
  const index = new Map(shop.map(({ id }, at) => [id, at]));

  test('what one user alone was seen to write pulls together', () => {
    const edges = userEdges(
      [
        use(['public.invoices', 'public.users'], 'billing'),
        use(['public.products'], 'catalog'),
        use(['public.product_images'], 'catalog'),
      ],
      index,
      shop.length,
    );
    const pairs = edges.map(({ a, b }) => [shop[a]?.id, shop[b]?.id].sort().join(' '));
    expect(pairs.sort()).toEqual(['public.invoices public.users', 'public.product_images public.products']);
    expect(edges[0]?.detail).toContain('alone was seen to write it');
  });

  test('one user for everything says nothing', () => {
    expect(userEdges([use(['public.invoices', 'public.users'], 'app')], index, shop.length)).toEqual([]);
  });

  test('users of a service: by grants and as seen; the owner is none', () => {
    const relations = shop.map((found) =>
      found.name === 'users'
        ? {
            ...found,
            owner: 'boss',
            grants: [
              { grantee: 'boss', privilege: 'INSERT', isGrantable: false },
              { grantee: 'reports', privilege: 'SELECT', isGrantable: false },
            ],
          }
        : found,
    );
    const analysis = analyzeBoundaries(
      { schema: schemaOf(relations), pins: NO_PINS, granularity: 0.5 },
      { ...NO_EVIDENCE, workload: [use(['public.users'], 'app')] },
    );
    const service = analysis.services.find((found) => found.relations.includes('public.users'));
    expect(service?.users).toEqual([
      { name: 'app', reads: false, writes: true, isSeen: true },
      { name: 'reports', reads: true, writes: false, isSeen: false },
    ]);
  });
});

describe('findings on use and room', () => {
  const codes = (analysis: ReturnType<typeof judge>) => analysis.findings.map(({ code }) => code);

  test('what the server would not tell is a finding with its remedy (BND160)', () => {
    const { findings } = judge({
      workloadGaps: [{ what: 'statements', reason: 'nothing counts', remedy: 'count' }],
    });
    expect(findings.find(({ code }) => code === 'BND160')).toMatchObject({
      subject: 'statements',
      message: 'nothing counts.',
      remedy: 'count',
      severity: 'note',
    });
  });

  test('a workload of an hour is said to be one; one of a month is not (BND161)', () => {
    const workload = [use(['public.users'])];
    expect(codes(judge({ workload, workloadForMs: 3_600_000 }))).toContain('BND161');
    expect(codes(judge({ workload, workloadForMs: 30 * 86_400_000 }))).not.toContain('BND161');
  });

  test('services × pool against what the server gives (BND116)', () => {
    const tight = judge({ connections: { most: 100, used: 7, pool: 40 } }, 4);
    expect(tight.connections).toEqual({
      most: 100,
      used: 7,
      perService: 22,
      pool: 40,
      wanted: 160,
      fits: false,
    });
    expect(tight.findings.find(({ code }) => code === 'BND116')?.message).toContain('want 160');
    expect(codes(judge({ connections: { most: 100, pool: 20 } }, 4))).not.toContain('BND116');
    // Without a pool: only when hardly anything is left for each.
    expect(codes(judge({ connections: { most: 20 } }, 4))).toContain('BND116');
    expect(codes(judge({ connections: { most: 200 } }, 4))).not.toContain('BND116');
    expect(judge({}).connections).toMatchObject({ most: null, perService: null, fits: null });
  });

  test('write rates by service, none where nothing was counted', () => {
    const { services } = judge({
      writes: {
        forMs: 10_000,
        rows: new Map([
          ['public.orders', 500],
          ['public.order_items', 1500],
        ]),
      },
    });
    const orders = services.find((service) => service.relations.includes('public.orders'));
    expect(orders?.writes).toEqual({ rows: 2000, perSecond: 200 });
    expect(judge({}).services[0]?.writes).toBeNull();
  });
});
