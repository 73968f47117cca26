/**
 * Read-only copies of shared relations, one set for each service that reads them and does not own them: like a service that never goes past
 * dual-write. They have a schema of their own in the reader's database, so that nothing there can be taken for the reader's own, and
 * hold rows and keys only: what checks or changes rows is the owner's.
 */
import { ConfigError } from '../model/errors.js';
import type { DatabaseSchema, Grant, Relation } from '../model/database-schema.js';
import { fingerprint } from '../model/fingerprint.js';
import type { Finding } from '../model/finding.js';
import { copiesOf, type CrossingReference, type ServicePlan } from '../model/plan.js';
import { keyIndex } from '../model/relation-key.js';
import type { RelationId } from '../model/relation-id.js';
import type { Boundaries, Place, ServiceBoundary } from './boundaries.js';
import { finding, listed } from './findings/finding.js';
import type { ObjectGraph } from './object-graph.js';
import { applicationOwners, grantToFormerOwners, withoutAdministratorGrants } from './role-grants.js';
import { SchemaRenaming } from './schema-renaming.js';

export interface SharedCopies {
  readonly services: readonly ServicePlan[];
  readonly findings: readonly Finding[];
}

export function planCopies(
  graph: ObjectGraph,
  boundaries: Boundaries,
  crossings: readonly CrossingReference[],
  owned: readonly ServicePlan[],
): SharedCopies {
  const wanted = new Map<string, Map<RelationId, string>>();
  const findings: Finding[] = [];
  for (const { relations, owner, readers = [], location } of boundaries.shared) {
    if (owner === null) continue;
    for (const reader of readers)
      if (!boundaries.services.some(({ name }) => name === reader)) throw noSuchReader(reader, location);
    for (const { id, location: place } of relations) {
      const referring = crossings
        .filter((crossing) => crossing.parent === id && crossing.childService !== null)
        .map((crossing) => crossing.childService as string);
      const all = [...new Set([...readers, ...referring])].filter((name) => name !== owner).sort();
      if (all.length === 0) continue;
      const able: string[] = [];
      const unable = new Map<string, string[]>();
      for (const reader of all) {
        const reason = whyNot(graph, boundaries, id, reader);
        if (reason === null) able.push(reader);
        else unable.set(reason, [...(unable.get(reason) ?? []), reader]);
      }
      for (const reader of able) {
        const mine = wanted.get(reader) ?? new Map<RelationId, string>();
        wanted.set(reader, mine.set(id, owner));
      }
      for (const [reason, without] of unable)
        findings.push(
          finding('BND405', {
            subject: id,
            message: `is owned by ${owner}; ${listed(without)} ${without.length === 1 ? 'reads' : 'read'} it and ${without.length === 1 ? 'gets' : 'get'} no copy: ${reason}`,
            remedy: `let ${listed(without)} ask ${owner}, or ship the rows with their own migrations`,
            relation: id,
            ...(place !== undefined && { location: place }),
          }),
        );
    }
  }
  const services = [...wanted]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([reader, owners], index) =>
      copiesPlan(graph, boundaries, owned, reader, owners, owned.length + index + 1),
    );
  return { services, findings };
}

function noSuchReader(reader: string, location: Place | undefined): ConfigError {
  return new ConfigError({
    code: 'DBPS_E223',
    message: `shared relations are read by "${reader}", which is no service`,
    hint: 'name services of services: under readers:',
    ...(location !== undefined && { location }),
  });
}

/** What a copy could not hold, or could only hold by showing more than the original does. */
function whyNot(graph: ObjectGraph, boundaries: Boundaries, id: RelationId, reader: string): string | null {
  if (boundaries.noCopies !== undefined) return boundaries.noCopies;
  const { schema } = graph;
  const boundary = boundaries.services.find(({ name }) => name === reader);
  if (boundary?.targetEngine !== schema.engine) return 'its database is on another engine';
  const relation = graph.byId.get(id);
  if (relation === undefined) return 'it is not there';
  const isTree =
    relation.kind !== 'table' ||
    relation.inherits.length > 0 ||
    schema.relations.some((other) => other.inherits.includes(id) || other.partitionOf?.parent === id);
  if (isTree) return 'it is partitioned or part of an inheritance tree';
  if (relation.persistence !== 'permanent') return 'its changes are not in the log';
  if (keyIndex(relation) === undefined) return 'it has no key that identifies a row (RPL201)';
  if (relation.rowSecurity !== 'off' || relation.policies.length > 0)
    return 'row-level security decides who sees its rows';
  const ownType = relation.columns.find(
    (column) => column.userType !== undefined || column.rowTypeOf !== undefined,
  );
  if (ownType !== undefined) return `column ${ownType.name} has a type of your own (${ownType.type})`;
  const extension = schema.extensions.find(
    ({ name, usedBy }) => name !== 'plpgsql' && (usedBy === undefined || usedBy.includes(id)),
  );
  if (extension !== undefined) return `it may need extension ${extension.name}`;
  const computed = relation.columns.find(
    ({ generated }) => generated !== undefined && graph.routinesIn(generated.expression).length > 0,
  );
  return computed === undefined ? null : `column ${computed.name} is computed by a function of your own`;
}

