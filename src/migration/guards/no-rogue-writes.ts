import { openRogueWrites, readVersions, rogueFinding } from '../rogue-writes.js';
import type { Guard } from '../step-context.js';

/** Versions are read for so many; the rest are counted. */
const SHOWN = 20;

/** Nothing was written to legacy behind the fence, or somebody has decided what becomes of it. */
export const noRogueWrites: Guard = {
  name: 'no-rogue-writes',
  when: 'always',
  evaluate: async (context) => {
    const { name } = context.service;
    const writes = openRogueWrites(await context.store.history(name, 100_000));
    if (writes.length === 0)
      return { outcome: 'ok', detail: 'no write has reached legacy since the cutover' };
    const findings = (await readVersions(context, writes.slice(0, SHOWN))).map((versions) =>
      rogueFinding(name, versions),
    );
    for (const finding of findings) context.emit({ type: 'finding', finding });
    if (context.parameters.keepOwner === true)
      return {
        outcome: 'ok',
        detail: `${writes.length} writes reached legacy; decided: the owner's rows stand`,
      };
    return {
      outcome: 'refused',
      code: 'DBPS_E345',
      detail: `${writes.length} writes reached legacy behind the fence: ${findings
        .slice(0, 3)
        .map(({ subject }) => subject)
        .join(', ')}`,
      hint: findings[0]?.remedy ?? `dbps status ${name}`,
      findings,
      mayPass: false,
    };
  },
};
