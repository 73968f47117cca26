/** Where a service is and which transitions a wish means from there: for the question that is asked before anything is done. */
import type { Config } from '../config/config.js';
import { confirmationToken, planAbort, planAdvance, planRollback, type Leg } from '../migration/itinerary.js';
import type { Transition } from '../model/phases.js';
import type { perform } from './perform.js';
import { openStore, planFor, serviceConfig, type MoveOptions } from './move.js';
import { requireReadRelations } from './read-relations.js';

export type MoveWish = Exclude<
  Parameters<typeof perform>[2],
  { readonly kind: 'pause' | 'resume' | 'reconcile' }
>;

export interface LegAhead {
  readonly kind: Leg['kind'];
  readonly transition: Transition;
}

export async function legsAhead(
  config: Config,
  service: string,
  wish: MoveWish,
  options: Pick<MoveOptions, 'planFile'>,
): Promise<{ readonly legs: readonly LegAhead[]; readonly confirm: string }> {
  serviceConfig(config, service);
  const store = openStore(config);
  try {
    const found = await store.service(service);
    const plan = await planFor(config, store, found, options.planFile);
    requireReadRelations(plan, service, wish);
    const state = found ?? { service, phase: 'planned', target: null, epoch: 0 };
    return { legs: legsOf(wish, state), confirm: confirmationToken({ ...state, planHash: plan.hash }) };
  } finally {
    await store.close();
  }
}

function legsOf(wish: MoveWish, state: Parameters<typeof planRollback>[0]): readonly Leg[] {
  switch (wish.kind) {
    case 'advance': {
      const { reads, readRelations } = wish.parameters;
      return planAdvance(state, wish.to, reads !== undefined || readRelations !== undefined);
    }
    case 'rollback':
      return planRollback(state, wish.to);
    case 'abort':
      return planAbort(state);
  }
}
