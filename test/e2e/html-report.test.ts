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
