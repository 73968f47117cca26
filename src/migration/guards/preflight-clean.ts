import type { PreflightCheck } from '../../engines/engine.js';
import { relationsOn } from '../shape.js';
import type { Guard } from '../step-context.js';

/** The same checks as dbps doctor. Warnings and what could not be looked at are told, and do not stop anybody. */
export const preflightClean: Guard = {
  name: 'preflight-clean',
  when: 'start',
  evaluate: async (context) => {
    const { legacy, service, signal } = context;
    // A rule is made on the service database as well, and stays there after a rollback.
    const ruled = (await legacy.preflight.ruled?.(relationsOn('legacy', context))) ?? [];
    const target = context.targetExists ? context.target : null;
    const sourceText = await legacy.preflight.textRules();
    const targetText = await target?.preflight.textRules();
    const checks: PreflightCheck[] = [
      ...(await legacy.preflight.checks({
        role: 'source',
        relations: service.relations,
        ruled,
        service: service.name,
        otherText: targetText ?? sourceText,
        signal,
      })),
    ];
    if (target !== null) {
      const relations = relationsOn('target', context);
      checks.push(
        ...(await target.preflight.checks({
          role: 'target',
          relations,
          ruled: service.schema.relations.filter(({ rules }) => rules.length > 0).map(({ id }) => id),
          service: service.name,
          otherText: sourceText,
          signal,
        })),
      );
    }
    const problems = checks.filter(
      (check) =>
        check.outcome === 'problem' && (check.finding === undefined || check.finding.severity === 'error'),
    );
    const findings = checks.flatMap((check) => (check.finding === undefined ? [] : [check.finding]));
    for (const finding of findings) context.emit({ type: 'finding', finding });
    if (problems.length > 0) {
      return {
        outcome: 'refused',
        code: 'DBPS_E318',
        detail: problems
          .map((check) => check.finding?.message ?? `${check.name}: ${check.detail}`)
          .join('; '),
        hint: 'dbps doctor',
        findings,
        mayPass: false,
      };
    }
    const unknown = checks.filter((check) => check.outcome === 'unknown').map((check) => check.name);
    return {
      outcome: 'ok',
      detail: `${checks.length} checks${unknown.length === 0 ? '' : `, could not check ${unknown.join(', ')}`}`,
    };
  },
};
