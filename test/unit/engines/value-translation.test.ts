import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ValueRefusal, valueTranslation } from '../../../src/engines/value-translation.js';

const pg = (type: string) => ({ engine: 'postgres' as const, type });
const my = (type: string) => ({ engine: 'mysql' as const, type });
const forth = (from: string, to: string) => valueTranslation(pg(from), my(to)) ?? ((text: string) => text);
const back = (from: string, to: string) => valueTranslation(my(from), pg(to)) ?? ((text: string) => text);

const digits = (n: number) =>
  fc.integer({ min: 0, max: 10 ** n - 1 }).map((value) => String(value).padStart(n, '0'));
const moment = fc
  .date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 19).replace('T', ' '));
/** As PostgreSQL prints it: no zeros at the end of the fraction. */
const fraction = digits(6).map((text) => {
  const trimmed = text.replace(/0+$/, '');
  return trimmed === '' ? '' : `.${trimmed}`;
});

const SAME: readonly [string, string, fc.Arbitrary<string>][] = [
  ['boolean', 'tinyint(1)', fc.constantFrom('t', 'f')],
  ['timestamp(6) without time zone', 'datetime(6)', fc.tuple(moment, fraction).map(([at, f]) => at + f)],
  ['timestamp(6) with time zone', 'datetime(6)', fc.tuple(moment, fraction).map(([at, f]) => `${at}${f}+00`)],
  ['time(6) without time zone', 'time(6)', fc.tuple(moment, fraction).map(([at, f]) => at.slice(11) + f)],
  ['smallint', 'year', fc.integer({ min: 1901, max: 2155 }).map(String)],
  [
    'numeric(20,4)',
    'decimal(20,4)',
    fc.tuple(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), digits(4)).map(([n, f]) => `${n}.${f}`),
  ],
  ['bytea', 'longblob', fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`)],
];

describe.each(SAME)('%s ↔ %s', (from, to, values) => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(values, (text) => {
        expect(back(to, from)(forth(from, to)(text))).toBe(text);
      }),
    );
  });
});

test('arrays become JSON and come back', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.string())), (items) => {
      const literal = back('json', 'text[]')(JSON.stringify(items));
      expect(JSON.parse(forth('text[]', 'json')(literal))).toEqual(items);
    }),
  );
});

test('times of MySQL are intervals, beyond a day and below zero', () => {
  const to = back('time(6)', 'interval(6)');
  expect(to('-12:34:56.789000')).toBe('-12:34:56.789');
  expect(forth('interval(6)', 'time(6)')('-12:34:56.789')).toBe('-12:34:56.789000');
  expect(forth('interval(6)', 'time(6)')('1 day 02:00:00')).toBe('26:00:00.000000');
  expect(forth('interval(6)', 'time(6)')('-1 days +02:00:00')).toBe('-22:00:00.000000');
  expect(forth('interval(6)', 'time(6)')('838:59:59')).toBe('838:59:59.000000');
});

test.each([
  ['numeric', 'decimal(65,30)', 'NaN'],
  ['double precision', 'double', '-Infinity'],
  ['timestamp with time zone', 'datetime(6)', 'infinity'],
  ['timestamp without time zone', 'datetime(6)', '10000-01-01 00:00:00'],
  ['date', 'date', '0044-03-15 BC'],
  ['interval', 'time(6)', '1 mon'],
  ['interval', 'time(6)', '839:00:00'],
  ['timestamp(6) without time zone', 'datetime(3)', '2026-01-01 00:00:00.1234'],
])('%s → %s refuses %s', (from, to, text) => {
  expect(() => forth(from, to)(text)).toThrow(ValueRefusal);
});

test.each([
  ['date', 'date', '0000-00-00'],
  ['datetime', 'timestamp(0) without time zone', '2026-00-10 00:00:00'],
  ['varchar(10)', 'character varying(10)', 'a\0b'],
  ['tinyint(1)', 'boolean', '2'],
  ['json', 'text[]', '[9007199254740993]'],
])('%s → %s refuses %s', (from, to, text) => {
  expect(() => back(from, to)(text)).toThrow(ValueRefusal);
});
