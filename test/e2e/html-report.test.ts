/** The HTML report in a real Chromium: search, move, copy, keyboard, and no request to anywhere. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { analyze } from '../../src/app/analyze.js';
import { renderAnalysisHtml } from '../../src/report/html/analysis-html.js';
import { renderHtml, type HtmlInput } from '../../src/report/html/html-report.js';
import { debianProgram } from '../support/debian-program.js';

let browser: Browser;
let directory: string;

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-html-'));
  browser = await chromium.launch({
    executablePath: debianProgram(['chromium', 'google-chrome', 'chromium-browser'], 'chromium'),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-sync',
    ],
  });
});

afterAll(async () => {
  await browser?.close();
  fs.rmSync(directory, { recursive: true, force: true });
});

const relation = (id: string, service: string) => ({ id, service, rows: 10, bytes: 8192 });

const SHOP: HtmlInput = {
  title: 'shop </script><b>bold</b>',
  generatedAt: '2026-11-22T00:00:00Z',
  verdict: null,
  profiles: {},
  alternatives: [],
  sameProposals: null,
  connections: null,
  services: ['orders', 'users'],
  relations: [
    relation('public.orders', 'orders'),
    relation('public.order_items', 'orders'),
    relation('public.users', 'users'),
    relation('public.addresses', 'users'),
    relation('public."odd.name"', 'users'),
  ],
  edges: [
    {
      child: 'public.orders',
      parent: 'public.users',
      label: 'orders.user_id',
      cost: 3,
      replacement: 'API call',
    },
    {
      child: 'public.orders',
      parent: 'public.addresses',
      label: 'orders.address_id',
      cost: 2,
      replacement: 'column',
    },
    {
      child: 'public.order_items',
      parent: 'public.orders',
      label: 'order_items.order_id',
      cost: 5,
      replacement: '',
    },
    {
      child: 'public.addresses',
      parent: 'public.users',
      label: 'addresses.user_id',
      cost: 1,
      replacement: '',
    },
  ],
  bundles: [
    {
      kind: 'view',
      subject: 'v',
      relations: ['public.users', 'public.orders'],
      cost: 4,
      replacement: 'read model',
    },
  ],
};

async function open(
  input: HtmlInput,
  colorScheme: 'light' | 'dark' = 'light',
): Promise<{ page: Page; problems: string[] }> {
  const file = path.join(directory, `${input.relations.length}.html`);
  fs.writeFileSync(file, await renderHtml(input));
  const context = await browser.newContext({ viewport: { width: 1400, height: 850 }, colorScheme });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('request', (request) => {
    if (request.url() !== `file://${file}`) problems.push(`request to ${request.url()}`);
  });
  await page.goto(`file://${file}`);
  await page.waitForSelector('html[data-ready]');
  return { page, problems };
}

test('search, move, price, copy and undo', async () => {
  const { page, problems } = await open(SHOP);
  expect(await page.textContent('#price')).toBe('9.0');
  expect(await page.textContent('#crossings')).toBe('3');
  expect(await page.textContent('h1')).toBe(SHOP.title);

  await page.fill('#search', 'addr');
  expect(await page.textContent('#found')).toBe('1 of 5');
  await page.keyboard.press('Enter');
  expect(await page.textContent('#detail h2')).toBe('public.addresses');

  // Moving it saves the key from orders (2) and costs the key to users (1).
  await page.selectOption('#move', 'orders');
  expect(await page.textContent('#preview')).toContain('9.0 → 8.0 (−1.0)');
  await page.click('#do-move');
  expect(await page.textContent('#price')).toBe('8.0');
  const yaml = await page.textContent('#yaml');
  expect(yaml).toContain('  orders:\n    relations:\n      - public.addresses\n');
  expect(yaml).toContain('      - "public.\\"odd.name\\""\n');

  await page.click('#copy');
  await expect.poll(() => page.textContent('#said')).toMatch(/Copied/);
  await page.click('#undo');
  expect(await page.textContent('#price')).toBe('9.0');
  expect(problems).toEqual([]);
  await page.context().close();
});

test('everything works by keyboard', async () => {
  const { page, problems } = await open(SHOP, 'dark');
  await page.keyboard.press('/');
  await page.keyboard.type('orders');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  expect(await page.textContent('#detail h2')).toBe('public.orders');
  await page.keyboard.press('m');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('move');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  // With the customer's side: the two keys and the view no longer cross, the key of the order's items does.
  expect(await page.textContent('#price')).toBe('5.0');
  await page.keyboard.press('Escape');
  expect(await page.locator('#detail h2').count()).toBe(0);
  expect(problems).toEqual([]);
  await page.context().close();
});

test('the keyboard goes on where it was: one stop for the list, arrows in it, the focus kept and seen', async () => {
  const { page, problems } = await open(SHOP);
  const focused = () =>
    page.evaluate(() => {
      const { id, dataset } = document.activeElement as HTMLElement;
      return dataset['relation'] ?? dataset['service'] ?? id;
    });
  await page.focus('#search');
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('orders');
  for (const [key, at] of [
    ['ArrowDown', 'public.orders'],
    ['End', 'public."odd.name"'],
    ['Home', 'orders'],
    ['ArrowDown', 'public.orders'],
    ['ArrowDown', 'public.order_items'],
  ] as const) {
    await page.keyboard.press(key);
    expect(await focused()).toBe(at);
  }
  const outline = () =>
    page.evaluate(() => getComputedStyle(document.activeElement as HTMLElement).outlineStyle);
  expect(await outline()).toBe('solid');
  // The next stop is behind the whole list, and back again is where the arrows left it.
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('zoom-in');
  await page.keyboard.press('Shift+Tab');
  expect(await focused()).toBe('public.order_items');

  await page.keyboard.press('Enter');
  expect(await focused()).toBe('public.order_items');
  expect(await page.getAttribute('#list button[data-relation="public.order_items"]', 'aria-current')).toBe(
    'true',
  );
  await page.keyboard.press('m');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('do-move');
  await page.keyboard.press('Enter');
  expect(await focused()).toBe('move');
  expect(await page.textContent('#said')).toMatch(/^public.order_items moved from orders to users/);
  // The only move is taken back: its button can be pressed no more.
  await page.focus('#undo');
  await page.keyboard.press('Enter');
  expect(await page.isDisabled('#undo')).toBe(true);
  expect(await focused()).toBe('move');
  expect(await outline()).toBe('solid');
  await page.keyboard.press('Escape');
  expect(await focused()).toBe('public.order_items');

  for (const control of await page.locator('button, input, select, [tabindex]').all()) {
    const name = await control.evaluate((node) => node.getAttribute('aria-label') ?? node.textContent ?? '');
    expect(name.trim()).not.toBe('');
  }
  expect(problems).toEqual([]);
  await page.context().close();
});

interface Box {
  readonly name: string;
  readonly x1: number;
  readonly x2: number;
  readonly y1: number;
  readonly y2: number;
}

/** Where cards, their names, and numbers of crossings that are shown, stand in the picture. */
const drawn = (page: Page): Promise<{ cards: Box[]; names: Box[]; counts: Box[] }> =>
  page.evaluate(() => {
    interface Drawn {
      id(): string;
      data(key: string): string;
      hasClass(name: string): boolean;
      visible(): boolean;
      midpoint(): { x: number; y: number };
      boundingBox(options: object): Omit<Box, 'name'>;
    }
    const { cy } = (document.getElementById('graph') as unknown as { _cyreg: { cy: unknown } })._cyreg as {
      cy: { $(selector: string): { map<T>(to: (drawn: Drawn) => T): T[] } };
    };
    const box = (drawn: Drawn, what: object) => {
      const { x1, x2, y1, y2 } = drawn.boundingBox({ includeOverlays: false, ...what });
      return { name: drawn.id(), x1, x2, y1, y2 };
    };
    const services = cy.$('node[kind="service"]');
    return {
      cards: services.map((drawn) => box(drawn, { includeLabels: false })),
      names: services.map((drawn) => box(drawn, { includeNodes: false, includeLabels: true })),
      counts: cy.$('edge[kind="bundle"][count]').map((edge) => {
        if (edge.hasClass('uncounted') || !edge.visible()) return { name: '', x1: 0, x2: 0, y1: 0, y2: 0 };
        const { x, y } = edge.midpoint();
        return { name: edge.id(), x1: x - 6, x2: x + 6, y1: y - 6, y2: y + 6 };
      }),
    };
  });

