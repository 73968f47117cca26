/**
 * Every instant of every transition: the runner is killed there, then the transition is finished or taken back, under writers that keep ledgers. What
 * each instant is called is asked of an undisturbed run, so a new step is in the matrix by itself.
 */
import { afterEach, expect, test } from 'vitest';
import { compareLedger, startFollowers, type Followers } from '../support/followers.js';
import { createShop, type Shop } from '../support/move.js';
import { bringTo, expectEqual, killAt, LEGS, pointsOf } from '../support/torture.js';

let shop: Shop | undefined;
let followers: Followers | undefined;

afterEach(async () => {
  await followers?.stop();
  followers = undefined;
  await shop?.drop();
  shop = undefined;
});

const wanted = process.env['TORTURE_LEGS']?.split(',');
const legs = LEGS.filter(({ from, to }) => wanted?.includes(`${from}>${to}`) ?? true);

test.each(legs)('$from -> $to', async (leg) => {
  shop = await createShop();
  followers = startFollowers(shop.legacy, shop.service, 2);
  await bringTo(shop, leg.from);
  const points = await pointsOf(shop, leg);
  expect(points.length).toBeGreaterThan(3);
  for (const point of points) {
    for (const then of ['resume', 'take-back'] as const) {
      await killAt(shop, leg, point, then);
      process.stdout.write(`${leg.from} -> ${leg.to}: killed at ${point}, ${then}: ok\n`);
    }
  }
  // To where both hold the same, then nobody writes any more.
  await bringTo(shop, 'dual-write');
  await followers.stop();
  expect(followers.errors).toEqual([]);
  await bringTo(shop, 'read-cutover');
  await expectEqual(shop);
  const nothing = { lost: [], duplicated: [], wrong: [] };
  expect(await compareLedger(shop.legacy, followers.ledger)).toEqual(nothing);
  expect(await compareLedger(shop.service, followers.ledger)).toEqual(nothing);
  await bringTo(shop, 'planned');
});
