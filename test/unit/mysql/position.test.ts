import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  coversGtids,
  formatLogPosition,
  isLogPositionReached,
  logDistance,
  parseLogPosition,
} from '../../../src/engines/mysql/mysql-position.js';

const at = (file: string, offset: number, gtids = '') =>
  formatLogPosition({ file, offset, created: 0, gtids });

test('a position is read as it was written', () => {
  const position = {
    file: 'mysql.bin-log.000042',
    offset: 1234,
    created: 1_763_834_000,
    gtids: '0-1-77,3-2-9',
  };
  expect(formatLogPosition(position)).toBe(
    'mysql.bin-log.0000000042:00000000000000001234@1763834000|0-1-77,3-2-9',
  );
  expect(parseLogPosition(formatLogPosition(position))).toEqual(position);
  const odd = { file: 'a:b|c.1234567', offset: 2 ** 33, created: 0, gtids: '' };
  expect(parseLogPosition(formatLogPosition(odd))).toEqual(odd);
  expect(() => parseLogPosition('0/16B3748')).toThrow('not a position');
});

const place = fc.record({
  number: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 999_998, max: 1_000_001 })),
  offset: fc.oneof(fc.nat(2_000), fc.integer({ min: 2 ** 32, max: 2 ** 32 + 9 })),
});

test('positions of one log are ordered as text as they are in the log', () => {
  fc.assert(
    fc.property(place, place, (a, b) => {
      const text = ({ number, offset }: typeof a) => at(`log.${String(number).padStart(6, '0')}`, offset);
      const isBehind = a.number > b.number || (a.number === b.number && a.offset >= b.offset);
      expect(isLogPositionReached(text(a), text(b))).toBe(isBehind);
      expect(text(a) >= text(b)).toBe(isBehind);
    }),
  );
});

test('logs under different names are compared by what had been written', () => {
  expect(isLogPositionReached(at('a.000009', 900, '0-1-50'), at('b.000001', 4, '0-1-50'))).toBe(true);
  expect(isLogPositionReached(at('a.000009', 900, '0-1-50'), at('b.000001', 4, '0-1-51'))).toBe(false);
  expect(isLogPositionReached(at('a.000009', 900), at('b.000001', 4))).toBe(false);
});

test('bytes between positions need the sizes of the files between', () => {
  const sizes = new Map([
    ['log.000001', 1_000],
    ['log.000002', 500],
  ]);
  expect(logDistance(at('log.000001', 100), at('log.000001', 350))).toBe(250);
  expect(logDistance(at('log.000001', 100), at('log.000003', 40), sizes)).toBe(1_440);
  expect(logDistance(at('log.000003', 40), at('log.000001', 100), sizes)).toBe(-1_440);
  expect(logDistance(at('log.000002', 100), at('log.000004', 40), sizes)).toBeNull();
  expect(logDistance(at('a.000001', 100), at('b.000001', 100), sizes)).toBeNull();
});

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '3e11fa47-71ca-11e1-9e33-c80aa9429563';

test.for([
  [`${A}:1-100`, `${A}:5-7:9`, true],
  [`${A}:1-5:6-100`, `${A}:4-8`, true],
  [`${A}:1-5:7-100`, `${A}:4-8`, false],
  [`${A.toUpperCase()}:1-5,\n${B}:1`, `${B}:1`, true],
  [`${A}:1-5`, `${B}:1`, false],
  [`${A}:1-5:tag:1-3`, `${A}:tag:2`, true],
  [`${A}:1-5`, `${A}:tag:2`, false],
  [`${A}:1-5`, '', true],
  ['', '', true],
  ['0-1-100,1-2-5', '0-1-100', true],
  ['0-1-100,1-2-5', '1-2-6', false],
  // Another server wrote last in the domain: its numbers are not to be compared.
  ['0-1-100', '0-2-5', false],
] as const)('%s covers %s: %s', ([whole, part, covered]) => {
  expect(coversGtids(whole, part)).toBe(covered);
});

test('a set covers what it is made of, and nothing with one more', () => {
  const members = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
  const text = (numbers: readonly number[]) => (numbers.length === 0 ? '' : `${A}:${numbers.join(':')}`);
  fc.assert(
    fc.property(members, fc.func(fc.boolean()), (numbers, isKept) => {
      expect(coversGtids(text(numbers), text(numbers.filter(isKept)))).toBe(true);
      const missing = Array.from({ length: 31 }, (_, n) => n + 1).find((n) => !numbers.includes(n));
      expect(coversGtids(text(numbers), text([...numbers, missing as number]))).toBe(false);
    }),
  );
});
