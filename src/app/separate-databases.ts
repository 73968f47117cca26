/** Databases of dbps.yaml that are one and the same, as far as addresses tell: a mistake of copying that would show late. */
import type { Config, ConnectionConfig, ServiceConfig } from '../config/config.js';
import { ConfigError } from '../model/errors.js';
import type { Plan } from '../model/plan.js';

/** `host:port/database`; null where a variable of it is not set yet: whoever connects is told. */
function addressOf(database: Pick<ConnectionConfig, 'target'>): string | null {
  try {
    const { engine, host, port, database: name } = database.target();
    return `${engine}://${host.toLowerCase()}:${port}/${name}`;
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
}

/** @throws ConfigError DBPS_E226 when the service's target is the shared database. */
export function refuseSourceAsTarget(config: Config, { name, target }: ServiceConfig): void {
  const source = addressOf(config.source);
  if (target === null || source === null || addressOf(target) !== source) return;
  throw new ConfigError({
    code: 'DBPS_E226',
    message: `services.${name}.target is the shared database itself, ${source}`,
    hint: `name the database that ${name} is to have of its own`,
    location: target.location,
  });
}

/** @throws ConfigError DBPS_E226 when relations of two services would go into one schema of one database. */
export function refuseSharedTargets(config: Config, plan: Plan): void {
  const taken = new Map<string, string>();
  for (const { name, target } of config.services) {
    const address = target === null ? null : addressOf(target);
    if (target === null || address === null) continue;
    const planned = plan.services.find((service) => service.name === name);
    for (const schema of new Set(planned?.schema.relations.map((relation) => relation.schema))) {
      const other = taken.get(`${address} ${schema}`);
      if (other !== undefined)
        throw new ConfigError({
          code: 'DBPS_E226',
          message: `services.${name} and services.${other} would both go into schema ${schema} of ${address}`,
          hint: 'give each a database of its own',
          location: target.location,
        });
      taken.set(`${address} ${schema}`, name);
    }
  }
}
