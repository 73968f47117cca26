/** Each kind of store: the shape that suits it, and the same shape with too little of it. */
import { expect, test } from 'vitest';
import { adviseStore } from '../../../src/analysis/store-advice.js';
import type { Index, Relation } from '../../../src/model/database-schema.js';
import { relation } from '../../support/schema.js';

const kind = (relations: readonly Relation[], inside = 0) => adviseStore(relations, inside, []).kind;
const index = (method: string, definition: string): Index =>
  ({ name: 'i', method, definition, columns: [], isUnique: false }) as unknown as Index;

test.each<[string, readonly Relation[]]>([
  ['a tsvector column', [relation('articles: id, body:text, words:tsvector')]],
  [
    'a gin index over words',
    [
      relation('articles: id, body:text', {
        indexes: [index('gin', "CREATE INDEX i ON articles USING gin (to_tsvector('english', body))")],
      }),
    ],
  ],
  [
    'a fulltext index',
    [relation('articles: id, body:text', { indexes: [index('fulltext', 'FULLTEXT (body)')] })],
  ],
])('search: %s', (_, searched) => {
  const advice = adviseStore(searched, 0, []);
  expect(advice.kind).toBe('search');
  expect(advice.reason).toContain('keep the truth relational');
  const plain = ['authors: id, name:text', 'issues: id, title:text'].map((line) => relation(line));
  const beside = adviseStore([...searched, ...plain], 1, []);
  expect(beside.kind).toBe('relational');
  expect(beside.reason).toContain('add a search index beside it');
});

test('an index of another kind is no search', () => {
  const indexes = [index('gin', 'CREATE INDEX i ON articles USING gin (labels)')];
  expect(kind([relation('articles: id, body:text, title:text', { indexes })])).toBe('relational');
});

test.each<[string, readonly string[], string]>([
  ['document', ['pages: id, body:jsonb', 'drafts: id, body:jsonb'], 'pages: id, body:text, title:text'],
  ['key-value', ['user_sessions: id, payload:text'], 'users: id, payload:text'],
  [
    'columnar',
    ['sales_facts: id, at:timestamp, amount:numeric, tax:numeric'],
    'sales: id, at:timestamp, amount:numeric, tax:numeric',
  ],
  ['wide-column', ['readings: sensor*:int8, at*:timestamp, value:numeric'], 'sensors: id, value:numeric'],
])('%s', (expected, lines, other) => {
  expect(kind(lines.map((line) => relation(line)))).toBe(expected);
  expect(kind([relation(other)])).toBe('relational');
});
