/** Each red flag: a schema or a workload that raises it, and one beside it that does not. */
import { describe, expect, test } from 'vitest';
import { analyzeBoundaries, NO_EVIDENCE } from '../../../src/analysis/analyze.js';
import type { ResolvedUse } from '../../../src/analysis/workload.js';
import type { BoundaryPins } from '../../../src/model/analysis.js';
import { relation, schemaOf } from '../../support/schema.js';

/** Services pinned whole, so that what is judged is the cut and not the clustering. */
function judge(
  lines: readonly string[],
  services: Readonly<Record<string, readonly string[]>>,
  workload: readonly ResolvedUse[] = [],
) {
  const pins: BoundaryPins = {
    services: Object.fromEntries(
      Object.entries(services).map(([name, list]) => [name, list.map((id) => `public.${id}`)]),
    ),
    together: [],
    apart: [],
    shared: [],
  };
  const analysis = analyzeBoundaries(
    { schema: schemaOf(lines.map((line) => relation(line))), pins, granularity: 0.5 },
    { ...NO_EVIDENCE, workload },
  );
  const home = new Map(analysis.services.flatMap(({ name, relations }) => relations.map((id) => [id, name])));
  for (const [name, list] of Object.entries(services))
    for (const id of list) expect(home.get(`public.${id}`), `${id} is pinned`).toBe(name);
  return (code: string) => analysis.findings.filter((finding) => finding.code === code);
}

const use = (
  reads: readonly string[],
  writes: readonly string[] = [],
  kind: ResolvedUse['kind'] = 'query',
): ResolvedUse => ({
  kind,
  text: `${kind} ${[...reads, ...writes].join(' ')}`,
  calls: 10,
  totalMs: 1,
  reads: reads.map((id) => `public.${id}`),
  writes: writes.map((id) => `public.${id}`),
  columns: new Map(),
});

const LETTERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as const;
const ALONE = Object.fromEntries(LETTERS.map((letter) => [`s${letter}`, [letter]]));
const bare = LETTERS.map((letter) => `${letter}: id, ${letter}x`);

test('a query that needs five services (BND110), one of two does not', () => {
  const found = judge(bare, ALONE, [use(['a', 'b', 'c', 'd', 'e']), use(['a', 'b'])])('BND110');
  expect(found.map(({ subject, message }) => [subject, message])).toEqual([
    ['query a b c d e', 'It needs 5 services: sa, sb, sc, sd, se.'],
  ]);
});

test('a transaction across services (BND111), one inside a service is none', () => {
  const found = judge(bare, { one: ['a', 'b'], two: ['c'] }, [
    use([], ['a', 'c'], 'transaction'),
    use([], ['a', 'b'], 'transaction'),
  ])('BND111');
  expect(found.map(({ subject }) => subject)).toEqual(['transaction a c']);
  expect(found[0]?.severity).toBe('error');
});

describe('a service that writes none of its own relations (BND112)', () => {
  const services = { one: ['a'], two: ['b'] };
  test('where others are written', () => {
    expect(
      judge(bare, services, [use([], ['a']), use(['b'])])('BND112').map(({ subject }) => subject),
    ).toContain('two');
    expect(
      judge(bare, services, [use([], ['a']), use([], ['b'])])('BND112').map(({ subject }) => subject),
    ).not.toContain('two');
  });
  test('not where nothing was seen to be written at all', () => {
    expect(judge(bare, services, [use(['a', 'b'])])('BND112')).toEqual([]);
  });
});

test('everything crosses through one hub (BND113); shared out it does not', () => {
  const children = Array.from({ length: 8 }, (_, at) => `t${at}`);
  const services: Readonly<Record<string, readonly string[]>> = {
    hub: ['users'],
    ...Object.fromEntries(children.map((name) => [`s_${name}`, [name]])),
  };
  const towards = (parent: (at: number) => string) =>
    judge(
      ['users: id', ...children.map((name, at) => `${name}: id, k! -> ${parent(at)}`)],
      services,
    )('BND113');
  const [found, ...others] = towards(() => 'users');
  expect(others).toEqual([]);
  expect(found).toMatchObject({ subject: 'public.users', service: 'hub' });
  expect(found?.message).toBe('8 of 8 crossing references go to it.');
  expect(towards((at) => (at === 0 ? 'users' : `t${at - 1}`))).toEqual([]);
});

