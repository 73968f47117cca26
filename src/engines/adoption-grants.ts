/** Accounts and roles are another server's: what they may do is not carried over to another engine, and said. */
import type { DatabaseSchema } from '../model/database-schema.js';
import type { AdoptionNote } from './engine.js';

export function grantNotes(schema: DatabaseSchema): readonly AdoptionNote[] {
  const rights = new Map<string, Set<string>>();
  for (const relation of schema.relations)
    for (const grant of relation.grants)
      rights.set(grant.grantee, (rights.get(grant.grantee) ?? new Set()).add(grant.privilege));
  return [...rights].sort().map(([grantee, privileges]) => ({
    kind: 'left-out',
    subject: `grants to ${grantee}`,
    what: `${[...privileges].sort().join(', ')}: grant its account there what it needs, before the write cutover`,
  }));
}