const overlapping = (boxes: readonly Box[]): string[] =>
  boxes.flatMap((a, at) =>
    boxes
      .slice(at + 1)
      // A name may stand on its own card.
      .filter((b) => a.name !== b.name)
      .filter((b) => a.x1 < b.x2 - 1 && b.x1 < a.x2 - 1 && a.y1 < b.y2 - 1 && b.y1 < a.y2 - 1)
      .map((b) => `${a.name} and ${b.name}`),
  );

test.each([
  [20, 5],
  [200, 14],
  [1000, 30],
])('%i relations: no name lies on a card or on another name, no number on either', async (count, groups) => {
  const services = Array.from({ length: groups }, (_, i) =>
    i % 3 === 0 ? `a_name_of_some_length_${i}` : `service${i}`,
  );
  // Some services are large, and many have a few relations: their names are wider than they are.
  const relations = Array.from({ length: count }, (_, i) =>
    relation(`public.t${i}`, services[Math.floor(groups * ((i * 0.618) % 1) ** 2)] as string),
  );
  const edges = relations.slice(1).map((child, i) => ({
    child: child.id,
    parent: `public.t${(i * 13) % count}`,
    label: `${child.id}.x`,
    cost: 1,
    replacement: '',
  }));
  const { page, problems } = await open({ ...SHOP, title: 'names', services, relations, edges, bundles: [] });
  const { cards, names, counts } = await drawn(page);
  const shown = counts.filter(({ name }) => name !== '');
  expect(cards.length).toBe(groups);
  expect(shown.length).toBeGreaterThan(2);
  expect(names.filter(({ x1, x2 }) => x2 > x1).length).toBe(groups);
  expect(overlapping([...cards, ...names, ...shown])).toEqual([]);
  expect(problems).toEqual([]);
  await page.context().close();
});

