import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pushApart } from '../../src/report/html/html-layout.js';

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
