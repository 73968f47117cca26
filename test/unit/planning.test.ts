import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readDumpText } from '../../src/engines/dump-text.js';
import { postgresDumpReader } from '../../src/engines/postgres/postgres-dump-reader.js';
import type { DatabaseSchema } from '../../src/model/database-schema.js';
import { compareShapes, fingerprint } from '../../src/model/fingerprint.js';
import type { Boundaries } from '../../src/planning/boundaries.js';
import { makePlan } from '../../src/planning/make-plan.js';
import { comparePlans, withoutOwnChanges } from '../../src/planning/plan-diff.js';
import { relationMaps } from '../../src/planning/relation-maps.js';
import { relation, schemaOf } from '../support/schema.js';

const SHOP = `
CREATE TYPE status AS ENUM ('new', 'done');
CREATE SEQUENCE numbers;
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, note text);
CREATE TABLE orders (id bigint DEFAULT nextval('numbers') PRIMARY KEY, user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE, state status);
CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders, total numeric);
CREATE TABLE bills (id bigint DEFAULT nextval('numbers') PRIMARY KEY, order_id bigint REFERENCES orders);
CREATE TABLE events (id bigint, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE loose (line text);
CREATE VIEW order_totals AS SELECT o.id, sum(i.total) AS total FROM orders o JOIN items i ON i.order_id = o.id GROUP BY o.id;
CREATE VIEW who_ordered AS SELECT u.email, o.id FROM users u JOIN orders o ON o.user_id = u.id;
CREATE VIEW on_top AS SELECT email FROM who_ordered;
CREATE FUNCTION touch_user() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE users SET note = 'x' WHERE id = NEW.user_id; RETURN NEW; END $$;
CREATE FUNCTION touch_item() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM items WHERE order_id = OLD.id; RETURN OLD; END $$;
CREATE FUNCTION over_both(n bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM users, orders $$;
CREATE FUNCTION people_count() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM users $$;
CREATE FUNCTION per_person() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) / people_count() FROM items $$;
CREATE FUNCTION ping(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users WHERE id = n; RETURN pong(n); END $$;
CREATE FUNCTION pong(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM items WHERE order_id = n; RETURN ping(n - 1); END $$;
CREATE FUNCTION pure(n bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT n + 1 $$;
CREATE FUNCTION opaque(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE t; END $$;
CREATE TRIGGER crosses AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch_user();
CREATE TRIGGER stays BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION touch_item();
`;

async function read(sql: string): Promise<DatabaseSchema> {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-plan-')), 'schema.sql');
  fs.writeFileSync(file, sql);
  try {
    return await postgresDumpReader.read({ name: file, text: readDumpText(file) });
  } finally {
    fs.rmSync(path.dirname(file), { recursive: true });
  }
}

const split = (services: Record<string, readonly string[]>, more: Partial<Boundaries> = {}): Boundaries => ({
  defaultSchema: 'public',
  exclude: [],
  services: Object.entries(services).map(([name, relations], i) => ({
    name,
    location: { file: 'dbps.yaml', line: 10 * (i + 1) },
    targetEngine: 'postgres',
    targetSchema: null,
    relations: relations.map((relation, j) => ({
      id: `public.${relation}`,
      location: { file: 'dbps.yaml', line: 10 * (i + 1) + j + 1 },
    })),
  })),
  shared: [],
  references: [],
  ...more,
});

const SERVICES = { sales: ['orders', 'items', 'events', 'loose'], people: ['users'], money: ['bills'] };
const schema = await read(SHOP);
const plan = makePlan(schema, split(SERVICES), '2026-01-01T00:00:00Z');
const service = (name: string) => {
  const found = plan.services.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
};
const codes = (subject: string) =>
  plan.findings.filter((finding) => finding.subject.includes(subject)).map((finding) => finding.code);

