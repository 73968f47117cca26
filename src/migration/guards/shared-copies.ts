import type { Guard } from '../step-context.js';

/** What a service reads of others is in its database before its reads go there; and copies are no service: nothing is ever routed to them. */
export const sharedCopies: Guard = {
  name: 'shared-copies',
  when: 'start',
  evaluate: async ({ service, plan, store }) => {
    if (service.copies !== undefined) {
      const { reader } = service.copies;
      return {
        outcome: 'refused',
        code: 'DBPS_E361',
        detail: `${service.name} holds read-only copies for ${reader}: dual-write is as far as they go`,
        hint: `dbps verify ${service.name}`,
        findings: [],
        mayPass: false,
      };
    }
    const copies = plan.services.find((other) => other.copies?.reader === service.name);
    if (copies === undefined) return { outcome: 'ok', detail: 'it reads no shared relations' };
    const state = await store.service(copies.name);
    if (state?.phase === 'dual-write' && state.target === null)
      return { outcome: 'ok', detail: `copies of ${copies.relations.join(', ')} are there` };
    return {
      outcome: 'refused',
      code: 'DBPS_E362',
      detail: `${service.name} reads ${copies.relations.join(', ')}, and its copies are not there yet (${copies.name} is ${state?.phase ?? 'planned'})`,
      hint: `dbps migrate advance ${copies.name} --to ${state?.phase === 'provisioned' ? 'dual-write' : 'provisioned'}`,
      findings: [],
      mayPass: state?.target === 'dual-write',
    };
  },
};
