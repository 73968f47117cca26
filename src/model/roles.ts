import type { DatabaseSchema } from './database-schema.js';

/** Roles that grants and policies of a schema name; predefined ones are on every server. */
export function rolesNamed(schema: DatabaseSchema): readonly string[] {
  const grants = [
    ...schema.relations.flatMap((relation) => relation.grants),
    ...schema.sequences.flatMap((sequence) => sequence.grants),
    ...schema.routines.flatMap((routine) => routine.grants),
    ...(schema.schemaGrants ?? []),
  ].map((grant) => grant.grantee);
  const policies = schema.relations.flatMap((relation) =>
    relation.policies.flatMap((policy) => policy.roles),
  );
  return [...new Set([...grants, ...policies])]
    .filter((role) => role !== 'PUBLIC' && !role.startsWith('pg_'))
    .sort();
}
