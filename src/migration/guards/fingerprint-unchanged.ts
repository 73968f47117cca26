import { findShapeChanges } from '../shape.js';
import type { Guard } from '../step-context.js';

export const fingerprintUnchanged: Guard = {
  name: 'fingerprint-unchanged',
  when: 'always',
  evaluate: async (context) => {
    const { legacy, target, service, maps } = context;
    const shapes = await context.store.shapes(service.name);
    const changes = await findShapeChanges({ legacy, target, service, maps, shapes });
    if (changes.length === 0)
      return { outcome: 'ok', detail: 'both sides have the shape they were copied in' };
    const isAdditive = changes.every((change) => change.effect === 'additive');
    return {
      outcome: 'refused',
      code: 'DBPS_E312',
      detail: changes.map((change) => `${change.relation} in ${change.side}: ${change.what}`).join('; '),
      hint: isAdditive
        ? `dbps migrate resume ${service.name} --apply-ddl`
        : `dbps migrate abort ${service.name}`,
      findings: [],
      mayPass: false,
    };
  },
};
