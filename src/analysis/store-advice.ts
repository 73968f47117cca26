/** The kind of store that a service's shape and use suit. Relational unless something clearly says otherwise. */
import type { StoreAdvice } from '../model/analysis.js';
import type { Relation } from '../model/database-schema.js';
import { primaryKeyOf } from './relation-facts.js';
import type { ResolvedUse } from './workload.js';

const JSON_TYPES = new Set(['json', 'jsonb', 'hstore', 'xml']);
const NUMBER_TYPES = new Set([
  'int2',
  'int4',
  'int8',
  'float4',
  'float8',
  'numeric',
  'int',
  'bigint',
  'double',
  'decimal',
  'smallint',
  'float',
  'real',
]);
const TIME_TYPE = /^(?:timestamp|timestamptz|date|datetime|time)/;
const EVENT_NAME =
  /(?:^|_)(?:events?|logs?|metrics?|measurements?|readings?|facts?|impressions?|clicks?|visits?|history|telemetry|samples?|ticks?)$/i;
const LOOKUP_NAME =
  /(?:^|_)(?:sessions?|tokens?|cache|caches|locks?|settings?|preferences?|kvs?|keys?|flags?)$/i;

/** Most of a service's relations must be of one kind before another kind of store is worth its cost. */
const MOST = 0.6;

export function adviseStore(
  relations: readonly Relation[],
  insideReferences: number,
  uses: readonly ResolvedUse[],
): StoreAdvice {
  const count = Math.max(1, relations.length);
  const share = (test: (relation: Relation) => boolean): number => relations.filter(test).length / count;
  const isSearched = (relation: Relation): boolean =>
    relation.indexes.some(
      (index) =>
        index.method === 'fulltext' ||
        (index.method === 'gin' && /to_tsvector|tsv|gin_trgm/i.test(index.definition)),
    ) || relation.columns.some((column) => column.baseType === 'tsvector');
  const isDocument = (relation: Relation): boolean => {
    const own = relation.columns.filter((column) => !/(?:_at|_id)$|^id$/.test(column.name));
    return (
      own.length > 0 && own.filter((column) => JSON_TYPES.has(column.baseType)).length / own.length >= 0.4
    );
  };
  const isEvent = (relation: Relation): boolean =>
    EVENT_NAME.test(relation.name) &&
    relation.columns.some((column) => TIME_TYPE.test(column.baseType)) &&
    !relation.keys.some((key) => key.kind === 'unique');
  const isPointLookup = (relation: Relation): boolean =>
    LOOKUP_NAME.test(relation.name) && primaryKeyOf(relation).length === 1 && relation.columns.length <= 8;
  const isKeyedByTime = (relation: Relation): boolean => {
    const key = primaryKeyOf(relation);
    return (
      key.length >= 2 &&
      TIME_TYPE.test(relation.columns.find((column) => column.name === key.at(-1))?.baseType ?? '')
    );
  };
  const isNumeric = (relation: Relation): boolean =>
    relation.columns.filter(
      (column) => NUMBER_TYPES.has(column.baseType) && !/(?:_id$|^id$)/.test(column.name),
    ).length >= 2;

  if (share(isPointLookup) >= MOST && insideReferences === 0)
    return {
      kind: 'key-value',
      reason: 'rows are found by one key, expire or change alone, and refer to nothing',
    };
  if (share((relation) => isEvent(relation) && isNumeric(relation) && !isKeyedByTime(relation)) >= MOST)
    return { kind: 'columnar', reason: 'facts with times and amounts, written once and summed up' };
  if (share((relation) => isEvent(relation) || isKeyedByTime(relation)) >= MOST)
    return { kind: 'wide-column', reason: 'rows are appended under a key and a time, and read by range' };
  if (share(isDocument) >= MOST && insideReferences <= relations.length / 2)
    return { kind: 'document', reason: 'most of what its rows hold is JSON, and few references tie them' };
  if (share(isSearched) >= MOST)
    return {
      kind: 'search',
      reason: 'its relations are read by full-text search; keep the truth relational and feed a search index',
    };
  const writesSeveral = uses.filter(
    (use) => use.writes.filter((id) => relations.some((relation) => relation.id === id)).length > 1,
  ).length;
  const why = [
    insideReferences > 0
      ? insideReferences === 1
        ? 'a reference inside needs the database to hold it'
        : `${insideReferences} references inside need the database to hold them`
      : 'plain rows with keys',
    ...(writesSeveral > 0
      ? [`${writesSeveral} statements or transactions write several relations at once`]
      : []),
    ...(relations.some(isSearched) ? ['add a search index beside it for its full-text queries'] : []),
  ];
  return { kind: 'relational', reason: why.join('; ') };
}