describe('who owns what', () => {
  const refused = (boundaries: Boundaries) => {
    try {
      makePlan(schema, boundaries, '');
    } catch (error) {
      const { code, message, location } = error as {
        code: string;
        message: string;
        location?: { line: number };
      };
      return { code, message, line: location?.line };
    }
    return null;
  };

  test('a relation in two services is refused with both lines', () => {
    const found = refused(split({ ...SERVICES, money: ['bills', 'users'] }));
    expect(found).toMatchObject({ code: 'DBPS_E220', line: 32 });
    expect(found?.message).toContain('people (dbps.yaml:21)');
  });

  test('a relation in none is refused by name, unless it is excluded', () => {
    const found = refused(split({ ...SERVICES, sales: ['orders', 'items', 'events'] }));
    expect(found).toMatchObject({ code: 'DBPS_E221' });
    expect(found?.message).toContain('public.loose');
    expect(
      refused(split({ ...SERVICES, sales: ['orders', 'items', 'events'] }, { exclude: ['loose'] })),
    ).toBeNull();
  });

  test('a misspelt relation is refused with the line', () => {
    expect(refused(split({ ...SERVICES, people: ['user'] }))).toMatchObject({ code: 'DBPS_E222', line: 21 });
  });

  test('a partition follows its root: naming it elsewhere is refused', () => {
    expect(refused(split({ ...SERVICES, money: ['bills', 'events_1'] }))).toMatchObject({
      code: 'DBPS_E220',
      line: 32,
    });
    expect(service('sales').schema.relations.map((relation) => relation.id)).toContain('public.events_1');
    expect(service('sales').relations).not.toContain('public.events_1');
  });

  test('shared relations need an owner that is a service', () => {
    const shared = (owner: string | null) => ({
      shared: [{ relations: [{ id: 'public.loose' }], owner, location: { file: 'dbps.yaml', line: 40 } }],
    });
    const services = { ...SERVICES, sales: ['orders', 'items', 'events'] };
    expect(refused(split(services, shared(null)))).toMatchObject({ code: 'DBPS_E223', line: 40 });
    expect(refused(split(services, shared('nobody')))).toMatchObject({ code: 'DBPS_E223' });
    expect(refused(split(services, shared('money')))).toBeNull();
  });
});

