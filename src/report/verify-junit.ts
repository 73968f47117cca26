import type { VerifyResult } from '../model/verification.js';
import { junit, type JunitCase } from './junit.js';

/** One case a relation; orphans and a schema that differs are cases of their own. */
export function verifyJunit(results: readonly VerifyResult[]): string {
  return junit(
    'dbps verify',
    results.flatMap((result): JunitCase[] => [
      ...result.relations.map((relation): JunitCase => {
        const isWrong = relation.differing > 0 || relation.unsettled > 0;
        return {
          name: relation.relation,
          className: `${result.service} ${result.mode}`,
          ...(isWrong && {
            failure: {
              type: relation.differing > 0 ? 'different' : 'unsettled',
              message:
                relation.differing > 0
                  ? relation.differing === 1
                    ? '1 row differs'
                    : `${relation.differing} rows differ`
                  : `${relation.unsettled} rows changed in every round`,
              body: relation.differences
                .map((row) =>
                  row.kind === 'values'
                    ? `${row.key.join(', ')}: ${row.columns.map((c) => `${c.column} ${c.source ?? 'null'} | ${c.target ?? 'null'}`).join('; ')}`
                    : `${row.key.join(', ')}: ${row.kind}`,
                )
                .join('\n'),
            },
          }),
        };
      }),
      ...result.orphans.map((orphans): JunitCase => ({
        name: orphans.label,
        className: `${result.service} orphans`,
        failure: { type: 'orphans', message: `${orphans.count} rows without a parent`, body: orphans.label },
      })),
      ...(result.shape.outcome === 'differs'
        ? [
            {
              name: 'schema',
              className: `${result.service} schema`,
              failure: { type: 'schema', message: 'the schemas differ', body: result.shape.detail },
            },
          ]
        : []),
    ]),
  );
}
