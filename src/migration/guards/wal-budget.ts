import type { Guard } from '../step-context.js';
import { describeRetained, overBudget } from '../wal-budget.js';

export const walBudget: Guard = {
  name: 'wal-budget',
  when: 'always',
  evaluate: async (context) => {
    const [first] = await overBudget(context);
    if (first === undefined) return { outcome: 'ok', detail: 'within the budget' };
    return {
      outcome: 'refused',
      code: 'DBPS_E313',
      detail: describeRetained(first, context.settings.walBudgetBytes),
      hint: 'dbps run reads the log and lets it go; raise migration.walBudget if the disk allows it',
      findings: [],
      mayPass: true,
    };
  },
};
