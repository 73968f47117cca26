/** Opening the side that a committed switch has given the writes to, and proving that they work there. */
import type { Database } from '../engines/engine.js';
import { InternalError, RefusedError } from '../model/errors.js';
import { fenceOptions } from './fence-options.js';
import { readOwnership, type Owner } from './ownership.js';
import { relationsOn } from './shape.js';
import type { StepContext } from './step-context.js';

const sideOf = (owner: Owner) => (owner === 'service' ? 'target' : 'legacy');

export async function openSide(context: StepContext, owner: Owner): Promise<void> {
  const ownership = await readOwnership(context, context.service.name);
  const decision = owner === 'service' ? ownership.legacy : ownership.service;
  // Only what was read from the committed row of the side that gave the writes away may open the other.
  if (ownership.decided !== owner || decision === null) {
    throw new InternalError({
      code: 'DBPS_E901',
      message: `${owner} is to be opened, but the writes of ${context.service.name} were not given to it`,
    });
  }
  // A stream that only watched would acknowledge the first writes without applying them; the next step starts it as an applier.
  await (owner === 'service' ? context.reverse : context.forward).stop();
  const side = sideOf(owner);
  await context[side].fence.open(context.owner, relationsOn(side, context), {
    ...fenceOptions(context, context[side], owner),
    ownership: decision,
  });
  await context.at(`open-${side}.opened`);
}

/** @throws RefusedError naming what refuses. The fence is open then, but something else stands in an application's way. */
export async function proveOpen(context: StepContext, owner: Owner): Promise<void> {
  const side = sideOf(owner);
  const database: Database = context[side];
  const relations = relationsOn(side, context);
  const states = await database.fence.observe(context.service.name, relations);
  const shut = states.filter(({ state }) => state !== 'open' && state !== 'absent');
  const refused = [
    ...shut.map(
      ({ relation, state, detail }) =>
        `${relation}: fence ${state}${detail === undefined ? '' : ` (${detail})`}`,
    ),
  ];
  for (const role of [undefined, ...applicationRoles(context)]) {
    const errors = await database.fence.proveWritable(relations, role).catch((error: unknown) => {
      context.emit({
        type: 'note',
        service: context.service.name,
        message: `writing as ${role ?? 'dbps'} could not be tried: ${error instanceof Error ? error.message : String(error)}`,
      });
      return [];
    });
    refused.push(
      ...errors.map(
        ({ relation, error }) => `${relation}${role === undefined ? '' : ` as ${role}`}: ${error}`,
      ),
    );
  }
  if (refused.length === 0) return;
  throw new RefusedError({
    code: 'DBPS_E341',
    message: `writing does not work: ${[...new Set(refused)].slice(0, 5).join('; ')}`,
    hint: 'The writes belong to this database already: mend what refuses them and run it again.',
  });
}

/** Who was granted writes by the plan. A role that dbps may not become is left out: its grants are the same. */
function applicationRoles(context: StepContext): string[] {
  const roles = context.service.schema.relations.flatMap((relation) =>
    relation.grants
      .filter(({ privilege }) => privilege === 'INSERT' || privilege === 'UPDATE')
      .map(({ grantee }) => grantee),
  );
  return [...new Set(roles)].filter((role) => role !== 'PUBLIC' && role !== '');
}
