/** One container a service, for development and rehearsal: dbps finds them empty and fills them. */
import type { Plan, ServicePlan } from '../model/plan.js';

const FIRST_PORT = 5441;

function versionOf(plan: Plan, service: ServicePlan): string {
  const major = /(\d+)/.exec(plan.source.product)?.[1];
  if (service.targetEngine === 'mysql') return 'mysql:8.4';
  return `postgres:${plan.source.engine === 'postgres' && major !== undefined ? major : '17'}`;
}

export function composeFile(plan: Plan): string {
  // Copies of shared relations stand in their reader's database.
  const own = plan.services.filter((service) => service.copies === undefined);
  const variable = (service: ServicePlan) => `${service.name.toUpperCase().replaceAll('-', '_')}_DB_PASSWORD`;
  const services = own.map((service, i) => {
    const password = `\${${variable(service)}:?set ${variable(service)}}`;
    const host = `${service.name}-db`;
    const isPostgres = service.targetEngine === 'postgres';
    return [
      `  ${host}:`,
      `    image: ${versionOf(plan, service)}`,
      '    environment:',
      ...(isPostgres
        ? [
            `      POSTGRES_DB: ${service.name}`,
            `      POSTGRES_USER: dbps`,
            `      POSTGRES_PASSWORD: ${password}`,
          ]
        : [`      MYSQL_DATABASE: ${service.name}`, `      MYSQL_ROOT_PASSWORD: ${password}`]),
      // The way back reads the service's own log.
      ...(isPostgres
        ? [
            '    command: ["postgres", "-c", "wal_level=logical", "-c", "max_replication_slots=10", "-c", "max_wal_senders=10"]',
          ]
        : ['    command: ["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--binlog-row-image=FULL"]']),
      `    ports: ["${FIRST_PORT + i}:${isPostgres ? 5432 : 3306}"]`,
      `    volumes: ["${host}:/var/lib/${isPostgres ? 'postgresql/data' : 'mysql'}"]`,
      '    healthcheck:',
      isPostgres
        ? `      test: ["CMD", "pg_isready", "-U", "dbps", "-d", "${service.name}"]`
        : '      test: ["CMD", "mysqladmin", "ping"]',
      '      interval: 2s',
      '      retries: 30',
    ].join('\n');
  });
  return [
    '# Databases of the services, empty: the migration fills them. Not a production set-up.',
    'services:',
    services.join('\n'),
    'volumes:',
    ...own.map((service) => `  ${service.name}-db:`),
  ].join('\n');
}
