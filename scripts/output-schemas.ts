/** schema/*.json of what the commands print, made from the types in src/cli/results.ts. Each file stands for itself. */
import path from 'node:path';
import ts from 'typescript';
import { schemasOf, type JsonSchema } from './json-schema-of-types.js';

const ROOT = path.resolve(import.meta.dirname, '..');
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

export function outputSchemas(): Readonly<Record<string, string>> {
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
  const { definitions } = schemasOf(path.join(ROOT, 'src/cli/results.ts'), 'Documents', {
    ...options,
    incremental: false,
  });
  const named = (name: string) => definitions[name] as ObjectSchema;
  const { properties } = named('Envelope');
  const files: Record<string, string> = {
    'schema/envelope.json': file('envelope.json', 'What --format json prints, on success and on failure', {
      ...named('Envelope'),
      properties: { ...properties, result: { type: ['object', 'null'] } },
    }),
    'schema/ndjson.json': file('ndjson.json', 'One line of --format ndjson', named('OutputLine')),
  };
  for (const [command, result] of Object.entries(named('CommandResults').properties)) {
    const name = `${command.replaceAll(' ', '-')}.json`;
    files[`schema/${name}`] = file(name, `What dbps ${command} --format json prints`, {
      ...named('Envelope'),
      properties: {
        ...properties,
        command: { const: command },
        result: {
          description: 'null where there is no answer: error says why',
          anyOf: [{ type: 'null' }, result],
        },
      },
    });
  }
  return files;

  function file(id: string, title: string, schema: JsonSchema): string {
    const used = reachable(schema, definitions);
    const $defs = Object.fromEntries(Object.entries(definitions).filter(([name]) => used.has(name)));
    return `${JSON.stringify({ $schema: DIALECT, $id: id, title, ...schema, $defs }, null, 2)}\n`;
  }
}

interface ObjectSchema extends JsonSchema {
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

function reachable(
  schema: unknown,
  definitions: Readonly<Record<string, JsonSchema>>,
  found = new Set<string>(),
): ReadonlySet<string> {
  for (const [, name = ''] of JSON.stringify(schema).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
    if (found.has(name)) continue;
    found.add(name);
    reachable(definitions[name], definitions, found);
  }
  return found;
}
