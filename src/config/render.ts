/** A dbps.yaml that a person goes on editing: commented, short, with names instead of secrets. */
import { stringify } from 'yaml';
import type { EngineName } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';

export interface ConfigDraft {
  readonly engine: EngineName;
  /** Name of the environment variable that holds the shared database's URL. */
  readonly urlVariable: string;
  readonly schemas: readonly string[];
  readonly services: readonly { readonly name: string; readonly relations: readonly RelationId[] }[];
  readonly shared: readonly { readonly relation: RelationId; readonly owner: string | null }[];
}

export function renderConfig(draft: ConfigDraft): string {
  const [defaultSchema] = draft.schemas;
  const short = (id: RelationId) =>
    defaultSchema !== undefined &&
    id.startsWith(`${defaultSchema}.`) &&
    !id.slice(defaultSchema.length + 1).includes('.')
      ? id.slice(defaultSchema.length + 1)
      : id;
  const parts = [
    `# yaml-language-server: $schema=./node_modules/dbps/schema/dbps.yaml.json
version: 1

# The shared database. \${VAR} comes from the environment or from .env beside this file.
source:
  engine: ${draft.engine}
  url: \${${draft.urlVariable}}
  schemas: [${draft.schemas.map(flow).join(', ')}]
`,
    servicesBlock(draft, short),
    sharedBlock(draft, short),
    `# What may replace a foreign key that the boundaries cut, one entry a reference:
# references:
#   - from: orders.user_id
#     to: users.id
#     onDelete: keep                  # keep | nullify | delete | restrict

migration:
  walBudget: 10GB                     # log that a slot may hold back
  gates:
    readCutover: { verify: full, maxLag: 2s }
    writeCutover: { verify: changed, maxLag: 500ms, fenceTimeout: 10s }
    decommission: { verify: full, soak: 7d }
  archive: ./dbps/archive
`,
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function servicesBlock(draft: ConfigDraft, short: (id: RelationId) => string): string {
  if (draft.services.length === 0)
    return `# Which relations each service will own. dbps analyze proposes them, dbps analyze --write puts them here.
services: {}
`;
  const services = draft.services.map((service) => {
    const relations = service.relations.map((id) => `      - ${flow(short(id))}`).join('\n');
    return `  ${service.name}:
    relations:
${relations}
    target: { engine: ${draft.engine}, url: "\${${variableOf(service.name)}}" }`;
  });
  return `# Which relations each service will own, and where.\nservices:\n${services.join('\n')}\n`;
}

function sharedBlock(draft: ConfigDraft, short: (id: RelationId) => string): string {
  if (draft.shared.length === 0) return '';
  const owners = new Map<string | null, string[]>();
  for (const { relation, owner } of draft.shared)
    owners.set(owner, [...(owners.get(owner) ?? []), short(relation)]);
  const entries = [...owners].map(
    ([owner, relations]) =>
      `  - { relations: [${relations.map(flow).join(', ')}]${owner === null ? '' : `, owner: ${owner}`} }`,
  );
  return `# Reference data: one owner, read-only copies for every other service that uses it.\nshared:\n${entries.join('\n')}\n`;
}

/** `orders-v2` → `ORDERS_V2_DATABASE_URL`. */
export function variableOf(service: string): string {
  return `${service.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_DATABASE_URL`;
}

/** One scalar as YAML would write it inside a line. */
function flow(text: string): string {
  return stringify(text, { defaultStringType: 'PLAIN', collectionStyle: 'flow', lineWidth: 0 })
    .trim()
    .match(/^[^,[\]{}]*$/)
    ? stringify(text, { lineWidth: 0 }).trim()
    : JSON.stringify(text);
}
