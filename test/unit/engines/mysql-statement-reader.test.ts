import { describe, expect, test } from 'vitest';
import type { WrittenName } from '../../../src/engines/engine.js';
import { readMysqlStatement } from '../../../src/engines/mysql/mysql-statement-reader.js';

const text = (names: readonly WrittenName[]): string[] =>
  names.map(({ schema, name }) => (schema === undefined ? name : `${schema}.${name}`)).sort();

describe('relations of a statement', () => {
  test.each<[string, string, string[], string[]]>([
    [
      'backticks',
      'select c.`na``me` from `shop`.`orders` `o` straight_join `customers` c on c.id = o.cid',
      ['customers', 'shop.orders'],
      [],
    ],
    [
      'upsert',
      'insert into `stock` (sku) values (?) on duplicate key update sku = values(sku)',
      [],
      ['stock'],
    ],
    [
      'replace … select',
      "replace into daily select count(*) from `orders` force index (ix) where s in ('from x')",
      ['orders'],
      ['daily'],
    ],
    [
      'update of several',
      'update orders o inner join customers c on c.id = o.cid set o.name = c.name where c.vip = 1',
      ['customers'],
      ['orders'],
    ],
    [
      'delete of several',
      'delete o, i from orders o left join items i on i.oid = o.id',
      [],
      ['items', 'orders'],
    ],
    ['delete using', 'delete from o using orders o join bad b on b.id = o.id', ['bad'], ['orders']],
    [
      'CTE',
      'with recursive t as (select id from cat union all select c.id from cat c join t on t.id = c.up) select * from t',
      ['cat'],
      [],
    ],
    [
      'subqueries',
      'select (select max(p.at) from pay p) from orders o where o.cid in (select id from customers)',
      ['customers', 'orders', 'pay'],
      [],
    ],
    [
      'insert … set',
      'insert ignore into logs set msg = (select name from users where id = 1)',
      ['users'],
      ['logs'],
    ],
    [
      'digest',
      'SELECT `o` . `id` FROM `orders` `o` JOIN `items` `i` ON `i` . `oid` = `o` . `id` WHERE `o` . `id` IN (...) LIMIT ?',
      ['items', 'orders'],
      [],
    ],
    ['list', 'select sql_calc_found_rows * from a, b where a.id = b.aid for update', ['a', 'b'], []],
    ['no relation', "select extract(year from created), trim(both 'x' from y) from t", ['t'], []],
    ['load data', "load data local infile 'x' into table imports fields terminated by ','", [], ['imports']],
    ['cut off', 'select a.id from accounts a join books b on b.', ['accounts', 'books'], []],
  ])('%s', (_name, sql, reads, writes) => {
    const use = readMysqlStatement(sql);
    expect({ reads: text(use.reads), writes: text(use.writes) }).toEqual({ reads, writes });
  });

  test('joins and columns', () => {
    const use = readMysqlStatement('select o.total from orders o join customers c on c.id = o.customer_id');
    expect(use.joins).toMatchObject([
      { left: { name: 'customers' }, leftColumn: 'id', rightColumn: 'customer_id' },
    ]);
    expect(use.columns.map(({ relation, column }) => `${relation.name}.${column}`)).toContain('orders.total');
  });
});