describe('read-only copies of shared relations', () => {
  const shared = async (
    countries: string,
    more: Partial<Boundaries['shared'][number]> = {},
    rest: Partial<Boundaries> = {},
  ) =>
    makePlan(
      await read(`${countries};
        CREATE TABLE goods (id bigint PRIMARY KEY, code text REFERENCES countries);
        CREATE TABLE orders (id bigint PRIMARY KEY, code text REFERENCES countries);
        CREATE TABLE users (id bigint PRIMARY KEY);`),
      split(
        { catalog: ['goods'], sales: ['orders'], people: ['users'] },
        { shared: [{ relations: [{ id: 'public.countries' }], owner: 'catalog', ...more }], ...rest },
      ),
      '',
    );
  const PLAIN =
    "CREATE TABLE countries (code text PRIMARY KEY, name text DEFAULT 'x', CHECK (code > ''), UNIQUE (name))";

  test('go to whoever refers to them or is named as a reader, never to their owner, and hold rows and keys only', async () => {
    const made = await shared(PLAIN, { readers: ['people', 'catalog'] });
    expect(
      made.services.filter((s) => s.copies !== undefined).map((s) => [s.name, s.copies, s.schemaMap]),
    ).toEqual(
      ['people', 'sales'].map((reader) => [
        `${reader}-shared`,
        { reader, owners: { 'public.countries': 'catalog' } },
        { public: 'shared' },
      ]),
    );
    const copy = made.services.find((s) => s.name === 'sales-shared')?.schema.relations[0];
    expect(copy).toMatchObject({ id: 'shared.countries', checks: [], foreignKeys: [], triggers: [] });
    expect(copy?.columns.some((column) => column.default !== undefined)).toBe(false);
    expect(copy?.keys.map(({ kind }) => kind).sort()).toEqual(['primary', 'unique']);
    expect(made.services.find((s) => s.name === 'catalog')?.relations).toContain('public.countries');
    expect(made.findings.filter(({ code }) => code === 'BND405')).toEqual([]);
  });

  test('a key that a cutover took away is no drift of the copies that it asked for; a reader that is named needs no key', async () => {
    const before = await shared(PLAIN);
    const boundaries = split(
      { catalog: ['goods'], sales: ['orders'], people: ['users'] },
      { shared: [{ relations: [{ id: 'public.countries' }], owner: 'catalog' }] },
    );
    const cut =
      await read(`${PLAIN}; CREATE TABLE goods (id bigint PRIMARY KEY, code text REFERENCES countries);
      CREATE TABLE orders (id bigint PRIMARY KEY, code text); CREATE TABLE users (id bigint PRIMARY KEY);`);
    const after = makePlan(cut, boundaries, '');
    const removed = comparePlans(before, after).filter(({ service: of }) => of === 'sales-shared');
    expect(removed).toMatchObject([{ object: 'service sales-shared', what: 'removed' }]);
    expect(withoutOwnChanges(comparePlans(before, after), before, ['catalog'])).toEqual([]);
    const named = boundaries.shared.map((entry) => ({ ...entry, readers: ['sales'] }));
    expect(makePlan(cut, { ...boundaries, shared: named }, '').services.map(({ name }) => name)).toContain(
      'sales-shared',
    );
  });

  test.each([
    [
      'no key',
      'CREATE TABLE countries (code text UNIQUE NOT NULL, name text)',
      'no key that identifies a row',
    ],
    [
      'a type of the user’s own',
      "CREATE TYPE area AS ENUM ('a'); CREATE TABLE countries (code text PRIMARY KEY, area area)",
      'a type of your own',
    ],
    [
      'row-level security',
      'CREATE TABLE countries (code text PRIMARY KEY); ALTER TABLE countries ENABLE ROW LEVEL SECURITY',
      'row-level security',
    ],
    ['partitions', 'CREATE TABLE countries (code text PRIMARY KEY) PARTITION BY LIST (code)', 'partitioned'],
    ['no log', 'CREATE UNLOGGED TABLE countries (code text PRIMARY KEY)', 'not in the log'],
  ])('with %s there is none, and the finding says why', async (_, sql, reason) => {
    const made = await shared(sql);
    expect(made.services.filter((s) => s.copies !== undefined)).toEqual([]);
    expect(made.findings.find(({ code }) => code === 'BND405')).toMatchObject({
      subject: 'public.countries',
      message: expect.stringContaining(reason) as string,
      remedy: expect.stringContaining('let sales ask catalog') as string,
    });
  });

  test('where capture passes over what dbps applies there are none; a reader is a service; the name is taken', async () => {
    const without = await shared(PLAIN, {}, { noCopies: 'captured by triggers' });
    expect(without.services.filter((s) => s.copies !== undefined)).toEqual([]);
    expect(without.findings.find(({ code }) => code === 'BND405')?.message).toContain('captured by triggers');
    await expect(shared(PLAIN, { readers: ['nobody'] })).rejects.toMatchObject({ code: 'DBPS_E223' });
    const taken = split({ catalog: ['goods'], sales: ['orders'], 'sales-shared': ['users'] }).services;
    await expect(shared(PLAIN, {}, { services: taken })).rejects.toMatchObject({ code: 'DBPS_E224' });
  });
});

