/** Roles on the service database: those that grants and policies name, and what former owners need instead of ownership. */
import type { DatabaseSchema, Grant } from '../model/database-schema.js';

/** Owners of the service's relations that are no administrators: applications that own their tables. */
export function applicationOwners(
  schema: DatabaseSchema,
  administrators: readonly string[] | undefined,
): readonly string[] {
  if (administrators === undefined) return [];
  const owners = schema.relations.map((relation) => relation.owner).filter((owner) => owner !== undefined);
  return [...new Set(owners)].filter((owner) => !administrators.includes(owner)).sort();
}

/** What an administrator is granted it has anyway; on another server it is another role. */
export function withoutAdministratorGrants(
  schema: DatabaseSchema,
  administrators: readonly string[] = [],
): DatabaseSchema {
  const others = <T extends Grant>(grants: readonly T[]): readonly T[] =>
    grants.filter((item) => !administrators.includes(item.grantee));
  return {
    ...schema,
    relations: schema.relations.map((relation) => ({ ...relation, grants: others(relation.grants) })),
    sequences: schema.sequences.map((sequence) => ({ ...sequence, grants: others(sequence.grants) })),
    routines: schema.routines.map((routine) => ({ ...routine, grants: others(routine.grants) })),
    ...(schema.schemaGrants !== undefined && { schemaGrants: others(schema.schemaGrants) }),
  };
}

const grant = (grantee: string, privilege: string): Grant => ({ grantee, privilege, isGrantable: false });

function withGrants(grants: readonly Grant[], more: readonly Grant[]): readonly Grant[] {
  const has = (wanted: Grant) =>
    grants.some(
      (g) => g.grantee === wanted.grantee && g.privilege === wanted.privilege && g.column === undefined,
    );
  return [...grants, ...more.filter((wanted) => !has(wanted))];
}

/** Without ownership the former owner still reads and writes its rows and draws from its sequences. */
export function grantToFormerOwners(schema: DatabaseSchema, owners: readonly string[]): DatabaseSchema {
  if (owners.length === 0) return schema;
  const ownerOf = new Map(schema.relations.map((relation) => [relation.id, relation.owner ?? '']));
  return {
    ...schema,
    relations: schema.relations.map((relation) =>
      owners.includes(relation.owner ?? '')
        ? {
            ...relation,
            grants: withGrants(
              relation.grants,
              (relation.kind === 'materialized-view'
                ? ['SELECT']
                : ['DELETE', 'INSERT', 'SELECT', 'UPDATE']
              ).map((privilege) => grant(relation.owner ?? '', privilege)),
            ),
          }
        : relation,
    ),
    sequences: schema.sequences.map((sequence) => {
      const users = [...sequence.usedBy, ...(sequence.ownedBy === undefined ? [] : [sequence.ownedBy])];
      const needing = [...new Set(users.map((use) => ownerOf.get(use.relation) ?? ''))].filter((owner) =>
        owners.includes(owner),
      );
      return {
        ...sequence,
        grants: withGrants(
          sequence.grants,
          needing.flatMap((owner) => ['SELECT', 'USAGE'].map((privilege) => grant(owner, privilege))),
        ),
      };
    }),
    schemaGrants: [
      ...(schema.schemaGrants ?? []),
      ...schema.schemas.flatMap((name) =>
        owners
          .filter(
            (owner) =>
              !(schema.schemaGrants ?? []).some(
                (g) => g.schema === name && g.grantee === owner && g.privilege === 'USAGE',
              ),
          )
          .map((owner) => ({ ...grant(owner, 'USAGE'), schema: name })),
      ),
    ],
  };
}
