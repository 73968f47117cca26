/** Plan → files in memory. Pure and deterministic: the same plan gives the same bytes. */
import type { Ddl } from '../engines/engine.js';
import type { EngineName } from '../model/database-schema.js';
import type { Plan } from '../model/plan.js';
import { rolesNamed } from '../model/roles.js';
import { composeFile } from './compose-file.js';
import { apiContract, eventContract } from './contracts.js';
import { generatedFile, type GeneratedFile } from './generated-file.js';
import { knexMigrations } from './knex-migrations.js';
import { rolesSql } from './roles-sql.js';
import { runbook } from './runbook.js';
import { schemaSql } from './schema-sql.js';

export interface GenerateOptions {
  /** undefined: all. */
  readonly services?: readonly string[];
  /** Both unless said otherwise. */
  readonly styles?: readonly ('sql' | 'knex')[];
  readonly ddl: (engine: EngineName) => Ddl;
}

export function generateFiles(plan: Plan, options: GenerateOptions): readonly GeneratedFile[] {
  const styles = options.styles ?? ['sql', 'knex'];
  const file = (path: string, body: string) => generatedFile(path, plan.hash, body);
  const files: GeneratedFile[] = [];
  const isWhole = options.services === undefined || options.services.length === 0;
  for (const service of plan.services) {
    if (!isWhole && options.services?.includes(service.name) !== true) continue;
    // Copies of shared relations are made and kept by dbps alone: no schema of anybody's to look after.
    if (service.copies !== undefined) continue;
    const ddl = options.ddl(service.targetEngine);
    const statements = ddl.createService(service);
    if (styles.includes('sql'))
      files.push(file(`${service.name}/schema.sql`, schemaSql(service.targetEngine, statements)));
    if (styles.includes('knex'))
      for (const migration of knexMigrations(service.targetEngine, statements))
        files.push(file(`${service.name}/migrations/${migration.name}`, migration.source));
    files.push(file(`${service.name}/roles.sql`, rolesSql(service, rolesNamed(service.schema), ddl)));
    const api = apiContract(plan, service);
    if (api !== null) files.push(file(`${service.name}/openapi.yaml`, api));
    const events = eventContract(plan, service);
    if (events !== null) files.push(file(`${service.name}/asyncapi.yaml`, events));
  }
  if (isWhole) {
    files.push(file('docker-compose.yml', composeFile(plan)));
    files.push(file('RUNBOOK.md', runbook(plan)));
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