describe('objects that are no tables', () => {
  const names = (of: string) => service(of).schema.relations.map((relation) => relation.name);

  test('a view goes where all that it reads goes, through other views; one over two services goes nowhere', () => {
    expect(names('sales')).toContain('order_totals');
    for (const view of ['who_ordered', 'on_top'])
      for (const name of ['sales', 'people', 'money']) expect(names(name)).not.toContain(view);
    expect(codes('who_ordered')).toEqual(['BND403']);
    expect(codes('on_top')).toEqual(['BND403']);
  });

  test('a trigger whose function writes another service is left out and told; one that stays inside comes along', () => {
    const orders = service('sales').schema.relations.find((relation) => relation.name === 'orders');
    expect(orders?.triggers.map((trigger) => trigger.name)).toEqual(['stays']);
    expect(codes('crosses')).toEqual(['TRG401']);
  });

  test('a routine goes where it works: not where it crosses, everywhere when it touches nothing', () => {
    const routines = (of: string) => service(of).schema.routines.map((routine) => routine.name);
    expect(routines('sales')).toEqual(expect.arrayContaining(['touch_item', 'pure']));
    expect(routines('people')).toContain('pure');
    expect(routines('people')).not.toContain('touch_item');
    for (const name of ['sales', 'people', 'money']) expect(routines(name)).not.toContain('over_both');
    expect(codes('public.over_both')).toEqual(['TRG402']);
    // Through what it calls; in a circle, wherever one begins.
    for (const crossing of ['per_person', 'ping', 'pong']) {
      expect(codes(`public.${crossing}`)).toEqual(['TRG402']);
      for (const name of ['sales', 'people', 'money']) expect(routines(name)).not.toContain(crossing);
    }
    expect(routines('people')).toContain('people_count');
    expect(codes('public.opaque')).toEqual(['TRG403']);
  });

  test('types come along where they are used', () => {
    expect(service('sales').schema.types.map((type) => type.name)).toEqual(['status']);
    expect(service('people').schema.types).toEqual([]);
  });

  test('H16: a sequence that serves two services is an error', () => {
    expect(plan.findings.find((finding) => finding.code === 'SEQ401')).toMatchObject({
      severity: 'error',
      subject: 'public.numbers',
      data: { services: ['money', 'sales'] },
    });
  });

  test('H12: a table without a key is an error with the statement that mends it', () => {
    expect(plan.findings.find((finding) => finding.code === 'RPL201')).toMatchObject({
      severity: 'error',
      subject: 'public.loose',
      remedy: expect.stringContaining('ALTER TABLE public.loose ADD PRIMARY KEY') as string,
    });
  });
});

test('an inheritance child without a key is told the columns of its nearest parent’s', () => {
  const parent = relation('payments: id, at!');
  const middle = { ...relation('payments_2007: id, at!'), keys: [], inherits: [parent.id] };
  const child = { ...relation('payments_2007_01: id, at!'), keys: [], inherits: [middle.id] };
  const schema = schemaOf([parent, middle, child]);
  const services = { pay: ['payments', 'payments_2007', 'payments_2007_01'] };
  const plan = makePlan(schema, split(services), '2026-01-01T00:00:00.000Z');
  expect(
    plan.findings
      .filter(({ code, subject }) => code === 'RPL201' && subject !== parent.id)
      .map(({ subject, remedy }) => [subject, remedy]),
  ).toEqual([
    ['public.payments_2007', 'ALTER TABLE public.payments_2007 ADD PRIMARY KEY (id);'],
    ['public.payments_2007_01', 'ALTER TABLE public.payments_2007_01 ADD PRIMARY KEY (id);'],
  ]);
});

describe('references and order', () => {
  test('a cut key is detached, with what it did to the child rows', () => {
    expect(plan.crossings.map((crossing) => crossing.label)).toEqual([
      'bills.order_id -> orders.id',
      'orders.user_id -> users.id',
    ]);
    expect(codes('orders.user_id')).toEqual(['BND401']);
    expect(codes('bills.order_id')).toEqual(['BND402']);
    const orders = service('sales').schema.relations.find((relation) => relation.name === 'orders');
    const items = service('sales').schema.relations.find((relation) => relation.name === 'items');
    expect(orders?.foreignKeys).toEqual([]);
    expect(items?.foreignKeys.map((key) => key.parent)).toEqual(['public.orders']);
  });

  test('owners of keys move before those who refer to them', () => {
    expect(plan.services.map((candidate) => candidate.name)).toEqual(['people', 'sales', 'money']);
  });

  test('dbps.yaml says what shall happen to the children of a deleted parent', () => {
    const wished = makePlan(
      schema,
      split(SERVICES, {
        references: [
          {
            child: 'public.orders',
            childColumns: ['user_id'],
            parent: 'public.users',
            parentColumns: ['id'],
            onDelete: 'delete',
          },
        ],
      }),
      '',
    );
    expect(wished.crossings.find((crossing) => crossing.child === 'public.orders')?.onDelete).toBe('delete');
  });
});

