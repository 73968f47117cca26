/** What ON DELETE does inside one database, nobody does across two. */
import { finding, referenceLabel, type Rule } from './rule.js';

export const cascadeAcross: Rule = ({ crossings, evidence }) =>
  crossings.flatMap(({ reference, services, relations }) => {
    const key =
      reference === undefined
        ? undefined
        : evidence.relations[evidence.index.get(reference.child) ?? -1]?.foreignKeys.find(
            (candidate) =>
              candidate.columns.join() === reference.childColumns.join() &&
              candidate.parent === reference.parent,
          );
    if (
      reference === undefined ||
      key === undefined ||
      !['cascade', 'set null', 'set default'].includes(key.onDelete)
    )
      return [];
    const does = key.onDelete === 'cascade' ? 'deletes its rows' : 'clears the reference';
    return [
      finding(
        'BND101',
        referenceLabel(reference),
        `Deleting a row of ${reference.parent} (${services[1] ?? ''}) ${does} in ${reference.child} (${services[0] ?? ''}). No foreign key does that across databases.`,
        {
          severity: key.onDelete === 'cascade' ? 'error' : 'warning',
          relation: relations[0] ?? reference.child,
          data: { onDelete: key.onDelete, cost: reference.cost },
        },
      ),
    ];
  });
