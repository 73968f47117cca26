import type { Database } from '../../engines/engine.js';
import { fenceOptions } from '../fence-options.js';
import { relationsOn, type Side } from '../shape.js';
import type { GuardContext, Step, StepContext } from '../step-context.js';

const SIDES = ['legacy', 'target'] as const satisfies readonly Side[];

const needsArming = ({ capabilities }: Pick<Database, 'capabilities'>): boolean =>
  capabilities.fenceKind === 'control-row';

const isArmed = async (context: GuardContext | StepContext, side: Side): Promise<boolean> => {
  const states = await context[side].fence.observe(context.service.name, relationsOn(side, context));
  return states.every(({ state }) => state === 'open' || state === 'closed');
};

/**
 * Where trigger DDL commits by itself and cannot be part of the commit point, it is done before anybody waits: triggers that let everybody
 * through, and in the service database what the opening would have to create.
 */
export const armFences: Step = {
  name: 'arm-fences',
  describe: async (context) =>
    SIDES.filter((side) => needsArming(context[side])).flatMap((side) => [
      {
        where: side,
        sql: null,
        purpose: `create the fence's triggers on ${relationsOn(side, context).length} relations, open; the cutover then updates one row`,
      },
      {
        where: side,
        sql: null,
        purpose: 'let triggers of the relations do nothing for what dbps applies',
      },
    ]),
  // What was kept for the opening may still be waiting though the triggers are there: cheap to repeat.
  check: async () => 'todo',
  do: async (context) => {
    const armed: string[] = [];
    for (const side of SIDES) {
      const database = context[side];
      if (!needsArming(database) || database.fence.arm === undefined) continue;
      const owner = side === 'legacy' ? 'service' : 'legacy';
      armed.push(
        ...(await database.fence.arm(
          context.owner,
          relationsOn(side, context),
          fenceOptions(context, database, owner),
          context.signal,
        )),
      );
    }
    return { armed: armed.length };
  },
  verify: async (context) => {
    for (const side of SIDES)
      if (needsArming(context[side]) && !(await isArmed(context, side)))
        throw new Error(`the fence in ${side} is not whole`);
  },
  // The service database keeps its own: it has been closed since it was made.
  undo: async (context) => {
    if (needsArming(context.legacy))
      await context.legacy.fence.remove(context.owner, relationsOn('legacy', context), context.signal);
  },
};
