import { loadModule, parseSync } from 'libpg-query';
import { beforeAll, expect, test } from 'vitest';
import { readPlainConstraint } from '../../../src/engines/postgres/postgres-dump-constraint.js';

beforeAll(() => loadModule());

/** The grammar's tree without the places in the text, which nobody asks of a key. */
const grammar = (text: string): unknown =>
  JSON.parse(
    JSON.stringify(parseSync(text).stmts?.[0]?.stmt, (name, value: unknown) =>
      name === 'location' ? undefined : value,
    ),
  );

const KEYS = [
  'ALTER TABLE ONLY public.orders\n    ADD CONSTRAINT orders_pkey PRIMARY KEY (id)',
  'ALTER TABLE public.order_items ADD CONSTRAINT items_key UNIQUE (order_id, line2)',
  'ALTER TABLE ONLY s.a\n    ADD CONSTRAINT a_fk FOREIGN KEY (b_id) REFERENCES s.b(id)',
  'ALTER TABLE s.a ADD CONSTRAINT a_fk FOREIGN KEY (x, y) REFERENCES t.b(u, v) ON UPDATE CASCADE ON DELETE SET NULL',
  ...['NO ACTION', 'RESTRICT', 'CASCADE', 'SET NULL', 'SET DEFAULT'].map(
    (action) => `ALTER TABLE s.a ADD CONSTRAINT a_fk FOREIGN KEY (x) REFERENCES t.b(u) ON DELETE ${action}`,
  ),
];

test.each(KEYS)("reads the tree that the server's grammar gives: %s", (text) => {
  const plain = readPlainConstraint(text);
  expect(plain).toBeDefined();
  expect(plain).toEqual(grammar(text));
});

test.each([
  // Key words: some the grammar takes, some it refuses. It is asked.
  'ALTER TABLE ONLY public.a ADD CONSTRAINT a_pkey PRIMARY KEY (user)',
  'ALTER TABLE ONLY public.a ADD CONSTRAINT order UNIQUE (id)',
  'ALTER TABLE ONLY public.table ADD CONSTRAINT a_pkey PRIMARY KEY (id)',
  'ALTER TABLE ONLY public."A" ADD CONSTRAINT a_pkey PRIMARY KEY (id)',
  'ALTER TABLE ONLY public.A ADD CONSTRAINT a_pkey PRIMARY KEY (id)',
  'ALTER TABLE ONLY a ADD CONSTRAINT a_pkey PRIMARY KEY (id)',
  'ALTER TABLE ONLY public.a ADD CONSTRAINT a_pkey PRIMARY KEY (1d)',
  'ALTER TABLE ONLY public.a ADD CONSTRAINT a_pkey PRIMARY KEY (id) INCLUDE (x)',
  'ALTER TABLE ONLY public.a ADD CONSTRAINT a_pkey PRIMARY KEY (id), DROP COLUMN x',
  'ALTER TABLE s.a ADD CONSTRAINT a_fk FOREIGN KEY (x) REFERENCES t.b(u) DEFERRABLE',
  'ALTER TABLE s.a ADD CONSTRAINT a_fk FOREIGN KEY (x) REFERENCES t.b(u) NOT VALID',
  'ALTER TABLE s.a ADD CONSTRAINT a_fk FOREIGN KEY (x) REFERENCES t.b(u) ON DELETE SET NULL (x)',
  `ALTER TABLE s.${'a'.repeat(64)} ADD CONSTRAINT a_pkey PRIMARY KEY (id)`,
])('leaves to the grammar: %s', (text) => {
  expect(readPlainConstraint(text)).toBeUndefined();
});