test('from afar services with their numbers, and the dearest lines; all lines of one that is picked; relations on zooming in', async () => {
  const services = Array.from({ length: 30 }, (_, i) => `service${i}`);
  const relations = Array.from({ length: 1000 }, (_, i) =>
    relation(`public.t${i}`, services[i % 30] as string),
  );
  const edges = relations.slice(1).map((child, i) => ({
    child: child.id,
    parent: `public.t${(i * 13) % 1000}`,
    label: `${child.id}.x`,
    cost: 1 + (i % 7),
    replacement: '',
  }));
  const { page, problems } = await open({ ...SHOP, title: 'afar', services, relations, edges, bundles: [] });
  const seen = () =>
    page.evaluate(() => {
      interface Drawn {
        visible(): boolean;
        data(key: string): string;
      }
      const { cy } = (document.getElementById('graph') as unknown as { _cyreg: { cy: unknown } })._cyreg as {
        cy: { $(selector: string): { toArray(): Drawn[] } };
      };
      const of = (selector: string) =>
        cy
          .$(selector)
          .toArray()
          .filter((drawn) => drawn.visible());
      return {
        texts: of('node[kind="service"]').map((drawn) => drawn.data('text')),
        relations: of('node[kind="relation"]').length,
        lines: of('edge[kind="bundle"]').length,
        ofService7: of('edge[kind="bundle"]').filter((drawn) =>
          [drawn.data('source'), drawn.data('target')].includes('service:service7'),
        ).length,
      };
    });
  const afar = await seen();
  expect(afar.texts).toContain('service7\n34');
  expect(afar.relations).toBe(0);
  expect(afar.lines).toBeGreaterThan(20);
  expect(afar.lines).toBeLessThanOrEqual(60);
  await page.click('#list button[data-service="service7"]');
  const partners = new Set(
    edges
      .map(({ child, parent }) => [Number(child.slice(8)) % 30, Number(parent.slice(8)) % 30])
      .flatMap(([a, b]) => (a === b ? [] : a === 7 ? [b] : b === 7 ? [a] : [])),
  );
  expect((await seen()).ofService7).toBe(partners.size);
  // Searching goes to the relation, and shows those that it is tied to.
  await page.fill('#search', 't37');
  await page.keyboard.press('Enter');
  await expect.poll(async () => (await seen()).relations).toBeGreaterThan(30);
  expect(problems).toEqual([]);
  await page.context().close();
});