/** Rows, their keys and the indexes that need nothing else. */
function readOnly(graph: ObjectGraph, relation: Relation): Relation {
  const { storage: _, ...kept } = relation;
  return {
    ...kept,
    columns: relation.columns.map((column) => {
      const { default: _default, sequence: _sequence, identity: _identity, ...rest } = column;
      return rest;
    }),
    checks: [],
    exclusions: [],
    foreignKeys: [],
    indexes: relation.indexes.filter(
      (index) =>
        index.isValid &&
        !relation.exclusions.some(({ name }) => name === index.constraint) &&
        graph.routinesIn(index.definition.replace(/^.*? USING /, '')).length === 0,
    ),
    triggers: [],
    rules: [],
    policies: [],
    grants: relation.grants.filter(isReading),
  };
}

const isReading = ({ privilege }: Grant): boolean => privilege === 'SELECT' || privilege === 'USAGE';

function schemaMapFor(
  graph: ObjectGraph,
  boundaries: Boundaries,
  reader: ServicePlan,
  schemas: readonly string[],
): Readonly<Record<string, string>> {
  const taken = new Set([...graph.schema.schemas, ...Object.values(reader.schemaMap)]);
  const prefix = ['shared', 'shared_copies', 'dbps_shared'].find(
    (name) => ![...taken].some((other) => other === name || other.startsWith(`${name}_`)),
  );
  if (prefix === undefined)
    throw new ConfigError({
      code: 'DBPS_E224',
      message: `no schema is left for the copies that ${reader.name} reads: shared, shared_copies and dbps_shared are taken`,
      hint: 'rename one of them, or take its relations out of shared:',
    });
  return Object.fromEntries(
    schemas.map((name) => [name, name === boundaries.defaultSchema ? prefix : `${prefix}_${name}`]),
  );
}

function copiesPlan(
  graph: ObjectGraph,
  boundaries: Boundaries,
  owned: readonly ServicePlan[],
  reader: string,
  owners: ReadonlyMap<RelationId, string>,
  order: number,
): ServicePlan {
  const name = copiesOf(reader);
  const taken = boundaries.services.find((service) => service.name === name);
  if (taken !== undefined)
    throw new ConfigError({
      code: 'DBPS_E224',
      message: `"${name}" is the name under which the copies of shared relations for ${reader} are moved`,
      hint: 'call the service something else',
      ...(taken.location !== undefined && { location: taken.location }),
    });
  const plan = owned.find((service) => service.name === reader) as ServicePlan;
  const boundary = boundaries.services.find((service) => service.name === reader) as ServiceBoundary;
  const { schema } = graph;
  const relations = schema.relations
    .filter((relation) => owners.has(relation.id))
    .map((relation) => readOnly(graph, relation));
  const schemas = [...new Set(relations.map((relation) => relation.schema))].sort();
  const selected: DatabaseSchema = {
    engine: schema.engine,
    product: schema.product,
    version: schema.version,
    database: name,
    origin: schema.origin,
    schemas,
    relations,
    types: [],
    sequences: [],
    routines: [],
    extensions: [],
    ...(schema.schemaGrants !== undefined && {
      schemaGrants: schema.schemaGrants.filter((grant) => schemas.includes(grant.schema) && isReading(grant)),
    }),
    unsupported: [],
  };
  const granted = grantToFormerOwners(
    withoutAdministratorGrants(selected, schema.administrators),
    applicationOwners(selected, schema.administrators),
  );
  const schemaMap = schemaMapFor(graph, boundaries, plan, schemas);
  const ids = relations.map((relation) => relation.id).sort();
  const sum = (values: readonly (number | null)[]) =>
    values.reduce<number>((total, value) => total + (value ?? 0), 0);
  return {
    name,
    order,
    targetEngine: boundary.targetEngine,
    schemaMap,
    relations: ids,
    fingerprint: fingerprint(schema, ids),
    schema: new SchemaRenaming(granted, schemaMap).apply({
      ...granted,
      relations: granted.relations.map((relation) => ({
        ...relation,
        grants: relation.grants.filter(isReading),
      })),
    }),
    detached: [],
    copies: { reader, owners: Object.fromEntries([...owners].sort(([a], [b]) => (a < b ? -1 : 1))) },
    estimatedRows: sum(relations.map((relation) => relation.estimatedRows)),
    bytes: sum(relations.map((relation) => relation.bytes)),
  };
}
