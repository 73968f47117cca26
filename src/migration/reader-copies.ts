/**
 * Read-only copies of shared relations are fed from legacy all their life: as long as legacy owns the relation by what applications write there, and
 * from the owner's cutover on by what reverse capture applies there. So legacy must keep the relations while there are copies of them. Both
 * sides say what they are about to do before they look at the other: whoever looks second sees it.
 */
import type { ReadOnlyDatabase } from '../engines/engine.js';
import { RefusedError } from '../model/errors.js';
import type { Plan, ServicePlan } from '../model/plan.js';
import type { StateStore } from '../state/state-store.js';

/** @throws RefusedError E361 where the stream would pass over what is applied for the owner: the copies would grow old without a word. */
export function requireFollowing(service: ServicePlan, legacy: Pick<ReadOnlyDatabase, 'changes'>): void {
  if (legacy.changes.followsApplied === true) return;
  throw new RefusedError({
    code: 'DBPS_E361',
    message: `${service.name} cannot be kept current: this capture passes over what dbps itself writes to legacy`,
    hint: `migration.capture: log in dbps.yaml, or dbps migrate abort ${service.name}`,
  });
}

/** Copies that somebody reads, or is making, of relations that the service owns: `orders-shared (public.countries)`. */
export async function copiesOnTheWay(
  store: Pick<StateStore, 'services' | 'acceptedPlan'>,
  owner: string,
): Promise<readonly { readonly name: string; readonly relations: readonly string[] }[]> {
  const found: { name: string; relations: readonly string[] }[] = [];
  for (const { service, phase, target, planHash } of await store.services()) {
    if (phase === 'planned' && target === null) continue;
    const accepted = await store.acceptedPlan(planHash);
    const plan = accepted === null ? null : (JSON.parse(accepted.text) as Plan);
    const copies = plan?.services.find(({ name }) => name === service)?.copies;
    if (copies === undefined) continue;
    const relations = Object.keys(copies.owners).filter((id) => copies.owners[id] === owner);
    if (relations.length > 0) found.push({ name: service, relations });
  }
  return found;
}

/** @throws RefusedError E363 when an owner of what is to be copied is leaving legacy for good, or has left it. */
export async function requireOwnersStay(
  store: Pick<StateStore, 'service'>,
  service: Pick<ServicePlan, 'name' | 'copies'>,
): Promise<void> {
  for (const owner of new Set(Object.values(service.copies?.owners ?? {}))) {
    const state = await store.service(owner);
    if (state === null || (state.phase !== 'decommissioned' && state.target !== 'decommissioned')) continue;
    throw new RefusedError({
      code: 'DBPS_E363',
      message: `${owner} has been decommissioned, or is being: legacy no longer feeds ${service.name}`,
      hint: `let ${service.copies?.reader ?? 'the reader'} ask ${owner}`,
    });
  }
}
