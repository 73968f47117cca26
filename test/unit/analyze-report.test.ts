/** What `analyze` says of each service, the same in text and in Markdown. */
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { analyze, type AnalyzeResult } from '../../src/app/analyze.js';
import { analyzeMarkdown } from '../../src/report/analyze-markdown.js';
import { connectionsText, formatRate, serviceProfile } from '../../src/report/service-profile.js';
import { PLAIN } from '../../src/report/style.js';
import { analyzeText, type AnalyzeReport } from '../../src/report/text/analyze.js';

let result: AnalyzeResult;
let report: AnalyzeReport;
beforeAll(async () => {
  result = await analyze({
    source: { kind: 'sql', file: path.resolve(import.meta.dirname, '../fixtures/library.sql') },
    maxConnections: 100,
    poolSize: 50,
  });
  const { analysis, schema } = result;
  report = {
    source: 'library.sql',
    schema,
    analysis: {
      ...analysis,
      services: analysis.services.map((service, at) => ({
        ...service,
        writes: { rows: 1000, perSecond: at === 0 ? 12.5 : 0.002 },
        users: [
          { name: 'desk', reads: true, writes: true, isSeen: true },
          { name: 'reports', reads: true, writes: false, isSeen: false },
        ],
      })),
    },
    findings: analysis.findings,
    suppressed: [],
    readMs: 1,
    statements: 0,
  };
});

const ofEveryService = [
  'named',
  'size',
  'writes',
  'store',
  'used by',
  'personal',
  'seen by',
  'pool',
  'when down',
];

test('text: rates, connections, verdict, alternatives; each service with --verbose', () => {
  const short = analyzeText(report, false, PLAIN);
  for (const part of ['13 rows/s', '7.2 rows/h', 'at most', 'does not fit', 'coarse', 'balanced', 'fine'])
    expect(short).toContain(part);
  expect(short).toMatch(/^(?:Split|Keep one database, with schemas|Do not split)\.$/m);
  expect(short).not.toContain('when down');
  const long = analyzeText(report, true, PLAIN);
  for (const label of ofEveryService) expect(long).toContain(`\n  ${label.padEnd(11)}  `);
  expect(long).toContain('desk (reads and writes), reports (may: reads)');
  expect(long).toMatch(/public\.member\.email \(contact\)/);
});

test('Markdown: the same, with what crosses and what to review', () => {
  const text = analyzeMarkdown(report);
  for (const { name } of result.analysis.services) expect(text).toContain(`\n### ${name}\n`);
  for (const label of ofEveryService) expect(text).toContain(`- **${label}**: `);
  for (const heading of ['Alternatives', 'What crosses a boundary', 'Review these', 'Findings'])
    expect(text).toContain(`## ${heading}`);
  expect(text).toContain('100 connections');
});

test('what goes on when a service is down: who cannot write, who shows less, who does not notice', () => {
  const { services, connections } = result.analysis;
  const home = services.find(({ relations }) => relations.includes('public.member'));
  const loans = services.find(({ relations }) => relations.includes('public.loan'));
  if (home === undefined || loans === undefined || home === loans) throw new Error('the fixture changed');
  // A loan's member may not be null: without members nobody lends.
  expect(home.outage.blocked).toContain(loans.name);
  const profile = serviceProfile(home, connections);
  expect(profile.find(({ label }) => label === 'when down')?.text).toContain(`cannot write: ${loans.name}`);
  expect(
    services.every(
      ({ outage, name }) =>
        new Set([...outage.blocked, ...outage.degraded, ...outage.unaffected, name]).size === services.length,
    ),
  ).toBe(true);
});

test.each([
  [250, '250 rows/s'],
  [1.25, '1.3 rows/s'],
  [0.05, '3.0 rows/min'],
  [0.0001, '8.6 rows/day'],
  [0, 'no rows'],
])('%s a second is %s', (rate, text) => {
  expect(formatRate(rate)).toBe(text);
});

test('nothing is said of connections that nobody knows', () => {
  expect(
    connectionsText({ most: null, used: null, perService: null, pool: 20, wanted: 80, fits: null }, 4),
  ).toBeNull();
});
