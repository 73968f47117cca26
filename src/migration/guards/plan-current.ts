import { fingerprint } from '../../model/fingerprint.js';
import type { Guard } from '../step-context.js';

/** Before the copy: the plan was made from what is there. After it the copy's own remembered shape counts (fingerprint-unchanged). */
export const planCurrent: Guard = {
  name: 'plan-current',
  when: 'start',
  evaluate: async (context) => {
    const { service, plan, store, legacy } = context;
    const state = await store.service(service.name);
    if (state !== null && state.planHash !== plan.hash) {
      return {
        outcome: 'refused',
        code: 'DBPS_E305',
        detail: `${service.name} is on its way under plan ${state.planHash}, this is plan ${plan.hash}`,
        hint: `dbps migrate abort ${service.name}`,
        findings: [],
        mayPass: false,
      };
    }
    if (state !== null && state.phase !== 'planned' && state.phase !== 'provisioned') {
      return { outcome: 'ok', detail: `plan ${plan.hash}` };
    }
    const schema = await legacy.introspector.readRelations(service.relations);
    if (fingerprint(schema, service.relations) === service.fingerprint) {
      return { outcome: 'ok', detail: `plan ${plan.hash}` };
    }
    const there = new Set(schema.relations.map((relation) => relation.id));
    const gone = service.relations.filter((id) => !there.has(id));
    return {
      outcome: 'refused',
      code: 'DBPS_E305',
      detail:
        gone.length > 0
          ? `${gone.join(', ')} of plan ${plan.hash} ${gone.length === 1 ? 'is' : 'are'} no longer there`
          : `the relations of ${service.name} have changed since plan ${plan.hash} was made`,
      hint: 'dbps plan diff',
      findings: [],
      mayPass: false,
    };
  },
};
