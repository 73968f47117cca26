/** Puts proposed services into a dbps.yaml that somebody wrote: everything else in it, comments included, stays as it is. */
import { isMap, isNode, isScalar, parseDocument, stringify } from 'yaml';
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
  const owners = new Map<string | null, string[]>();
  for (const { relation, owner } of draft.shared)
    owners.set(owner, [...(owners.get(owner) ?? []), short(relation)]);
  const shared = [...owners].map(([owner, relations]) => ({ relations, ...(owner !== null && { owner }) }));
  const written = replaceEntry(text, 'services', services);
  return shared.length === 0 ? written : replaceEntry(written, 'shared', shared);
}

/** One entry of the file written anew, or added at its end; every other byte stays. */
function replaceEntry(text: string, name: string, value: unknown): string {
  const document = parseDocument(text);
  const { contents } = document;
  if (isMap(contents) && contents.flow === true) {
    // JSON, or all in one line: there is no line of its own to write.
    document.setIn([name], document.createNode(value));
    return document.toString({ lineWidth: 120 });
  }
  const entry = stringify({ [name]: value }, { lineWidth: 120 });
  const pair = isMap(contents)
    ? contents.items.find(({ key }) => isScalar(key) && key.value === name)
    : undefined;
  const from = isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
  if (pair === undefined || from === undefined)
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${text.trim() === '' ? '' : '\n'}${entry}`;
  const end = (isNode(pair.value) ? pair.value.range?.[1] : undefined) ?? from + name.length + 1;
  // The rest of its last line, a comment on it, goes too.
  const rest = text[end - 1] === '\n' ? text.slice(end) : text.slice(end).replace(/^[^\n]*\n?/, '');
  return `${text.slice(0, from)}${entry}${rest}`;
}
