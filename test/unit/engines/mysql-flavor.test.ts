/** What information_schema of MySQL shows → SQL; every text on the left was printed by MySQL 9.7. */
import { describe, expect, test } from 'vitest';
import { MARIADB, MYSQL } from '../../../src/engines/mysql/mysql-flavor.js';

describe('expressions', () => {
  test.each([
    [
      String.raw`concat(${'`a`'},_utf8mb3\'it\\\'s \\\\ "x" \\n %\',_utf8mb3\'dq\')`,
      String.raw`concat(${'`a`'},'it\'s \\ "x" \n %','dq')`,
    ],
    [String.raw`(${'`a`'} <> _utf8mb4\'q\\\'\\\\w\')`, String.raw`(${'`a`'} <> 'q\'\\w')`],
    [
      String.raw`concat(${'`_utf8mb4`'},\'ends in _utf8mb4\',_latin1\'l\')`,
      String.raw`concat(${'`_utf8mb4`'},'ends in _utf8mb4',_latin1'l')`,
    ],
  ])('%s', (shown, sql) => {
    expect(MYSQL.expression(shown)).toBe(sql);
    // MariaDB shows them as they are.
    expect(MARIADB.expression(sql)).toBe(sql);
  });
});

describe('defaults', () => {
  test.each([
    ['varchar', String.raw`it's \ ?`, '', String.raw`'it''s \\ ?'`],
    ['varbinary', '0x785C79', '', '0x785C79'],
    ['varchar', '0x785C79', '', "'0x785C79'"],
    ['bit', "b'101'", '', "b'101'"],
    ['int', '7', '', '7'],
    ['json', String.raw`_utf8mb4\'{"a": 1}\'`, 'DEFAULT_GENERATED', `'{"a": 1}'`],
    [
      'datetime',
      'CURRENT_TIMESTAMP(6)',
      'DEFAULT_GENERATED on update CURRENT_TIMESTAMP(6)',
      'CURRENT_TIMESTAMP(6)',
    ],
  ])('%s %s', (data_type, column_default, extra, sql) => {
    expect(MYSQL.defaultExpression({ data_type, column_default, extra })).toBe(sql);
  });

  test('none', () => {
    expect(MYSQL.defaultExpression({ data_type: 'int', column_default: null, extra: '' })).toBeUndefined();
    expect(
      MARIADB.defaultExpression({ data_type: 'int', column_default: 'NULL', extra: '' }),
    ).toBeUndefined();
  });
});
