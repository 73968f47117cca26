import { beforeAll, describe, expect, test } from 'vitest';
import type { WrittenName } from '../../../src/engines/engine.js';
import {
  postgresStatementReader,
  prepareGrammar,
  readRoutine,
  readStatements,
} from '../../../src/engines/postgres/postgres-statement-reader.js';

beforeAll(prepareGrammar);

const text = (names: readonly WrittenName[]): string[] =>
  names.map(({ schema, name }) => (schema === undefined ? name : `${schema}.${name}`)).sort();

const use = (sql: string): { reads: string[]; writes: string[] } => {
  const { reads, writes } = readStatements(sql);
  return { reads: text(reads), writes: text(writes) };
};

describe('relations', () => {
  test.each([
    [
      'a CTE hides a relation of its name, but not what it reads',
      'with orders as (select * from raw.orders) select * from orders join customers c on c.id = orders.cid',
      ['customers', 'raw.orders'],
      [],
    ],
    [
      'recursive CTE',
      'with recursive t as (select id from cat union all select c.id from cat c join t on t.id = c.up) select * from t',
      ['cat'],
      [],
    ],
    [
      'lateral',
      'select * from u left join lateral (select * from o where o.uid = u.id) l on true',
      ['o', 'u'],
      [],
    ],
    [
      'upsert with a subquery',
      'insert into stock(q) values (1) on conflict (q) do update set q = (select max(w) from warehouse)',
      ['warehouse'],
      ['stock'],
    ],
    [
      'writing CTE',
      'with m as (delete from queue q using worker w where w.id = q.wid returning q.*) insert into archive select * from m',
      ['worker'],
      ['archive', 'queue'],
    ],
    ['update from', 'update o set t = s.t from (select * from oi) s where s.id = o.id', ['oi'], ['o']],
    ['merge', 'merge into t using (select * from s) s on t.id = s.id when matched then delete', ['s'], ['t']],
    ['set operations', 'select a from x union (select b from y except select c from z)', ['x', 'y', 'z'], []],
    ['truncate and copy', 'truncate a, b; copy (select * from c) to stdout', ['c'], ['a', 'b']],
    [
      'normalised by the server',
      'select * from t where id = $1 and n in ($2 /*, ... */) limit $3',
      ['t'],
      [],
    ],
    ['text that looks like SQL', 'select $$from fake$$, \'from fake\' from "Odd Table"', ['Odd Table'], []],
  ])('%s', (_name, sql, reads, writes) => {
    expect(use(sql)).toEqual({ reads, writes });
  });

  test('columns go to the relation their alias stands for; a bare one to all in scope', () => {
    const { columns } = readStatements('select o.total, name from orders o join customers c on c.id = o.cid');
    expect(columns.map(({ relation, column }) => `${relation.name}.${column}`).sort()).toEqual([
      'customers.id',
      'customers.name',
      'orders.cid',
      'orders.name',
      'orders.total',
    ]);
  });

  test('joins are equalities of columns of two relations, and USING', () => {
    const { joins } = readStatements(
      'select 1 from orders o join customers c on c.id = o.cid join lines using (order_id) where o.a = 3',
    );
    expect(joins.map((j) => `${j.left.name}.${j.leftColumn}=${j.right.name}.${j.rightColumn}`)).toEqual([
      'customers.id=orders.cid',
    ]);
    expect(readStatements('select 1 from a join b using (k)').joins).toHaveLength(1);
  });

  test('a statement that is cut off is null, the others are read', async () => {
    const [broken, whole] = await postgresStatementReader.read(['select a from b join c on c.', 'begin']);
    expect(broken).toBeNull();
    expect(whole?.isTransactionControl).toBe(true);
  });
});

describe('routine bodies', () => {
  test('PL/pgSQL: statements, expressions, loops and assignments', () => {
    const found = readRoutine(`CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE n int := (SELECT count(*) FROM q); r record;
      BEGIN
        NEW.x := (SELECT max(v) FROM w);
        IF EXISTS (SELECT 1 FROM z) THEN UPDATE y SET a = 1; END IF;
        FOR r IN SELECT * FROM looped LOOP PERFORM g(1); END LOOP;
        RETURN NEW;
      END $$`);
    expect(text(found.reads)).toEqual(['looped', 'q', 'w', 'z']);
    expect(text(found.writes)).toEqual(['y']);
    expect(text(found.calls)).toEqual(['count', 'g', 'max']);
    expect(found.isOpaque).toBe(false);
  });

  test('dynamic SQL and other languages are opaque', () => {
    const dynamic = `CREATE FUNCTION f(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x' || t; END $$`;
    expect(readRoutine(dynamic).isOpaque).toBe(true);
    expect(readRoutine(`CREATE FUNCTION f() RETURNS void LANGUAGE plperl AS $$ x $$`).isOpaque).toBe(true);
    expect(readRoutine('CREATE FUNCTION broken(').isOpaque).toBe(true);
  });

  test('SQL functions, quoted and standard bodies', () => {
    expect(
      text(readRoutine(`CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1 from a'`).reads),
    ).toEqual(['a']);
    const atomic = 'CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO a SELECT * FROM b; DELETE FROM c; END';
    expect(text(readRoutine(atomic).writes)).toEqual(['a', 'c']);
  });
});
