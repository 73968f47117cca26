import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDumpText } from '../../../src/engines/dump-text.js';
import { postgresDumpReader } from '../../../src/engines/postgres/postgres-dump-reader.js';
import type { DatabaseSchema, Relation } from '../../../src/model/database-schema.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-dump-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

async function read(script: string | Buffer): Promise<DatabaseSchema> {
  const file = path.join(folder, 'shop.sql');
  fs.writeFileSync(file, script);
  return postgresDumpReader.read({ name: file, text: readDumpText(file) });
}

const relation = (schema: DatabaseSchema, id: string): Relation => {
  const found = schema.relations.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no ${id} in ${schema.relations.map((r) => r.id).join(', ')}`);
  return found;
};

const PG_DUMP = `--
-- PostgreSQL database dump
--

\\restrict k

-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TYPE public.state AS ENUM ('new', 'paid');
CREATE TABLE public.customers (
    id bigint NOT NULL,
    email character varying(120) NOT NULL,
    "Köln" text DEFAULT 'ä'::text NOT NULL,
    created timestamp(3) with time zone DEFAULT now()
);
COMMENT ON TABLE public.customers IS 'who buys';
COMMENT ON COLUMN public.customers.email IS 'personal';
CREATE SEQUENCE public.customers_id_seq START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE public.customers_id_seq OWNED BY public.customers.id;
CREATE TABLE public.orders (
    id bigint NOT NULL,
    customer_id bigint NOT NULL,
    state public.state DEFAULT 'new'::public.state NOT NULL,
    tags text[],
    total numeric(10,2),
    doubled numeric GENERATED ALWAYS AS ((total * (2)::numeric)) STORED,
    at date NOT NULL
)
PARTITION BY RANGE (at);
CREATE TABLE public.orders_2020 (id bigint NOT NULL, customer_id bigint NOT NULL, at date NOT NULL);
CREATE VIEW public.open AS SELECT o.id, c.email FROM (public.orders o JOIN public.customers c ON ((c.id = o.customer_id)));
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.customers SET created = now() WHERE id = NEW.customer_id; RETURN NEW;
END $$;
ALTER TABLE ONLY public.orders ATTACH PARTITION public.orders_2020 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
ALTER TABLE ONLY public.customers ALTER COLUMN id SET DEFAULT nextval('public.customers_id_seq'::regclass);
ALTER TABLE ONLY public.customers ADD CONSTRAINT customers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id, at);
CREATE UNIQUE INDEX customers_email ON public.customers USING btree (lower((email)::text)) WHERE (created IS NOT NULL);
CREATE TRIGGER touch AFTER INSERT OR UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE public.orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE;
GRANT SELECT,INSERT ON TABLE public.orders TO shop;
--
-- PostgreSQL database dump complete
--
`;

describe('a pg_dump file', () => {
  test('tables, keys, references, sequences, comments, grants', async () => {
    const schema = await read(PG_DUMP);
    expect(schema).toMatchObject({
      product: 'PostgreSQL 15.20',
      version: 150020,
      origin: 'dump',
      unsupported: [],
    });
    const customers = relation(schema, 'public.customers');
    expect(customers.comment).toBe('who buys');
    expect(customers.columns).toMatchObject([
      {
        name: 'id',
        type: 'bigint',
        baseType: 'int8',
        isNullable: false,
        sequence: 'public.customers_id_seq',
      },
      { name: 'email', type: 'character varying(120)', baseType: 'varchar', comment: 'personal' },
      { name: 'Köln', type: 'text', default: "'ä'::text", isNullable: false },
      { name: 'created', type: 'timestamp(3) with time zone', default: 'now()' },
    ]);
    expect(customers.indexes).toMatchObject([
      { name: 'customers_email', isUnique: true, hasExpression: true, columns: [] },
      { name: 'customers_pkey', isPrimary: true },
    ]);
    const orders = relation(schema, 'public.orders');
    expect(orders).toMatchObject({ kind: 'partitioned', partitionBy: 'RANGE (at)' });
    expect(orders.columns).toMatchObject([
      {},
      {},
      { type: 'public.state', userType: 'public.state', default: "'new'::public.state", isNullable: false },
      { type: 'text[]', baseType: 'text', isArray: true },
      { type: 'numeric(10,2)' },
      { generated: { expression: '(total * (2)::numeric)', stored: true } },
      {},
    ]);
    expect(orders.foreignKeys).toMatchObject([
      {
        name: 'fk',
        columns: ['customer_id'],
        parent: 'public.customers',
        parentColumns: ['id'],
        onDelete: 'cascade',
      },
    ]);
    expect(orders.grants.map((grant) => grant.privilege)).toEqual(['SELECT', 'INSERT']);
    expect(relation(schema, 'public.orders_2020')).toMatchObject({
      kind: 'partition',
      partitionOf: { parent: 'public.orders', bound: "FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')" },
    });
  });

  test('views and triggers know what they touch', async () => {
    const schema = await read(PG_DUMP);
    expect(relation(schema, 'public.open')).toMatchObject({
      kind: 'view',
      reads: ['public.customers', 'public.orders'],
      columns: [
        { name: 'id', type: 'bigint' },
        { name: 'email', type: 'character varying(120)' },
      ],
    });
    expect(relation(schema, 'public.orders').triggers).toMatchObject([
      {
        timing: 'AFTER',
        events: ['INSERT', 'UPDATE'],
        routine: 'public.touch',
        writes: ['public.customers'],
      },
    ]);
  });
});

describe('a hand-written script', () => {
  test('inline constraints get the names the server would give', async () => {
    const schema = await read(`
      SET search_path = shop, public;
      CREATE TABLE a (id serial PRIMARY KEY, code char(3) UNIQUE);
      CREATE TABLE b (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a_id int NOT NULL REFERENCES a ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED);
      CREATE TABLE c (x int, y int, FOREIGN KEY (x) REFERENCES b (id), PRIMARY KEY (x, y));
      ALTER TABLE c RENAME TO d;
      ALTER TABLE b RENAME COLUMN a_id TO a_ref;
      DROP TABLE IF EXISTS nothing;
    `);
    expect(schema.relations.map((found) => found.id)).toEqual(['shop.a', 'shop.b', 'shop.d']);
    const a = relation(schema, 'shop.a');
    expect(a.keys.map((key) => key.name)).toEqual(['a_code_key', 'a_pkey']);
    expect(a.columns[0]).toMatchObject({ type: 'integer', isNullable: false, sequence: 'shop.a_id_seq' });
    expect(a.columns[1]).toMatchObject({ type: 'character(3)' });
    expect(relation(schema, 'shop.b').foreignKeys).toMatchObject([
      {
        name: 'b_a_id_fkey',
        columns: ['a_ref'],
        parent: 'shop.a',
        parentColumns: ['id'],
        isDeferrable: true,
        isInitiallyDeferred: true,
      },
    ]);
    expect(relation(schema, 'shop.d').columns.map((column) => column.isNullable)).toEqual([false, false]);
  });
});

describe('bad input', () => {
  test('a truncated dump says so and keeps what came before', async () => {
    const schema = await read(PG_DUMP.slice(0, PG_DUMP.indexOf('customer_id bigint NOT NULL,\n    state')));
    expect(schema.relations.map((found) => found.id)).toEqual(['public.customers']);
    // The statement that was cut off, and the closing line that every dump has.
    expect(schema.unsupported.map((found) => found.kind)).toEqual(['truncated dump', 'truncated dump']);
    expect(schema.unsupported[0]).toMatchObject({ line: 20 });
  });

  test('an unreadable statement is named with its line, the rest is read', async () => {
    const schema = await read(
      'CREATE TABLE a (id int);\n\nCREATE TABEL b (id int);\nCREATE TABLE c (id int);\n',
    );
    expect(schema.relations).toHaveLength(2);
    expect(schema.unsupported).toMatchObject([
      { kind: 'statement', name: 'CREATE TABEL b (id int)', line: 3 },
    ]);
  });

  test('UTF-16 with and without a byte order mark', async () => {
    const text = 'CREATE TABLE "größe" (id int);\n';
    const little = Buffer.from(text, 'utf16le');
    const big = Buffer.from(little).swap16();
    for (const bytes of [little, big, Buffer.concat([Buffer.from([0xff, 0xfe]), little])])
      expect((await read(bytes)).relations.map((found) => found.name)).toEqual(['größe']);
  });

  test('an empty file has no relations', async () => {
    expect((await read('')).relations).toEqual([]);
  });

  test('data is passed over', async () => {
    const rows = 'x\ty;\'"$$\n'.repeat(200_000);
    const schema = await read(
      `CREATE TABLE a (b text, c text);\nCOPY a FROM stdin;\n${rows}\\.\nCREATE TABLE z (id int);\n`,
    );
    expect(schema.relations).toHaveLength(2);
    expect(schema.unsupported).toEqual([]);
  });

  test('a second database of pg_dumpall is left out and named', async () => {
    const schema = await read(
      '\\connect shop\nCREATE TABLE a (id int);\n\\connect other\nCREATE TABLE b (id int);\n',
    );
    expect(schema.relations.map((found) => found.name)).toEqual(['a']);
    expect(schema.unsupported).toMatchObject([{ kind: 'database', name: 'other', line: 3 }]);
  });
});
