/** Reference data: relations that every service reads and hardly anyone writes. One owner, read-only copies for the rest. */
import type { Analysis } from '../model/analysis.js';
import type { Relation } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import type { Evidence } from './evidence.js';
import { isHousekeeping } from './relation-facts.js';

/** Other services that must refer to it. */
const READING_SERVICES = 3;
const MOST_COLUMNS = 8;
const MOST_ROWS = 100_000;

export function sharedRelations(
  evidence: Evidence,
  home: ReadonlyMap<RelationId, string>,
  named: readonly RelationId[],
): Analysis['shared'] {
  const readers = evidence.relations.map(() => new Set<string>());
  for (const { child, parent, traits } of evidence.references) {
    const from = home.get((evidence.relations[child] as Relation).id);
    if (from !== undefined && !traits.isSelf && !traits.isAudit) readers[parent]?.add(from);
  }
  const fixed = new Set(named);
  return evidence.relations.flatMap((relation, at) => {
    const owner = home.get(relation.id) ?? null;
    if (fixed.has(relation.id)) return [{ relation: relation.id, owner, reason: 'you said so' }];
    const others = [...(readers[at] ?? [])].filter((service) => service !== owner).length;
    const own = relation.columns.filter((column) => !isHousekeeping(column.name)).length;
    const isSmall = own <= MOST_COLUMNS && (relation.estimatedRows ?? 0) <= MOST_ROWS;
    const isLeaf = (evidence.fanOut[at] ?? 0) === 0;
    return others >= READING_SERVICES &&
      isLeaf &&
      isSmall &&
      !evidence.names.tokens
        .get(relation.id)
        ?.some((word) => /^(?:user|account|tenant|customer|organi[sz]ation|company)$/.test(word))
      ? [
          {
            relation: relation.id,
            owner,
            reason: `reference data: ${others} other services refer to it, it refers to nothing, and it has few columns`,
          },
        ]
      : [];
  });
}