test('a real analysis: a service with its profile, a relation with its reasons, the least sure, the alternatives', async () => {
  const { analysis, schema } = await analyze({
    source: { kind: 'sql', file: path.resolve(import.meta.dirname, '../fixtures/library.sql') },
    maxConnections: 100,
  });
  const file = path.join(directory, 'real.html');
  fs.writeFileSync(
    file,
    await renderAnalysisHtml(analysis, schema, { title: 'library', generatedAt: '2026-11-22T00:00:00Z' }),
  );
  const page = await browser.newPage();
  await page.goto(`file://${file}`);
  await page.waitForSelector('html[data-ready]');
  expect(await page.textContent('.verdict')).toMatch(/^(?:Split|Keep one database|Do not split)/);
  const overview = (await page.textContent('#detail')) ?? '';
  for (const alternative of ['coarse', 'balanced', 'fine']) expect(overview).toContain(alternative);
  expect(overview).toContain('100 connections');

  const service = analysis.services.find(({ personalData }) => personalData.length > 0);
  if (service === undefined) throw new Error('no service with personal data');
  await page.click(`#list button[data-service="${service.name}"]`);
  expect(await page.textContent('#detail h2')).toBe(service.name);
  const profile = (await page.textContent('.profile')) ?? '';
  const [personal] = service.personalData;
  for (const part of ['when down', 'store', 'pool', `${personal?.relation}.${personal?.column}`])
    expect(profile).toContain(part);

  // Its own name comes before those of relations whose service has the word in its name.
  await page.fill('#search', 'member');
  await page.keyboard.press('Enter');
  expect(await page.textContent('#detail h2')).toBe('public.member');
  expect(await page.textContent('#detail')).toMatch(/Why .*% sure/);
  await page.context().close();
});

test('a thousand relations are listed and the page stays whole', async () => {
  const services = Array.from({ length: 24 }, (_, i) => `service${i}`);
  const relations = Array.from({ length: 1000 }, (_, i) =>
    relation(`public.t${i}`, services[(i * 7) % 24] as string),
  );
  const edges = relations.slice(1).map((child, i) => ({
    child: child.id,
    parent: `public.t${(i * 13) % 1000}`,
    label: `${child.id}.x`,
    cost: 1,
    replacement: '',
  }));
  const { page, problems } = await open({ ...SHOP, title: 'large', services, relations, edges, bundles: [] });
  expect(await page.locator('#list button[data-relation]').count()).toBe(1000);
  await page.fill('#search', 't999');
  await page.keyboard.press('Enter');
  expect(await page.textContent('#detail h2')).toBe('public.t999');
  expect(problems).toEqual([]);
  await page.context().close();
});

test('the same input gives the same file', async () => {
  expect(await renderHtml(SHOP)).toBe(await renderHtml(SHOP));
});
