import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { analyzeBoundaries, NO_EVIDENCE } from '../../../src/analysis/analyze.js';
import type { BoundaryPins } from '../../../src/model/analysis.js';
import { assignmentOf } from '../../../src/model/boundary-price.js';
import type { Relation } from '../../../src/model/database-schema.js';
import { UsageError } from '../../../src/model/errors.js';
import { relation, schemaOf, SHOP } from '../../support/schema.js';

const NO_PINS: BoundaryPins = { services: {}, together: [], apart: [], shared: [] };
const shop = SHOP.map((line) => relation(line));
const analyze = (relations: readonly Relation[] = shop, pins: Partial<BoundaryPins> = {}, more = {}) =>
  analyzeBoundaries({
    schema: schemaOf(relations),
    pins: { ...NO_PINS, ...pins },
    granularity: 0.5,
    ...more,
  });

test('reference data is that also where each row says who wrote it', () => {
  const parts = ['order', 'product', 'invoice', 'shipment', 'claim'];
  const lines = (more: string) => [
    'users: id, name',
    `currencies: id, code${more}`,
    ...parts.flatMap((part) => [
      `${part}s: id, currency_id -> currencies, note${more}`,
      `${part}_lines: id, ${part}_id -> ${part}s, quantity${more}`,
      `${part}_events: id, ${part}_id -> ${part}s, kind${more}`,
    ]),
  ];
  const shared = (more: string) =>
    analyze(lines(more).map((line) => relation(line))).shared.map((found) => found.relation);
  expect(shared('')).toEqual(['public.currencies']);
  expect(shared(', updated_by -> users')).toEqual(['public.currencies']);
});

describe('a shop', () => {
  const analysis = analyze();
  const home = assignmentOf(analysis);

  test('falls into its parts, named after what they share', () => {
    expect(home.get('public.order_items')).toBe(home.get('public.orders'));
    expect(home.get('public.product_images')).toBe(home.get('public.products'));
    expect(home.get('public.invoice_lines')).toBe(home.get('public.invoices'));
    expect(home.get('public.products')).not.toBe(home.get('public.users'));
    expect(analysis.services.map((service) => service.name)).toContain('product');
    expect(new Set(analysis.services.flatMap((service) => service.relations)).size).toBe(shop.length);
  });

  test('its prices are those of its crossings', () => {
    for (const crossing of analysis.crossings) expect(new Set(crossing.services).size).toBeGreaterThan(1);
    const crossing = analysis.crossings.find((found) =>
      found.subject.startsWith('public.order_items.product_id'),
    );
    expect(crossing).toMatchObject({
      kind: 'reference',
      services: [home.get('public.orders'), home.get('public.products')],
    });
    expect(crossing?.replacement).toMatch(/^API call/);
  });

  test('personal data is known, and never offered as a copy', () => {
    const customers = analysis.services.find((service) => service.relations.includes('public.customers'));
    expect(customers?.personalData.map((column) => column.column)).toEqual(
      expect.arrayContaining(['email', 'street']),
    );
    expect(analysis.references.flatMap((reference) => reference.copyColumns)).not.toContain('email');
  });

  test('says why each relation stands where it does, the least sure first', () => {
    const items = analysis.placements.find((placement) => placement.relation === 'public.order_items');
    expect(items?.why[0]?.what).toContain('order');
    expect(items?.runnerUp?.service).not.toBe(items?.service);
    expect(items?.wouldMove.at(-1)).toContain('[public.order_items]');
    const confidences = analysis.placements.map((placement) => placement.confidence);
    expect(confidences).toEqual([...confidences].sort((a, b) => a - b));
  });

  test('its alternatives are in order, and priced', () => {
    const [coarse, balanced, fine] = analysis.alternatives.map((alternative) => alternative.services.length);
    expect(coarse).toBeLessThanOrEqual(balanced as number);
    expect(balanced).toBeLessThanOrEqual(fine as number);
    expect(analysis.alternatives[1]?.price).toBeGreaterThan(0);
  });

  test.each([2, 3, 5, 8])('--services %i gives as many', (servicesWanted) => {
    expect(analyze(shop, {}, { servicesWanted }).services).toHaveLength(servicesWanted);
  });
});

