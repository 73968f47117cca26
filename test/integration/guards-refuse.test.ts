/** Each guard that nothing else meets: asked in the phase that it belongs to, it refuses for its own reason, and passes once that is mended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { changedKeysFit, MOST_KEYS_IN_PAUSE } from '../../src/migration/guards/changed-keys-fit.js';
import { fenceObserved } from '../../src/migration/guards/fence-observed.js';
import { fenceable } from '../../src/migration/guards/fenceable.js';
import { lagBelowLimit } from '../../src/migration/guards/lag-below-limit.js';
import { noLongTransactions } from '../../src/migration/guards/no-long-transactions.js';
import { sequenceHeadroom } from '../../src/migration/guards/sequence-headroom.js';
import { soakElapsed } from '../../src/migration/guards/soak-elapsed.js';
import { targetEmpty } from '../../src/migration/guards/target-empty.js';
import type { ServiceRunner } from '../../src/migration/service-runner.js';
import type { Guard, TransitionParameters } from '../../src/migration/step-context.js';
import { createShop, TEST_SETTINGS, type Shop } from '../support/move.js';

const DAY = 86_400_000;

let shop: Shop;
let runner: ServiceRunner;
let skewMs = 0;

beforeAll(async () => {
  shop = await createShop();
  runner = await shop.runner({
    now: () => Date.now() + skewMs,
    settings: { ...TEST_SETTINGS, decommission: { ...TEST_SETTINGS.decommission, soakMs: 7 * DAY } },
  });
});
afterAll(async () => {
  skewMs = 0;
  await runner.rollback('read-cutover', {}).catch(() => undefined);
  await runner.abort();
  await runner.close();
  await shop.drop();
});

async function ask(guard: Guard, parameters: TransitionParameters = {}) {
  const { phase } = await runner.state();
  return guard.evaluate(runner.guardContext(runner.stepContext(parameters, runner.signal), phase));
}

const passes = async (guard: Guard) => expect(await ask(guard)).toMatchObject({ outcome: 'ok' });
const refuses = async (guard: Guard, code: string, detail: RegExp, mayPass: boolean) =>
  expect(await ask(guard)).toMatchObject({
    outcome: 'refused',
    code,
    detail: expect.stringMatching(detail) as string,
    hint: expect.stringMatching(/./) as string,
    mayPass,
  });

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await isSo()); await sleep(50))
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
}

test('target-empty: a table or type in the schema of the service, but not beside it', async () => {
  await passes(targetEmpty);
  await shop.service.query('CREATE SCHEMA beside; CREATE TABLE beside.theirs (id int)');
  await passes(targetEmpty);
  await shop.service.query("CREATE TYPE mood AS ENUM ('fine')");
  await refuses(targetEmpty, 'DBPS_E319', /is not empty: type public\.mood/, false);
  await shop.service.query('DROP TYPE mood; CREATE TABLE users (id int)');
  await refuses(targetEmpty, 'DBPS_E319', /is not empty: public\.users/, false);
  await shop.service.query('DROP TABLE users; DROP SCHEMA beside CASCADE');
  await passes(targetEmpty);
});

test('fenceable: a relation that dbps does not own cannot be fenced', async () => {
  for (const phase of ['provisioned', 'dual-write', 'read-cutover'] as const) await runner.advance(phase, {});
  await passes(fenceable);
  const [superuser] = await Promise.all([shop.legacy.connect(shop.legacy.superuserUrl)]);
  await superuser.query('ALTER TABLE order_items OWNER TO CURRENT_USER');
  await refuses(fenceable, 'DBPS_E343', /order_items/, false);
  await superuser.query('ALTER TABLE order_items OWNER TO dbps_admin');
  await passes(fenceable);
});

test('lag-below-limit: as long as apply rests the lag grows, and has to be caught up', async () => {
  await until(async () => (await ask(lagBelowLimit)).outcome === 'ok', 'the stream to have caught up');
  await runner.pause('to be behind');
  skewMs = 3_600_000;
  await refuses(lagBelowLimit, 'DBPS_E311', /^36\d{5} ms behind, the limit is 1000 ms$/, true);
  expect(await ask(lagBelowLimit, { maxLagMs: 8_000_000 })).toMatchObject({ outcome: 'ok' });
  skewMs = 0;
  await runner.resume();
  await until(async () => (await ask(lagBelowLimit)).outcome === 'ok', 'the stream to catch up');
});

test('changed-keys-fit: more than the pause can verify', async () => {
  await passes(changedKeysFit);
  await shop.legacy.query(
    `INSERT INTO order_events (at, order_id, what) SELECT '2026-02-02', g, 'many' FROM generate_series(1, ${MOST_KEYS_IN_PAUSE + 1}) g`,
  );
  await until(async () => (await ask(changedKeysFit)).outcome === 'refused', 'the rows to be applied');
  await refuses(changedKeysFit, 'DBPS_E314', /^20001 changed rows .* 20000 fit/, true);
  const verified = await runner
    .guardContext(runner.stepContext({}, runner.signal), 'read-cutover')
    .verify('changed');
  expect(verified.isEqual).toBe(true);
  await passes(changedKeysFit);
});

test('sequence-headroom: on either side, and whichever way a sequence runs', async () => {
  await passes(sequenceHeadroom);
  await shop.legacy.query('ALTER SEQUENCE order_events_id_seq MAXVALUE 21400');
  await refuses(
    sequenceHeadroom,
    'DBPS_E317',
    /order_events_id_seq gives 20502 next and ends at 21400/,
    false,
  );
  await shop.legacy.query('ALTER SEQUENCE order_events_id_seq NO MAXVALUE');
  await passes(sequenceHeadroom);
  await shop.legacy.query('ALTER SEQUENCE orders_id_seq INCREMENT -1 MINVALUE 1500 START 1500');
  await refuses(sequenceHeadroom, 'DBPS_E317', /orders_id_seq gives \d+ next and ends at 1500/, false);
  await shop.legacy.query('ALTER SEQUENCE orders_id_seq INCREMENT 1 NO MINVALUE START 1');
  await passes(sequenceHeadroom);
});

test('no-long-transactions: one that waits for whoever prepared it', async () => {
  await passes(noLongTransactions);
  const holder = await shop.legacy.connect();
  await holder.query("BEGIN; UPDATE orders SET note = 'held' WHERE id = 7; PREPARE TRANSACTION 'left'");
  await refuses(noLongTransactions, 'DBPS_E315', /a prepared transaction is open since/, true);
  await holder.query("ROLLBACK PREPARED 'left'");
  await passes(noLongTransactions);
});

test('fence-observed: a fence with a gap', async () => {
  await runner.advance('write-cutover', {});
  await passes(fenceObserved);
  await shop.legacy.query('ALTER TABLE order_items DISABLE TRIGGER dbps_fence');
  await refuses(fenceObserved, 'DBPS_E344', /order_items/, false);
  await shop.legacy.query('ALTER TABLE order_items ENABLE TRIGGER dbps_fence');
  await passes(fenceObserved);
});

test('soak-elapsed: not begun, not over, over', async () => {
  await refuses(soakElapsed, 'DBPS_E326', /has not begun/, false);
  await runner.advance('sync', {});
  skewMs = 6 * DAY;
  await refuses(soakElapsed, 'DBPS_E326', /^6d 0h of 7d 0h$/, false);
  expect(await ask(soakElapsed, { wait: true })).toMatchObject({ outcome: 'refused', mayPass: true });
  skewMs = 7 * DAY;
  await passes(soakElapsed);
});
