/** The dependency directions of docs/architecture.md: an import points down or sideways inside its folder, never up. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const SRC = path.resolve(import.meta.dirname, '../../src');

/** Folder → folders it may import from (itself always). `engines` alone means engines/engine.ts and registry.ts. */
const ALLOWED: Record<string, readonly string[]> = {
  model: [],
  config: ['model'],
  report: ['model'],
  analysis: ['model', 'engines'],
  planning: ['model', 'engines'],
  generation: ['model', 'engines'],
  lint: ['model', 'engines', 'analysis'],
  state: ['model', 'engines'],
  migration: ['model', 'engines', 'state', 'verification'],
  verification: ['model', 'engines', 'state'],
  engines: ['model'],
  'engines/postgres': ['model', 'engines'],
  'engines/mysql': ['model', 'engines'],
  app: [
    'model',
    'config',
    'engines',
    'analysis',
    'planning',
    'generation',
    'lint',
    'migration',
    'verification',
    'state',
  ],
  router: ['model', 'state'],
  cli: ['model', 'config', 'report', 'app'],
  demo: ['model', 'router'],
  '': ['model', 'app', 'config', 'report'],
};

/** Exceptions, each with its reason. */
const EXCEPTIONS: Record<string, readonly string[]> = {
  // The registry is the one literal map from a name to an engine.
  'engines/registry.ts': ['engines/postgres', 'engines/mysql'],
  // The same for the roles that need neither driver nor server.
  'engines/offline.ts': ['engines/postgres', 'engines/mysql'],
  // `dbps demo` is one command that drives the others as processes.
  'cli/commands/demo.ts': ['demo'],
  // The type of its result stands with those of the other commands.
  'cli/results.ts': ['demo'],
};

const roomOf = (file: string): string => {
  const parts = file.split('/');
  // The roles are engine.ts, a file each.
  if (parts[0] === 'engines' && parts[1] !== 'roles' && parts.length > 2) return `engines/${parts[1]}`;
  return parts.length > 1 ? (parts[0] as string) : '';
};

function* imports(): Generator<{ from: string; to: string }> {
  for (const entry of fs.readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.ts')) continue;
    const from = entry.split(path.sep).join('/');
    const text = fs.readFileSync(path.join(SRC, entry), 'utf8');
    for (const match of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const to = path
        .relative(SRC, path.resolve(SRC, path.dirname(from), match[1] as string))
        .split(path.sep)
        .join('/');
      yield { from, to };
    }
  }
}

test('imports point down', () => {
  const wrong: string[] = [];
  for (const { from, to } of imports()) {
    const here = roomOf(from);
    const there = roomOf(to);
    if (here === there) continue;
    const allowed = [...(ALLOWED[here] ?? []), ...(EXCEPTIONS[from] ?? [])];
    if (!allowed.includes(there)) wrong.push(`${from} imports ${to}`);
  }
  expect(wrong).toEqual([]);
});

test('only an engine imports its driver', () => {
  const wrong: string[] = [];
  for (const entry of fs.readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.ts')) continue;
    const file = entry.split(path.sep).join('/');
    const text = fs.readFileSync(path.join(SRC, entry), 'utf8');
    const drivers = [
      ...text.matchAll(
        /(?:from|import)\s*\(?\s*'(pg|pg-copy-streams|mysql2|mysql2\/promise|@vlasky\/zongji|libpg-query)'/g,
      ),
    ];
    const isAllowed = /^(engines\/(postgres|mysql)|demo)\//.test(file);
    if (drivers.length > 0 && !isAllowed)
      wrong.push(`${file} imports ${drivers.map((d) => d[1]).join(', ')}`);
  }
  expect(wrong).toEqual([]);
});