describe('the hash', () => {
  test('is the same whenever the plan means the same: time, estimates, order of words do not count', () => {
    const later = makePlan(
      {
        ...schema,
        relations: schema.relations.map((relation) => ({ ...relation, estimatedRows: 7, bytes: 1 })),
      },
      split(Object.fromEntries(Object.entries(SERVICES).reverse())),
      '2030-01-01T00:00:00Z',
    );
    expect(later.hash).toBe(plan.hash);
    expect(comparePlans(plan, later)).toEqual([]);
  });

  test('changes with the boundaries and with the schema, and the difference can be read', async () => {
    const moved = makePlan(
      schema,
      split({ ...SERVICES, sales: ['orders', 'events', 'loose'], money: ['bills', 'items'] }),
      '',
    );
    expect(moved.hash).not.toBe(plan.hash);
    expect(comparePlans(plan, moved)).toContainEqual(
      expect.objectContaining({
        object: 'table public.items',
        what: 'moved',
        detail: 'from sales to money',
        effect: 'recopy',
      }),
    );
    const grown = makePlan(
      await read(`${SHOP} ALTER TABLE users ADD COLUMN age integer;`),
      split(SERVICES),
      '',
    );
    expect(comparePlans(plan, grown)).toContainEqual(
      expect.objectContaining({
        service: 'people',
        object: 'public.users',
        effect: 'additive',
        detail: 'column "age" was added (integer)',
      }),
    );
  });
});

test('what dbps took away itself is no drift: the crossing keys of a service that has moved', async () => {
  const cut = makePlan(
    await read(
      `${SHOP} ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey; ALTER TABLE items ADD COLUMN note text;`,
    ),
    split(SERVICES),
    '',
  );
  const objects = (moved: readonly string[]) =>
    withoutOwnChanges(comparePlans(plan, cut), plan, moved).map((difference) => difference.object);
  expect(objects([])).toContain('reference orders.user_id -> users.id');
  expect(objects(['people'])).toEqual(['public.items']);
});

describe('H5: the fingerprint', () => {
  const ids = ['public.users', 'public.orders', 'public.events'];
  const print = fingerprint(schema, ids);
  const cases: readonly (readonly [string, string, string])[] = [
    ['a column with a constant default', "ALTER TABLE users ADD COLUMN a text DEFAULT 'x';", 'additive'],
    ['a column with a volatile default', 'ALTER TABLE users ADD COLUMN a float DEFAULT random();', 'recopy'],
    ['another type', 'ALTER TABLE users ALTER COLUMN note TYPE varchar(9);', 'recopy'],
    ['a dropped column', 'ALTER TABLE users DROP COLUMN note;', 'recopy'],
    [
      'an attached partition',
      "CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
      'recheck',
    ],
    ['another replica identity', 'ALTER TABLE users REPLICA IDENTITY FULL;', 'recheck'],
    ['another unique key', 'CREATE UNIQUE INDEX once ON users (note);', 'recheck'],
  ];
  test.each(cases)('sees %s', async (_, ddl, effect) => {
    const changed = await read(`${SHOP}\n${ddl}`);
    expect(fingerprint(changed, ids)).not.toBe(print);
    expect(compareShapes(schema, changed, ids).map((difference) => difference.effect)).toContain(effect);
  });

  test('sees a detached partition, whose rows the log never deletes', () => {
    const changed = {
      ...schema,
      relations: schema.relations.map((relation) => {
        if (relation.name !== 'events_1') return relation;
        const { partitionOf: _, ...rest } = relation;
        return { ...rest, kind: 'table' as const };
      }),
    };
    expect(fingerprint(changed, ids)).not.toBe(print);
    expect(compareShapes(schema, changed, ids)).toEqual([
      { relation: 'public.events_1', effect: 'recopy', what: 'is no longer a part of public.events' },
    ]);
  });

  test('does not see what changes no row', async () => {
    const changed = await read(
      `${SHOP} CREATE INDEX ON users (note); ALTER TABLE users ADD CHECK (id > 0); COMMENT ON TABLE users IS 'x'; ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey;`,
    );
    expect(fingerprint(changed, ids)).toBe(print);
    expect(compareShapes(schema, changed, ids)).toEqual([]);
  });
});

test('maps: the root of partitions once, with its leaves', () => {
  const maps = relationMaps(plan, service('sales'));
  expect(maps.map((map) => map.source)).toEqual([
    'public.events',
    'public.items',
    'public.loose',
    'public.orders',
  ]);
  expect(maps[0]).toMatchObject({ key: ['id', 'at'], leaves: ['public.events_1'] });
});
