/** A proposal for the database that dbps.yaml names, under what it says already; and what becomes of it: services in dbps.yaml. */
import fs from 'node:fs';
import type { AnalyzeOptions, AnalyzeResult, ConfiguredWord } from '../app/analyze.js';
import type { SavedAnalysis } from '../app/saved-analysis.js';
import type { Config } from '../config/config.js';
import type { ServicesDraft } from '../config/write-services.js';
import type { Analysis, BoundaryPins } from '../model/analysis.js';
import { UsageError } from '../model/errors.js';
import type { RelationId } from '../model/relation-id.js';
import type { Context } from './context.js';

export type Boundaries = ReadonlyMap<string, readonly RelationId[]>;

/** What dbps.yaml says of its database, as options of an analysis. */
export async function configuredOptions(
  config: Config,
): Promise<
  Pick<AnalyzeOptions, 'pins' | 'references' | 'defaultSchema' | 'exclude' | 'poolSize' | 'maxConnections'>
> {
  const { pool, maxConnections } = config.analysis;
  const exclude = await excluder(config.source.exclude);
  return {
    pins: pinsOf(config),
    references: config.references.map(({ child, childColumns, parent, parentColumns }) => ({
      child,
      childColumns,
      parent,
      parentColumns,
    })),
    defaultSchema: config.source.defaultSchema,
    ...(exclude !== null && { exclude }),
    ...(pool !== null && { poolSize: pool }),
    ...(maxConnections !== null && { maxConnections }),
  };
}

/** What of it is said of relations by name, wherever their schema is read from. */
export async function configuredWord(
  config: Config,
  { isMeant }: Pick<ConfiguredWord, 'isMeant'>,
): Promise<ConfiguredWord> {
  const { pins, references, exclude } = await configuredOptions(config);
  return {
    isMeant,
    engine: config.source.engine,
    defaultSchema: config.source.defaultSchema,
    ...(pins !== undefined && { pins }),
    ...(references !== undefined && { references }),
    ...(exclude !== undefined && { exclude }),
  };
}

/** Reads the configured database and proposes boundaries under the services that are there. */
export async function proposeConfigured(context: Context, config: Config): Promise<AnalyzeResult> {
  const { analyze } = await import('../app/analyze.js');
  const { schemas } = config.source;
  return analyze({
    source: { kind: 'live', target: config.source.target(), ...(schemas !== undefined && { schemas }) },
    ...(await configuredOptions(config)),
    signal: context.signal,
  });
}

function pinsOf(config: Config): BoundaryPins {
  const ids = (relations: readonly { readonly id: string }[]) => relations.map(({ id }) => id);
  return {
    services: Object.fromEntries(config.services.map(({ name, relations }) => [name, ids(relations)])),
    together: config.together.map(ids),
    apart: config.apart.map(([a, b]) => [a.id, b.id] as const),
    shared: config.shared.flatMap(({ relations }) => ids(relations)),
  };
}

export async function excluder(globs: readonly string[]): Promise<((relation: string) => boolean) | null> {
  if (globs.length === 0) return null;
  const { default: picomatch } = await import('picomatch');
  const { parseRelationId } = await import('../model/relation-id.js');
  const isMatch = picomatch([...globs]);
  return (relation) => isMatch(relation) || isMatch(parseRelationId(relation).name);
}

/** Before any database is asked: there is no one to walk a proposal with. */
export function requireTerminal(context: Context): void {
  if (context.terminal.isInteractive) return;
  throw new UsageError({
    code: 'DBPS_E110',
    message: '--interactive needs a terminal',
    hint: 'without one: dbps analyze --format html, move relations there, and copy the services block',
  });
}

type Proposal = Pick<SavedAnalysis, 'analysis' | 'schema'>;

/** Reference data belongs to whichever service has it after the walk, under the name it has then. */
function sharedUnder(chosen: Boundaries, { shared }: Analysis): ServicesDraft['shared'] {
  return shared.flatMap(({ relation }) => {
    const owner = [...chosen].find(([, relations]) => relations.includes(relation))?.[0];
    return owner === undefined ? [] : [{ relation, owner }];
  });
}

/** Services into the dbps.yaml that is there, everything else in it untouched. */
export async function writeIntoConfig(
  config: Config,
  { analysis }: Proposal,
  chosen: Boundaries,
): Promise<void> {
  const { writeServices } = await import('../config/write-services.js');
  fs.writeFileSync(
    config.file,
    writeServices(fs.readFileSync(config.file, 'utf8'), {
      engine: config.source.engine,
      defaultSchema: config.source.defaultSchema,
      services: chosen,
      shared: sharedUnder(chosen, analysis),
    }),
  );
}

/** A first dbps.yaml with services in it. @param flag `wx` where none may be there. */
export async function writeNewConfig(
  file: string,
  { analysis, schema }: Proposal,
  chosen: Boundaries,
  options: { readonly urlVariable: string; readonly schemas: readonly string[]; readonly flag: 'w' | 'wx' },
): Promise<void> {
  const { renderConfig } = await import('../config/render.js');
  const text = renderConfig({
    engine: schema.engine,
    urlVariable: options.urlVariable,
    schemas: [...options.schemas],
    services: [...chosen].map(([name, relations]) => ({ name, relations })),
    shared: sharedUnder(chosen, analysis),
  });
  fs.writeFileSync(file, text, { flag: options.flag });
}
