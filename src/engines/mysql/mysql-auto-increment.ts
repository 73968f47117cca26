/**
 * The counter behind an AUTO_INCREMENT column, as a sequence of the model: it has to go on from where the other side stood, like any other.
 * A table has at most one, so the sequence bears the table's name.
 */
import type { Relation, Sequence } from '../../model/database-schema.js';

const BITS: Readonly<Record<string, number>> = {
  tinyint: 8,
  smallint: 16,
  mediumint: 24,
  int: 32,
  bigint: 64,
};

/** Greatest value that a counter of this column type can give. DOUBLE and FLOAT counters count exactly up to their mantissa. */
export function autoIncrementMaximum(type: string): bigint {
  const word = /^[a-z]+/.exec(type.toLowerCase())?.[0] ?? '';
  const bits = BITS[word];
  if (bits === undefined) return word === 'float' ? 2n ** 24n : 2n ** 53n;
  // The last value of an unsigned bigint is never given: the counter would have nowhere to go.
  return /unsigned|zerofill/i.test(type)
    ? 2n ** BigInt(bits) - (bits === 64 ? 2n : 1n)
    : 2n ** BigInt(bits - 1) - 1n;
}

export function autoIncrementSequences(relations: readonly Relation[]): readonly Sequence[] {
  return relations.flatMap((relation): Sequence[] => {
    const column = relation.columns.find((candidate) => candidate.autoIncrement === true);
    if (column === undefined) return [];
    const use = { relation: relation.id, column: column.name };
    return [
      {
        id: relation.id,
        schema: relation.schema,
        name: relation.name,
        type: column.type,
        start: '1',
        minimum: '1',
        maximum: autoIncrementMaximum(column.type).toString(),
        increment: '1',
        cache: '1',
        isCycling: false,
        lastValue: null,
        ownedBy: use,
        isIdentity: true,
        usedBy: [use],
        grants: [],
      },
    ];
  });
}
