import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pushApart, untangle } from '../../src/report/html/html-layout.js';

test('cards do not cover one another', () => {
  const box = fc.record({
    x: fc.integer({ min: -500, max: 500 }),
    y: fc.integer({ min: -500, max: 500 }),
    width: fc.integer({ min: 50, max: 400 }),
    height: fc.integer({ min: 50, max: 400 }),
  });
  fc.assert(
    fc.property(fc.array(box, { maxLength: 12 }), (boxes) => {
      pushApart(boxes, 20);
      for (const [i, a] of boxes.entries()) {
        for (const b of boxes.slice(i + 1)) {
          const isApart =
            a.x + a.width <= b.x + 1 ||
            b.x + b.width <= a.x + 1 ||
            a.y + a.height <= b.y + 1 ||
            b.y + b.height <= a.y + 1;
          expect(isApart).toBe(true);
        }
      }
    }),
  );
});

test('no line runs behind a card when another order lets it run free', () => {
  const box = (name: string, x: number) => ({ name, x, y: 0, width: 100, height: 100 });
  const boxes = [box('address', 0), box('film', 300), box('inventory', 600)];
  untangle(boxes, [
    { a: 'address', b: 'inventory', weight: 3 },
    { a: 'film', b: 'inventory', weight: 1 },
  ]);
  const order = boxes.toSorted((a, b) => a.x - b.x).map(({ name }) => name);
  expect(order[1]).toBe('inventory');
});
