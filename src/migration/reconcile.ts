/**
 * The decision about writes that reached legacy behind the fence: the owner's rows stand. Their keys go into the heal set of the reverse stream,
 * which reads each row again from the owner and rewrites it in legacy, as dbps's own write; then the decision is written down.
 */
import { randomUUID } from 'node:crypto';
import type { Key, RelationMap } from '../engines/engine.js';
import { RefusedError } from '../model/errors.js';
import { ROGUE_DECISION } from './journal.js';
import type { Owner } from './ownership.js';
import { reverseMaps } from './reverse-maps.js';
import { openRogueWrites, type RogueWrite } from './rogue-writes.js';
import type { StepContext } from './step-context.js';

const SETTLE_MS = 120_000;

/** @returns how many writes were settled. @throws RefusedError where a row cannot be named, or legacy owns the writes. */
export async function keepOwner(context: StepContext): Promise<number> {
  const { service, store } = context;
  const writes = openRogueWrites(await store.history(service.name, 100_000));
  if (writes.length === 0) return 0;
  const keys = keysToHeal(context, writes, (await store.route(service.name))?.owner ?? 'legacy');
  const reverse = reverseMaps(context.maps, service);
  await context.reverse.stop();
  const sink = await context.legacy.sink.open({
    stream: { service: service.name, direction: 'reverse' },
    owner: context.owner,
    maps: reverse,
  });
  try {
    if (sink.heal.add === undefined)
      throw refused(`rows of ${service.name} cannot be read again one by one there`, service.name);
    for (const [map, ofMap] of keys)
      await sink.heal.add(reverse[context.maps.indexOf(map)] as RelationMap, ofMap);
  } finally {
    await sink.close();
  }
  await context.at('reconcile.keys-kept');
  await context.reverse.start('apply');
  // A marker is held back while rows wait to be read again.
  const nonce = randomUUID();
  const settled = context.reverse.waitForBarrier(nonce, context.now() + SETTLE_MS);
  settled.catch(() => undefined);
  await context.target.control.writeBarrier(context.owner, nonce);
  await settled;
  await store.append(context.owner, {
    transition: 'reverse',
    step: ROGUE_DECISION,
    event: 'note',
    detail: `${writes.length} writes that reached legacy: the owner's rows stand`,
    data: { keep: 'owner', entries: writes.map(({ entry }) => entry) },
  });
  return writes.length;
}

/** Which rows are read again from their owner. @throws RefusedError E350 where that does not settle the writes. */
export function keysToHeal(
  context: Pick<StepContext, 'maps' | 'service'>,
  writes: readonly RogueWrite[],
  owner: Owner,
): ReadonlyMap<RelationMap, readonly Key[]> {
  const { name } = context.service;
  if (owner !== 'service')
    throw refused(`legacy owns the writes of ${name}: what was written there stands`, name);
  const found = new Map<RelationMap, Map<string, Key>>();
  for (const { relation, key } of writes) {
    const map = context.maps.find(({ source, leaves }) => source === relation || leaves.includes(relation));
    if (map === undefined || key === null)
      throw refused(
        `${relation} was truncated in legacy: no list of keys says which rows are to be read again`,
        context.service.name,
      );
    const keys = found.get(map) ?? new Map<string, Key>();
    found.set(map, keys.set(JSON.stringify(key), key));
  }
  return new Map([...found].map(([map, keys]) => [map, [...keys.values()]]));
}

function refused(message: string, service: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E350',
    message,
    hint: `dbps verify ${service} --mode full --repair-sql repair.sql, run it in legacy, then dbps migrate advance ${service} --keep-owner`,
  });
}
