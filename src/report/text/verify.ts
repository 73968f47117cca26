import type { RowDifference, VerifyResult } from '../../model/verification.js';
import type { Style } from '../style.js';
import { formatCount, formatDuration, plural } from './format.js';
import { table } from './table.js';

export function verifyText(results: readonly VerifyResult[], style: Style): string {
  return results.map((result) => one(result, style)).join('\n\n');
}

function one(result: VerifyResult, style: Style): string {
  const differing = result.relations.filter((relation) => relation.differing > 0);
  const blocks = [
    `${style.bold(result.service)}   ${result.mode}   ${plural(result.relations.length, 'relation')}${
      result.rounds === 0
        ? ''
        : `   waited ${formatDuration(result.waitedMs)} for the other side in ${plural(result.rounds, 'round')}`
    }`,
    relationsTable(result, style),
    ...differing.map((relation) =>
      [
        `${style.bold(relation.relation)}: ${plural(relation.differing, 'row')} ${relation.differing === 1 ? 'differs' : 'differ'} after ${plural(result.rounds, 'round')}, so this is not lag`,
        differencesTable(relation.differences),
        ...(relation.differing > relation.differences.length
          ? [`  the first ${relation.differences.length} of ${formatCount(relation.differing)} are shown`]
          : []),
      ].join('\n'),
    ),
    ...(result.orphans.length === 0
      ? []
      : [
          result.orphans
            .map(
              (orphans) =>
                `${style.red('orphans')}  ${orphans.label}: ${plural(orphans.count, 'row')} without a parent`,
            )
            .join('\n'),
        ]),
    ...(result.shape.outcome === 'differs' ? [`${style.red('schema')}   ${result.shape.detail}`] : []),
    notCompared(result),
    verdict(result, differing.length, style),
  ];
  return blocks.join('\n\n');
}

function relationsTable(result: VerifyResult, style: Style): string {
  const rows = result.relations.map((relation) => [
    relation.relation,
    formatCount(relation.rows),
    formatCount(relation.chunks),
    formatCount(relation.rechecked),
    relation.differing > 0
      ? `DIFFERS in ${plural(relation.differing, 'row')}`
      : relation.unsettled > 0
        ? `${plural(relation.unsettled, 'row')} never at rest`
        : relation.rechecked > 0
          ? `ok, ${plural(relation.rechecked, 'chunk')} were in flight`
          : 'ok',
  ]);
  const sum = (pick: (relation: VerifyResult['relations'][number]) => number) =>
    formatCount(result.relations.reduce((total, relation) => total + pick(relation), 0));
  const text = table(
    [
      ['Relation', 'rows', 'chunks', 'rechecked', 'result'],
      ...rows,
      [
        'Total',
        sum((r) => r.rows),
        sum((r) => r.chunks),
        sum((r) => r.rechecked),
        `in ${formatDuration(result.durationMs)}`,
      ],
    ],
    { right: [1, 2, 3] },
  );
  return text.replaceAll('DIFFERS', style.red('DIFFERS'));
}

function differencesTable(differences: readonly RowDifference[]): string {
  const rows = differences.flatMap((difference) => {
    const key = difference.key.join(', ');
    if (difference.kind !== 'values')
      return [
        [
          key,
          'whole row',
          ...(difference.kind === 'missing' ? ['present', 'missing'] : ['missing', 'present']),
        ],
      ];
    return difference.columns.map(({ column, source, target }) => [
      key,
      column,
      shorten(source),
      shorten(target),
    ]);
  });
  const keyColumns = differences[0]?.keyColumns.join(', ') ?? 'key';
  return table([[keyColumns, 'column', 'owner', 'other side'], ...rows], { indent: '  ' });
}

function shorten(value: string | null): string {
  if (value === null) return 'null';
  const line = value.replaceAll(/\s+/g, ' ');
  return line.length <= 36 ? line : `${line.slice(0, 33)}…`;
}

/** Always said, even when it is nothing: a verifier that hides its limits is worse than none. */
function notCompared(result: VerifyResult): string {
  if (result.notCompared.length === 0) return 'Not compared: nothing';
  return `Not compared: ${result.notCompared.map(({ subject, reason }) => `${subject} (${reason})`).join(', ')}`;
}

function verdict(result: VerifyResult, differing: number, style: Style): string {
  const total = result.relations.length;
  if (result.isEqual) return style.green(`${plural(total, 'relation')} equal`);
  if (differing > 0)
    return style.red(
      `${differing} of ${plural(total, 'relation')} ${differing === 1 ? 'differs' : 'differ'}`,
    );
  return style.red('not proven equal');
}
