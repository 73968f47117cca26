import type { Guard } from '../step-context.js';

/** dbps never writes into relations that it has not made. Other schemas of the same database are nobody's business. */
export const targetEmpty: Guard = {
  name: 'target-empty',
  when: 'start',
  evaluate: async (context) => {
    if (!context.targetExists) return { outcome: 'ok', detail: 'the database is yet to be created' };
    const wanted = new Set(Object.values(context.service.schemaMap));
    const schema = await context.target.introspector.read({ schemas: [...wanted], signal: context.signal });
    const found = [
      ...schema.relations.map((relation) => relation.id),
      ...schema.types.map((t) => `type ${t.schema}.${t.name}`),
    ];
    if (found.length === 0) return { outcome: 'ok', detail: 'nothing is there' };
    const some = found.slice(0, 5).join(', ');
    return {
      outcome: 'refused',
      code: 'DBPS_E319',
      detail: `${context.target.target.toString()} is not empty: ${some}${found.length > 5 ? ` and ${found.length - 5} more` : ''}`,
      hint: 'name another database or schema for the service, or drop what is in the way',
      findings: [],
      mayPass: false,
    };
  },
};