test('two services that cannot be deployed apart (BND114); with one side nullable they can', () => {
  const lines = (mark: string) => ['a: id, b_id! -> d', 'b: id', 'c: id', `d: id, a_id${mark} -> c`];
  const services = { one: ['a', 'c'], two: ['b', 'd'] };
  expect(judge(lines('!'), services)('BND114').map(({ subject }) => subject)).toEqual(['one <-> two']);
  expect(judge(lines(''), services)('BND114')).toEqual([]);
});

test('a weak entity apart from its only parent (BND102); together it is not', () => {
  const lines = ['orders: id', 'items: order_id* -> orders, line*', 'x: id'];
  expect(judge(lines, { one: ['orders'], two: ['items', 'x'] })('BND102')).toHaveLength(1);
  expect(judge(lines, { one: ['orders', 'items'], two: ['x'] })('BND102')).toEqual([]);
});

test('references to one of several relations (BND121) and columns that separate tenants (BND122)', () => {
  const tenants = Array.from({ length: 14 }, (_, at) => `thing${at}: id, tenant_id, v${at}`);
  const finding = judge([...tenants, 'comments: id, commentable_type:text, commentable_id'], {});
  expect(finding('BND121').map(({ subject }) => subject)).toEqual([
    'public.comments (commentable_type, commentable_id)',
  ]);
  expect(finding('BND122').map(({ subject }) => subject)).toEqual(['tenant_id']);
});

describe('the verdict', () => {
  const many = Array.from({ length: 12 }, (_, at) => `t${at}: id, k! -> t${(at + 1) % 12}`);
  const verdict = (services: Readonly<Record<string, readonly string[]>>, lines = many) =>
    analyzeBoundaries({
      schema: schemaOf(lines.map((line) => relation(line))),
      pins: {
        services: Object.fromEntries(
          Object.entries(services).map(([name, list]) => [name, list.map((id) => `public.${id}`)]),
        ),
        together: [],
        apart: [],
        shared: [],
      },
      granularity: 0.5,
    }).verdict;
  const slice = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `t${from + at}`);

  test('splits where most ties stay inside', () => {
    expect(verdict({ one: slice(0, 6), two: slice(6, 12) }).advice).toBe('split');
  });
  test('stays with schemas where a third would be cut', () => {
    expect(
      verdict({
        one: slice(0, 3),
        two: slice(3, 6),
        three: slice(6, 8),
        four: slice(8, 10),
        five: slice(10, 12),
      }).advice,
    ).toBe('schemas');
  });
  test('says do not split where most would be cut, and for a handful of tables', () => {
    const all = Object.fromEntries(slice(0, 12).map((name) => [`s_${name}`, [name]]));
    expect(verdict(all)).toMatchObject({ advice: 'keep' });
    expect(verdict(all).reasons[0]).toMatch(/^do not split/);
    expect(
      verdict(
        {},
        many.slice(0, 4).map((line) => line.replace(/ -> t\d+/, '')),
      ).advice,
    ).toBe('keep');
  });
});

test('a service of one relation that three services wait for (BND115), two are none', () => {
  const children = (number: number) =>
    ['b', 'c', 'd'].slice(0, number).map((letter) => `${letter}: id, a_id! -> a`);
  const services = { tiny: ['a'], sb: ['b'], sc: ['c'], sd: ['d'] };
  const found = judge(['a: id, name', ...children(3)], services)('BND115');
  expect(found.map(({ subject, message }) => [subject, message])).toEqual([
    ['tiny', 'It owns only public.a, which 3 services refer to.'],
  ]);
  expect(judge(['a: id, name', ...children(2), 'd: id, x'], services)('BND115')).toEqual([]);
  // Three readers of a service that has something of its own beside it.
  expect(
    judge(['a: id, name', 'e: id, a_id! -> a', ...children(3)], { ...services, tiny: ['a', 'e'] })('BND115'),
  ).toEqual([]);
});
