/** Names given on the command line, checked against dbps.yaml, with a guess at what was meant. */
import { didYouMean } from '../config/suggest.js';
import type { Config } from '../config/config.js';
import { UsageError } from '../model/errors.js';
import { readerOf } from '../model/plan.js';

export function requireServices(config: Config, names: readonly string[]): readonly string[] {
  const known = config.services.map((service) => service.name);
  for (const name of names) {
    if (known.includes(name)) continue;
    // Copies of shared relations; whether there are any, the plan says.
    if (config.shared.length > 0 && known.includes(readerOf(name) ?? '')) continue;
    const meant = didYouMean(name, known);
    throw new UsageError({
      code: 'DBPS_E107',
      message: `there is no service "${name}"${meant === undefined ? '' : `. Did you mean "${meant}"?`}`,
      hint:
        known.length === 0
          ? 'dbps.yaml has no services yet: dbps analyze --write'
          : `dbps.yaml has ${known.join(', ')}`,
    });
  }
  return names;
}
