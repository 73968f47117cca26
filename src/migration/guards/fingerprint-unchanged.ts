import { describeShapeChanges, findShapeChanges, shapeRemedy } from '../shape.js';
import { alteredRemedy, findAlteredCaptures } from '../capture.js';
import type { Guard } from '../step-context.js';

export const fingerprintUnchanged: Guard = {
  name: 'fingerprint-unchanged',
  when: 'always',
  evaluate: async (context) => {
    const { legacy, target, service, maps } = context;
    const shapes = await context.store.shapes(service.name);
    const changes = await findShapeChanges({ legacy, target, service, maps, shapes });
    const altered = await findAlteredCaptures(context);
    if (altered.length > 0)
      return {
        outcome: 'refused',
        code: 'DBPS_E316',
        detail: altered.join('; '),
        hint: alteredRemedy(context),
        findings: [],
        mayPass: false,
      };
    if (changes.length === 0)
      return { outcome: 'ok', detail: 'both sides have the shape they were copied in' };
    return {
      outcome: 'refused',
      code: 'DBPS_E312',
      detail: describeShapeChanges(changes),
      hint: shapeRemedy(service.name, changes),
      findings: [],
      mayPass: false,
    };
  },
};
