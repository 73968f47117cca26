/** The shop's dbps.yaml, as a team would write it after reading what analyze proposed. */
import type { DemoVariant } from './shop-engines.js';
import { SHOP_SERVICES, SHOP_SERVICE_NAMES, type ShopService } from './shop-schema.js';

export const LEGACY_VARIABLE = 'SHARED_DATABASE_URL';
export const variableOf = (service: ShopService): string => `${service.toUpperCase()}_DATABASE_URL`;

export function shopConfig(variant: DemoVariant): string {
  const services = SHOP_SERVICE_NAMES.map(
    (service) => `  ${service}:
    relations: [${SHOP_SERVICES[service].join(', ')}]
    target: { engine: ${variant.services[service]}, url: "\${${variableOf(service)}}" }`,
  );
  return `version: 1
source:
  engine: ${variant.shared}
  url: \${${LEGACY_VARIABLE}}
${variant.shared === 'postgres' ? '  schemas: [public]\n' : ''}services:
${services.join('\n')}
migration:
  gates:
    readCutover: { verify: full, maxLag: 2s }
    writeCutover: { verify: changed, maxLag: 500ms, fenceTimeout: 10s }
    decommission: { verify: full, soak: 1s }   # a demo has no week to wait
  archive: ./dbps/archive
`;
}