describe('pins win', () => {
  test('named services keep name and relations, and others may join them', () => {
    const analysis = analyze(shop, { services: { money: ['public.invoices', 'public.users'] } });
    const home = assignmentOf(analysis);
    expect(home.get('public.invoices')).toBe('money');
    expect(home.get('public.users')).toBe('money');
    expect(analysis.placements.find((placement) => placement.relation === 'public.users')).toMatchObject({
      isPinned: true,
      confidence: 1,
    });
  });

  test('together and apart', () => {
    const analysis = analyze(shop, {
      together: [['public.products', 'public.users']],
      apart: [['public.invoices', 'public.invoice_lines']],
    });
    const home = assignmentOf(analysis);
    expect(home.get('public.products')).toBe(home.get('public.users'));
    expect(home.get('public.invoices')).not.toBe(home.get('public.invoice_lines'));
  });

  test.each<[string, Partial<BoundaryPins>, RegExp]>([
    [
      'two services',
      { services: { a: ['public.users'], b: ['public.users'] } },
      /public\.users is in service a and in service b/,
    ],
    [
      'together over two services',
      {
        services: { a: ['public.users'], b: ['public.orders'] },
        together: [['public.users', 'public.orders']],
      },
      /public\.users|public\.orders.*together/,
    ],
    [
      'apart inside a service',
      { services: { a: ['public.users', 'public.orders'] }, apart: [['public.users', 'public.orders']] },
      /kept apart by "apart", but joined by services\.a/,
    ],
  ])('contradictions name both: %s', (_name, pins, message) => {
    expect(() => analyze(shop, pins)).toThrow(UsageError);
    expect(() => analyze(shop, pins)).toThrow(message);
  });

  test('a pin on what is not there is a finding', () => {
    const { findings } = analyze(shop, { services: { a: ['public.nothing'] } });
    expect(findings.filter((finding) => finding.code === 'BND140')).toMatchObject([
      { subject: 'public.nothing' },
    ]);
  });
});

describe('little to go by', () => {
  test('no tables', () => {
    expect(analyze([])).toMatchObject({ services: [], crossings: [], verdict: { advice: 'keep' } });
  });

  test('no foreign key at all: names and columns give a proposal that says how sure it is', () => {
    const bare = shop.map((found) => ({ ...found, foreignKeys: [] }));
    const analysis = analyze(bare);
    const home = assignmentOf(analysis);
    expect(home.get('public.product_images')).toBe(home.get('public.products'));
    expect(analysis.verdict.reasons.join(' ')).toContain('declares no references');
    expect(analysis.findings.some((finding) => finding.code === 'BND120')).toBe(true);
  });

  test('a relation that nothing ties to anything is unassigned', () => {
    const analysis = analyze([...shop, relation('zzyzx: q, w')]);
    expect(analysis.unassigned.map((entry) => entry.relation)).toEqual(['public.zzyzx']);
    // Nor does it take the place of a service that is asked for.
    for (const servicesWanted of [1, 2, 5, 8])
      expect(analyze([...shop, relation('zzyzx: q, w')], {}, { servicesWanted }).services).toHaveLength(
        servicesWanted,
      );
  });

  test('a word that every name has ties nothing: no services of one relation each', () => {
    const analysis = analyze(Array.from({ length: 30 }, (_, at) => relation(`t${at}: a, b`)));
    expect(analysis.services).toEqual([]);
    expect(analysis.unassigned).toHaveLength(30);
    expect(analysis.verdict).toMatchObject({
      advice: 'keep',
      reasons: [expect.stringMatching(/^nothing ties/)],
    });
  });

  test('a handful of tables is not to be split', () => {
    expect(analyze(shop.slice(0, 3).map((found) => ({ ...found, foreignKeys: [] }))).verdict.advice).toBe(
      'keep',
    );
  });
});

