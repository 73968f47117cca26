/** Puts proposed services into a dbps.yaml that somebody wrote: everything else in it, comments included, stays as it is. */
import { parseDocument } from 'yaml';
import type { EngineName } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import { variableOf } from './render.js';

export interface ServicesDraft {
  readonly engine: EngineName;
  readonly defaultSchema: string;
  readonly services: ReadonlyMap<string, readonly RelationId[]>;
  readonly shared: readonly { readonly relation: RelationId; readonly owner: string | null }[];
}

export function writeServices(text: string, draft: ServicesDraft): string {
  const document = parseDocument(text);
  const short = (id: RelationId) => {
    const prefix = `${draft.defaultSchema}.`;
    return id.startsWith(prefix) && !/[."]/.test(id.slice(prefix.length)) ? id.slice(prefix.length) : id;
  };
  const services: Record<string, unknown> = {};
  for (const [name, relations] of draft.services) {
    // A target that is there already is the user's.
    const target = document.getIn(['services', name, 'target']);
    services[name] = {
      relations: relations.map(short),
      target: target ?? { engine: draft.engine, url: `\${${variableOf(name)}}` },
    };
  }
  document.setIn(['services'], document.createNode(services));
  const owners = new Map<string | null, string[]>();
  for (const { relation, owner } of draft.shared)
    owners.set(owner, [...(owners.get(owner) ?? []), short(relation)]);
  if (owners.size > 0)
    document.setIn(
      ['shared'],
      document.createNode(
        [...owners].map(([owner, relations]) => ({ relations, ...(owner !== null && { owner }) })),
      ),
    );
  return document.toString({ lineWidth: 120 });
}
