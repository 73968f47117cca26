import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseReadSide, readBucket } from '../../src/router/read-choice.js';
import { RecentWriters } from '../../src/router/recent-writers.js';
import { latestRoute } from '../../src/router/route-watch.js';
import type { Route } from '../../src/state/route.js';

const route = (changes: Partial<Route> = {}): Route => ({
  service: 'orders',
  owner: 'legacy',
  readShare: 0,
  readRelations: [],
  epoch: 3,
  revision: 1,
  ...changes,
});
const never = (): number => {
  throw new Error('a read with a key is not left to chance');
};

test('a share is kept over keys of any form, to within two and a half points', () => {
  const shares = fc.integer({ min: 0, max: 100 });
  const forms = fc.constantFrom(
    (n: number) => String(n),
    (n: number) => `user-${n}`,
    (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`,
    (n: number) => String(n * 1000),
  );
  fc.assert(
    fc.property(shares, forms, fc.string(), (readShare, form, service) => {
      const keys = Array.from({ length: 10_000 }, (_, n) => form(n));
      const toService = keys.filter(
        (key) => chooseReadSide(route({ service, readShare }), { key }, never) === 'service',
      ).length;
      // Five standard deviations of 10,000 throws: less would fail by chance now and then.
      expect(Math.abs(toService / 100 - readShare)).toBeLessThan(2.5);
    }),
    { numRuns: 60 },
  );
});

test('a key stays where it is, and a raised share only adds keys', () => {
  const share = fc.integer({ min: 0, max: 100 });
  fc.assert(
    fc.property(fc.string(), share, share, (key, a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      const at = (readShare: number) => chooseReadSide(route({ readShare }), { key }, never);
      expect(at(low)).toBe(at(low));
      if (at(low) === 'service') expect(at(high)).toBe('service');
    }),
  );
});

test('services do not share their buckets: the same users are not first everywhere', () => {
  const keys = Array.from({ length: 10_000 }, (_, n) => `user-${n}`);
  const both = keys.filter((key) => readBucket('orders', key) < 1000 && readBucket('users', key) < 1000);
  expect(both.length).toBeGreaterThan(50);
  expect(both.length).toBeLessThan(160);
});

test('named relations go first, in any spelling; the owner has every read', () => {
  const named = route({ readRelations: ['public.reviews'] });
  expect(chooseReadSide(named, { relation: 'reviews', key: 'a' }, never)).toBe('service');
  expect(chooseReadSide(named, { relation: 'public.reviews', key: 'a' }, never)).toBe('service');
  expect(chooseReadSide(named, { relation: 'orders', key: 'a' }, never)).toBe('legacy');
  expect(chooseReadSide(route({ owner: 'service', readShare: 10 }), { key: 'a' }, never)).toBe('service');
  expect(chooseReadSide(null, { key: 'a' }, never)).toBe('legacy');
});

test('a read without a key follows the share by chance', () => {
  expect(chooseReadSide(route({ readShare: 50 }), {}, () => 0.499)).toBe('service');
  expect(chooseReadSide(route({ readShare: 50 }), {}, () => 0.5)).toBe('legacy');
  expect(chooseReadSide(route({ readShare: 100 }), {}, () => 0.9999)).toBe('service');
});

test('the highest epoch wins, then the highest revision', () => {
  const old = route({ epoch: 3, revision: 9 });
  const taken = route({ epoch: 4, revision: 1, owner: 'service' });
  const later = route({ epoch: 4, revision: 2, owner: 'legacy' });
  expect(latestRoute([taken, old], old)).toBe(taken);
  expect(latestRoute([later, taken], taken)).toBe(later);
});

test('without any row left, a service that had taken over keeps its writes, another begins anew', () => {
  const taken = route({ owner: 'service' });
  expect(latestRoute([], taken)).toBe(taken);
  expect(latestRoute([], route({ readShare: 50 }))).toBeNull();
  // Taken back and begun again: what the databases say now counts, not what was remembered.
  expect(latestRoute([route({ epoch: 1 })], taken)).toEqual(route({ epoch: 1 }));
});

test('who wrote is remembered for the window, and no more than the limit', () => {
  let now = 0;
  const recent = new RecentWriters(100, () => now, 3);
  recent.note('orders', 'a');
  expect(recent.has('orders', 'a')).toBe(true);
  expect(recent.has('users', 'a')).toBe(false);
  now = 60;
  recent.note('orders', 'a');
  now = 120;
  expect(recent.has('orders', 'a')).toBe(true);
  now = 160;
  expect(recent.has('orders', 'a')).toBe(false);
  for (const key of ['b', 'c', 'd', 'e']) recent.note('orders', key);
  expect(['b', 'c', 'd', 'e'].map((key) => recent.has('orders', key))).toEqual([false, true, true, true]);
});