describe('no service holds more than 40 % of the relations', () => {
  const name = (at: number): string => `depot_${String.fromCharCode(97 + (at % 26))}${Math.floor(at / 26)}`;
  test.each<[string, (at: number) => number]>([
    ['a star', () => 0],
    ['a chain', (at) => at - 1],
    ['a tree', (at) => Math.floor((at - 1) / 2)],
  ])('%s of forty', (_, parentOf) => {
    const relations = Array.from({ length: 40 }, (__, at) =>
      relation(at === 0 ? `${name(0)}: note` : `${name(at)}: note, up_id! -> ${name(parentOf(at))}`),
    );
    expect(relations.flatMap(({ foreignKeys }) => foreignKeys)).toHaveLength(39);
    const { services } = analyze(relations);
    expect(Math.max(...services.map((service) => service.relations.length))).toBeLessThanOrEqual(16);
    expect(services.flatMap((service) => service.relations)).toHaveLength(40);
  });
});

describe('steadiness', () => {
  const mixed = (seed: number): Relation[] =>
    shop
      .map((found, at) => ({ found, at: Math.imul(at + 1, seed * 2 + 1) % 9973 }))
      .sort((a, b) => a.at - b.at)
      .map(({ found }) => ({ ...found, foreignKeys: [...found.foreignKeys].reverse() }));

  test('the same answer, byte for byte, whatever the order', () => {
    const expected = JSON.stringify(analyze());
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (seed) => {
        expect(JSON.stringify(analyze(mixed(seed)))).toBe(expected);
      }),
      { numRuns: 8 },
    );
  });

  test('one more column does not reshuffle it', () => {
    const wider = shop.map((found) =>
      found.name === 'orders' ? relation(`${SHOP[7] ?? ''}, remark:text`) : found,
    );
    const before = analyze().services.map((service) => new Set(service.relations));
    const stay = analyze(wider).services.map((service) =>
      Math.max(...before.map((old) => service.relations.filter((id) => old.has(id)).length)),
    );
    expect(stay.reduce((sum, number) => sum + number, 0)).toBeGreaterThanOrEqual(0.9 * shop.length);
  });
});

describe('evidence beyond the schema', () => {
  const use = (
    writes: string[],
    calls: number,
    kind: 'query' | 'transaction' = 'transaction',
    reads: string[] = [],
  ) => ({
    kind,
    text: `${writes.join()} ${reads.join()}`,
    calls,
    totalMs: 1,
    reads,
    writes,
    columns: new Map<string, readonly string[]>(),
  });

  test('relations written in one transaction pull together, and those that stay apart are priced', () => {
    const workload = [
      use(['public.users', 'public.invoices'], 50_000),
      use(['public.products', 'public.user_roles', 'public.invoices'], 5),
    ];
    const analysis = analyzeBoundaries(
      { schema: schemaOf(shop), pins: NO_PINS, granularity: 0.5 },
      { ...NO_EVIDENCE, workload },
    );
    const across = analysis.crossings.filter((crossing) => crossing.kind === 'transaction');
    expect(across.length).toBeGreaterThan(0);
    expect(analysis.findings.some((finding) => finding.code === 'BND111')).toBe(true);
  });

  test('views across services are findings with a replacement', () => {
    const view = relation('v_sales: id', {
      kind: 'view',
      keys: [],
      reads: ['public.order_items', 'public.products', 'public.users'],
    });
    const { findings, objects } = analyze([...shop, view]);
    expect(objects).toMatchObject([{ kind: 'view', subject: 'public.v_sales' }]);
    expect(findings.find((finding) => finding.code === 'BND103')).toMatchObject({
      subject: 'public.v_sales',
    });
  });

  test('schemas are modules where there are several', () => {
    const relations = ['crm.a', 'crm.b', 'crm.c', 'erp.d', 'erp.e', 'erp.f'].map((name) =>
      relation(`${name}: id`),
    );
    const home = assignmentOf(analyze(relations));
    expect(home.get('crm.a')).toBe(home.get('crm.c'));
    expect(home.get('crm.a')).not.toBe(home.get('erp.d'));
  });
});

test('a cascade across a boundary is an error that names both ends', () => {
  const { findings } = analyze(shop, { apart: [['public.products', 'public.product_images']] });
  const cascades = findings.filter((finding) => finding.code === 'BND101' && finding.severity === 'error');
  expect(cascades.map((finding) => finding.subject)).toContain(
    'public.product_images.product_id -> public.products.id',
  );
});
