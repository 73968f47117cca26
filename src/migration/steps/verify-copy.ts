import { RefusedError } from '../../model/errors.js';
import { recordVerification, summarise } from '../verified.js';
import { verifyMove } from '../verify-move.js';
import type { Step } from '../step-context.js';

/** Every row of both sides, once; from here on the rows that change are what has to be looked at. */
export const verifyCopy: Step = {
  name: 'verify-copy',
  describe: async (context) => [
    {
      where: 'outside',
      sql: null,
      purpose: `compare every row of ${context.maps.length} relations on both sides`,
    },
  ],
  check: async () => 'todo',
  do: async (context) => {
    await context.forward.start('apply');
    const result = await verifyMove(context, 'full');
    await recordVerification(context, result);
    for (const finding of result.findings) context.emit({ type: 'finding', finding });
    if (!result.isEqual) {
      throw new RefusedError({
        code: 'DBPS_E310',
        message: `the copy of ${context.service.name} is not equal: ${summarise(result)}`,
        hint: `dbps verify ${context.service.name}`,
      });
    }
    return { rows: result.relations.reduce((sum, relation) => sum + relation.rows, 0) };
  },
  verify: async () => undefined,
};
