/** A fixed sample of the instants at which a runner may die; `npm run torture` goes through all of them. */
import { afterEach, expect, test } from 'vitest';
import { compareLedger, startFollowers, type Followers } from '../support/followers.js';
import { createShop, type Shop } from '../support/move.js';
import { bringTo, expectEqual, killAt, openWhenFree } from '../support/torture.js';

let shop: Shop | undefined;
let followers: Followers | undefined;

afterEach(async () => {
  await followers?.stop();
  followers = undefined;
  await shop?.drop();
  shop = undefined;
});

const PROVISION = { from: 'planned', to: 'provisioned' } as const;
const DUAL_WRITE = { from: 'provisioned', to: 'dual-write' } as const;

test('killed while it provisions, copies and goes back: resumed or taken back, both sides are equal', async () => {
  shop = await createShop();
  followers = startFollowers(shop.legacy, shop.service, 2);
  await killAt(shop, PROVISION, 'create-target-schema.done', 'take-back');
  await killAt(shop, PROVISION, 'capture.reverse-prepared', 'resume');
  await killAt(shop, DUAL_WRITE, 'copy.chunk-written', 'take-back');
  await killAt(shop, DUAL_WRITE, 'copy.chunk-written', 'resume');
  await killAt(shop, { from: 'dual-write', to: 'provisioned' }, 'empty-target.emptied', 'resume');
  await bringTo(shop, 'dual-write');
  await followers.stop();
  expect(followers.errors).toEqual([]);
  const runner = await openWhenFree(shop);
  await runner.rest();
  await runner.guardContext(runner.stepContext({}, runner.signal), 'dual-write').verify('full');
  await runner.close();
  await expectEqual(shop);
  expect(await compareLedger(shop.service, followers.ledger)).toEqual({
    lost: [],
    duplicated: [],
    wrong: [],
  });
  await bringTo(shop, 'planned');
});
