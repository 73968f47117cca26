/**
 * What takes the place of the foreign keys that the boundaries cut: what the owner of a parent must answer (OpenAPI) and what it must
 * tell (AsyncAPI). Keys only: which columns more to show is the team's to decide.
 */
import { stringify } from 'yaml';
import type { Column, Relation } from '../model/database-schema.js';
import type { CrossingReference, Plan, ServicePlan } from '../model/plan.js';
import { parseRelationId } from '../model/relation-id.js';

const SCHEMAS: Readonly<Record<string, object>> = {
  int2: { type: 'integer', format: 'int32' },
  int4: { type: 'integer', format: 'int32' },
  // 64 bits do not fit a number of JSON.
  int8: { type: 'string', pattern: '^-?\\d+$' },
  uuid: { type: 'string', format: 'uuid' },
  bool: { type: 'boolean' },
  date: { type: 'string', format: 'date' },
  timestamptz: { type: 'string', format: 'date-time' },
};

const typeOf = (column: Column | undefined): object => SCHEMAS[column?.baseType ?? ''] ?? { type: 'string' };

interface Parent {
  readonly relation: Relation | undefined;
  readonly name: string;
  readonly columns: readonly string[];
  readonly references: readonly CrossingReference[];
}

function parentsOf(plan: Plan, service: ServicePlan): readonly Parent[] {
  const groups = new Map<string, CrossingReference[]>();
  for (const crossing of plan.crossings.filter((c) => c.parentService === service.name)) {
    const key = JSON.stringify([crossing.parent, crossing.parentColumns]);
    groups.set(key, [...(groups.get(key) ?? []), crossing]);
  }
  return [...groups.values()].map((references) => {
    const [first] = references as [CrossingReference];
    const { name } = parseRelationId(first.parent);
    return {
      name,
      relation: service.schema.relations.find((relation) => relation.name === name),
      columns: first.parentColumns,
      references,
    };
  });
}

const properties = (parent: Parent): Record<string, object> =>
  Object.fromEntries(
    parent.columns.map((name) => [
      name,
      typeOf(parent.relation?.columns.find((column) => column.name === name)),
    ]),
  );

/** null when nobody outside refers to the service. */
export function apiContract(plan: Plan, service: ServicePlan): string | null {
  const parents = parentsOf(plan, service);
  if (parents.length === 0) return null;
  const paths = Object.fromEntries(
    parents.map((parent) => [
      `/${parent.name}/by-${parent.columns.join('-and-')}`,
      {
        get: {
          operationId: `find_${parent.name}_by_${parent.columns.join('_and_')}`,
          summary: `Which of these ${parent.name} exist? In place of ${parent.references.map((r) => r.label).join('; ')}`,
          parameters: parent.columns.map((name) => ({
            name,
            in: 'query',
            required: true,
            description: 'one or many, so that a list of children costs one call',
            schema: { type: 'array', items: properties(parent)[name], maxItems: 500 },
          })),
          responses: {
            200: {
              description: 'those that exist',
              content: {
                'application/json': {
                  schema: {
                    type: 'array',
                    items: { type: 'object', required: parent.columns, properties: properties(parent) },
                  },
                },
              },
            },
          },
        },
      },
    ]),
  );
  return stringify(
    { openapi: '3.1.0', info: { title: `${service.name}: what others refer to`, version: '1.0.0' }, paths },
    { lineWidth: 110, aliasDuplicateObjects: false },
  );
}

/** Deletes and changes of keys, which a foreign key would have refused or carried on. */
export function eventContract(plan: Plan, service: ServicePlan): string | null {
  const parents = parentsOf(plan, service);
  if (parents.length === 0) return null;
  const channels = Object.fromEntries(
    parents.map((parent) => [
      `${parent.name}.deleted`,
      {
        address: `${service.name}.${parent.name}.deleted`,
        description: `Listened to by ${[...new Set(parent.references.map((r) => r.childService ?? 'the shared database'))].sort().join(', ')}: ${parent.references.map((r) => `${r.label} (on delete: ${r.onDelete})`).join('; ')}`,
        messages: {
          deleted: {
            payload: {
              type: 'object',
              required: [...parent.columns, 'deleted_at'],
              properties: { ...properties(parent), deleted_at: { type: 'string', format: 'date-time' } },
            },
          },
        },
      },
    ]),
  );
  const operations = Object.fromEntries(
    parents.map((parent) => [
      `tell_${parent.name}_deleted`,
      { action: 'send', channel: { $ref: `#/channels/${parent.name}.deleted` } },
    ]),
  );
  return stringify(
    {
      asyncapi: '3.0.0',
      info: { title: `${service.name}: what others must hear`, version: '1.0.0' },
      channels,
      operations,
    },
    { lineWidth: 110, aliasDuplicateObjects: false },
  );
}
