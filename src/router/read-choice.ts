/**
 * Where a read goes, as a pure function of the published route. A key always falls into the same bucket, and raising the share only
 * adds buckets: whoever read from the service at 10 % still does at 50 %.
 */
import { parseRelationId, relationId } from '../model/relation-id.js';
import type { Route } from '../state/route.js';

export type Side = 'legacy' | 'service';

export interface ReadQuestion {
  /** The relation that is read, `orders` or `public.orders`: relations named in the route go first. */
  readonly relation?: string;
  /** Whose read it is (session, user, tenant): the same key always reads from the same side of a share. */
  readonly key?: string;
}

const BUCKETS = 10_000;

/** 0 ≤ bucket < 10 000, evenly spread over keys and independent between services. */
export function readBucket(service: string, key: string): number {
  // FNV-1a over UTF-16 units, then murmur3's finalizer: FNV alone leaves the low bits of similar keys alike.
  let hash = 0x811c9dc5;
  const text = `${service}\0${key}`;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % BUCKETS;
}

/**
 * @param route null: the service has not begun to move.
 * @param random 0 ≤ n < 1, for reads without a key.
 */
export function chooseReadSide(route: Route | null, question: ReadQuestion, random: () => number): Side {
  if (route === null) return 'legacy';
  // The owner has every write; the other side follows it and may lag.
  if (route.owner === 'service') return 'service';
  const { relation, key } = question;
  if (relation !== undefined && route.readRelations.some((named) => isSameRelation(named, relation)))
    return 'service';
  const bucket = key === undefined ? Math.floor(random() * BUCKETS) : readBucket(route.service, key);
  return bucket < (route.readShare * BUCKETS) / 100 ? 'service' : 'legacy';
}

function isSameRelation(a: string, b: string): boolean {
  return canonical(a) === canonical(b);
}

function canonical(relation: string): string {
  const { schema, name } = parseRelationId(relation);
  return relationId(schema, name);
}
