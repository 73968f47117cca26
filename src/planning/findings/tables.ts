/** What stands in the way of moving a table, or must be known before. */
import type { DatabaseSchema, Relation } from '../../model/database-schema.js';
import type { Finding } from '../../model/finding.js';
import { candidateKeys, keyIndex } from '../../model/relation-key.js';
import type { ServicePlan } from '../../model/plan.js';
import type { Assignment } from '../assignment.js';
import { finding, listed } from './finding.js';

/** Why a row of this relation cannot be told from another, and the shortest way out; null when it can. */
function keyProblem(
  relation: Relation,
  byId: ReadonlyMap<string, Relation>,
): { readonly message: string; readonly remedy: string } | null {
  if (keyIndex(relation) !== undefined) return null;
  const [candidate] = candidateKeys(relation);
  const table = relation.id;
  if (candidate !== undefined)
    return {
      message: `replica identity is "${relation.replicaIdentity.kind}", so the log does not name its rows`,
      remedy: candidate.isPrimary
        ? `ALTER TABLE ${table} REPLICA IDENTITY DEFAULT;`
        : `ALTER TABLE ${table} REPLICA IDENTITY USING INDEX ${candidate.name};`,
    };
  const primary = relation.keys.find((key) => key.kind === 'primary');
  if (primary !== undefined)
    return {
      message: `primary key ${primary.name} is deferrable, which neither names a row in the log nor meets a row that arrives twice`,
      remedy: `CREATE UNIQUE INDEX CONCURRENTLY ${relation.name}_key ON ${table} (${primary.columns.join(', ')}); ALTER TABLE ${table} REPLICA IDENTITY USING INDEX ${relation.name}_key;`,
    };
  if (relation.inherits.length > 0)
    return {
      message: `keys are not inherited: ${table} has none, though ${listed(relation.inherits)} may`,
      // What identifies a row of the parent is the likeliest to identify one here: the server says so if two rows share it.
      remedy: `ALTER TABLE ${table} ADD PRIMARY KEY (${inheritedKey(relation, byId)?.join(', ') ?? '…'});`,
    };
  return {
    message: 'has no primary key and no unique index on NOT NULL columns',
    remedy: `ALTER TABLE ${table} ADD PRIMARY KEY (…); or leave it out with source.exclude`,
  };
}

/** Columns of the nearest parent's key; undefined where none has one. */
function inheritedKey(
  relation: Relation,
  byId: ReadonlyMap<string, Relation>,
): readonly string[] | undefined {
  for (const parent of relation.inherits.flatMap((id) => byId.get(id) ?? [])) {
    const key = parent.keys.find(({ kind }) => kind === 'primary') ?? parent.keys[0];
    const columns = key?.columns ?? inheritedKey(parent, byId);
    if (columns !== undefined) return columns;
  }
  return undefined;
}

export function tableFindings(schema: DatabaseSchema, assignment: Assignment): readonly Finding[] {
  const found: Finding[] = [];
  const byId = new Map(schema.relations.map((relation) => [relation.id, relation]));
  for (const relation of schema.relations) {
    const service = assignment.serviceOf.get(relation.id);
    if (service === undefined || relation.kind === 'foreign-table') continue;
    const about = { subject: relation.id, relation: relation.id, service };
    // Partitions have the key of their root; each needs its own replica identity, which follows from it unless changed.
    const problem = keyProblem(relation, byId);
    const root = byId.get(relation.partitionOf?.parent ?? '');
    const isSaidByRoot =
      root !== undefined &&
      // A dump does not always show a partition's own part of its root's key.
      (schema.origin === 'dump' || keyProblem(root, byId) !== null);
    if (problem !== null && !isSaidByRoot) found.push(finding('RPL201', { ...about, ...problem }));
    if (relation.persistence === 'unlogged')
      found.push(
        finding('RPL202', {
          ...about,
          message: 'is unlogged: its changes are not in the log',
          remedy: `ALTER TABLE ${relation.id} SET LOGGED;`,
        }),
      );
    const rules = relation.rules.map(({ name }) => name);
    if (rules.length > 0 && relation.kind !== 'view' && relation.kind !== 'materialized-view')
      found.push(
        finding('TRG407', {
          ...about,
          message: `has rules ${listed(rules)}: rows can be applied to it with the replica role only, on both servers`,
          remedy:
            'GRANT SET ON PARAMETER session_replication_role TO the role that dbps runs as, on both servers',
        }),
      );
    for (const key of relation.foreignKeys)
      if (
        !key.isInherited &&
        assignment.serviceOf.get(key.parent) === service &&
        (relation.partitionBy !== undefined || byId.get(key.parent)?.partitionBy !== undefined)
      )
        found.push(
          finding('BND409', {
            ...about,
            subject: `${key.name} on ${relation.id}`,
            message: `(${key.columns.join(', ')}) refers to ${key.parent}: the server checks all rows at once, after the cutover`,
            remedy: 'go on to sync in a quiet hour when the table is large',
          }),
        );
  }
  return found;
}

export function targetFindings(
  service: ServicePlan,
  roles: readonly string[],
  owners: readonly string[],
): readonly Finding[] {
  const about = { service: service.name };
  return [
    ...roles.map((role) =>
      finding('SEC401', {
        ...about,
        subject: `role ${role} of ${service.name}`,
        message: 'is made where it is missing, without a login',
        remedy: `ALTER ROLE ${role} LOGIN PASSWORD '…'; on the service database, before its application connects`,
      }),
    ),
    ...owners.map((owner) =>
      finding('SEC403', {
        ...about,
        subject: `${owner} in ${service.name}`,
        message:
          'owns tables of the service; on the service database it gets grants to read and write them instead',
        remedy: 'after sync: ALTER TABLE … OWNER TO …; where the application must own them',
      }),
    ),
    ...service.schema.extensions.map((extension) =>
      finding('TYP401', {
        ...about,
        subject: `${extension.name} for ${service.name}`,
        message: `is needed by ${listed(extension.usedBy ?? []) || 'the service'}`,
        remedy: `SELECT * FROM pg_available_extensions WHERE name = '${extension.name}'; on the target`,
      }),
    ),
  ];
}

export function unsupportedFindings(schema: DatabaseSchema, assignment: Assignment): readonly Finding[] {
  return schema.unsupported
    .filter((object) => object.relation === undefined || !assignment.excluded.has(object.relation))
    .map((object) => {
      const service = object.relation === undefined ? undefined : assignment.serviceOf.get(object.relation);
      return finding('BND406', {
        subject: `${object.kind} ${object.name}`,
        message: object.reason,
        remedy: 'make it on the service database yourself where it is needed',
        ...(object.relation !== undefined && { relation: object.relation }),
        ...(service !== undefined && { service }),
      });
    });
}
