import type { Guard } from '../step-context.js';

/** Checks of preflight that are about transactions, whichever engine names them. */
const ABOUT_TRANSACTIONS = /transactions?$/;

/** The fence waits for whoever has written to the relations; so it is not even tried while somebody sits on a transaction. */
export const noLongTransactions: Guard = {
  name: 'no-long-transactions',
  when: 'always',
  evaluate: async (context) => {
    const owner = (await context.store.route(context.service.name))?.owner ?? 'legacy';
    const database = owner === 'legacy' ? context.legacy : context.target;
    const relations = owner === 'legacy' ? context.service.relations : context.maps.map((map) => map.target);
    const checks = await database.preflight.checks({
      role: owner === 'legacy' ? 'source' : 'target',
      relations,
      service: context.service.name,
      signal: context.signal,
    });
    const problems = checks.filter(
      (check) => check.outcome === 'problem' && ABOUT_TRANSACTIONS.test(check.name),
    );
    if (problems.length === 0) return { outcome: 'ok', detail: 'nobody sits on a transaction' };
    return {
      outcome: 'refused',
      code: 'DBPS_E315',
      detail: problems.map((check) => check.finding?.message ?? check.detail).join('; '),
      hint: problems[0]?.finding?.remedy ?? 'wait for them with --wait, or end them',
      findings: problems.flatMap((check) => (check.finding === undefined ? [] : [check.finding])),
      mayPass: true,
    };
  },
};
