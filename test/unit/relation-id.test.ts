import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseRelationId, relationId } from '../../src/model/relation-id.js';

test('a relation id is what a person would write', () => {
  expect(relationId('public', 'OrderItems')).toBe('public.OrderItems');
  expect(relationId('a.b', 'x"y')).toBe('"a.b"."x""y"');
  expect(parseRelationId('orders')).toEqual({ schema: 'public', name: 'orders' });
  expect(parseRelationId('sales.orders')).toEqual({ schema: 'sales', name: 'orders' });
});

test('any two names survive the round trip', () => {
  const name = fc.string({ minLength: 1, unit: 'grapheme' });
  fc.assert(
    fc.property(name, name, (schema, relation) => {
      expect(parseRelationId(relationId(schema, relation))).toEqual({ schema, name: relation });
    }),
  );
});

test.each(['', '.', 'a.', '.a', 'a.b.c', '"a', 'a"b'])('%j is no relation name', (text) => {
  expect(() => parseRelationId(text)).toThrow(RangeError);
});
