import type { GuardContext, Guard } from '../step-context.js';
import type { RelationId } from '../../model/relation-id.js';
import type { UniqueKey } from '../../model/database-schema.js';

const SHOWN = 3;

/**
 * Deferrable unique keys hold on the side that is about to take the writes: their check is a trigger, which does not fire for an applier that
 * works as a replica (H12), so only the rows themselves can tell.
 */
export const uniqueKeysHold: Guard = {
  name: 'unique-keys-hold',
  when: 'always',
  evaluate: async (context) => {
    const keys = deferrableKeys(context);
    const { side, database } = receiving(context);
    if (keys.length === 0 || database.checksum.duplicates === undefined)
      return { outcome: 'ok', detail: 'every unique key is checked row by row' };
    const found: string[] = [];
    for (const { relation, key } of keys) {
      const values = await database.checksum.duplicates(
        { relation: relation[side], columns: key.columns, nullsNotDistinct: key.nullsNotDistinct },
        SHOWN,
        context.signal,
      );
      if (values.length > 0)
        found.push(
          `${relation[side]} has (${key.columns.join(', ')}) = ${values.map((value) => `(${value.join(', ')})`).join(', ')} more than once, against ${key.name}`,
        );
    }
    if (found.length === 0)
      return { outcome: 'ok', detail: `${keys.length} deferrable unique keys hold in ${side}` };
    return {
      outcome: 'refused',
      code: 'DBPS_E349',
      detail: found.join('; '),
      hint: `dbps verify ${context.service.name} --mode full`,
      findings: [],
      mayPass: false,
    };
  },
};

function receiving(context: GuardContext) {
  return context.phase === 'read-cutover'
    ? ({ side: 'target', database: context.target } as const)
    : ({ side: 'legacy', database: context.legacy } as const);
}

function deferrableKeys({ service, maps }: GuardContext): readonly {
  readonly relation: { readonly legacy: RelationId; readonly target: RelationId };
  readonly key: UniqueKey;
}[] {
  return service.schema.relations.flatMap((relation) => {
    const legacy = maps.find(({ target }) => target === relation.id)?.source;
    if (legacy === undefined) return [];
    return relation.keys
      .filter(({ isDeferrable }) => isDeferrable)
      .map((key) => ({ relation: { legacy, target: relation.id }, key }));
  });
}
