import path from 'node:path';
import type { Command } from 'commander';
import type { AnalyzeResult, AnalyzeSource } from '../../app/analyze.js';
import type { SavedAnalysis } from '../../app/saved-analysis.js';
import type { Config } from '../../config/config.js';
import type { Analysis } from '../../model/analysis.js';
import { ConfigError, UsageError } from '../../model/errors.js';
import { compareFindings } from '../../model/finding.js';
import type { Context } from '../context.js';
import {
  configuredOptions,
  configuredWord,
  excluder,
  requireTerminal,
  writeIntoConfig,
  writeNewConfig,
} from '../proposal.js';
import type { AnalyzeReport } from '../results.js';
import type { Bind, Outcome } from '../runner.js';

interface AnalyzeFlags {
  readonly url?: string;
  readonly fromSql?: string;
  readonly from?: string;
  readonly engine?: string;
  readonly schema?: readonly string[];
  readonly exclude?: readonly string[];
  readonly log?: readonly string[];
  readonly workload?: boolean;
  readonly checkData?: boolean;
  readonly observe?: string;
  readonly pool?: string;
  readonly maxConnections?: string;
  readonly services?: string;
  readonly granularity?: string;
  readonly explain?: string;
  readonly failOn?: string;
  readonly out?: string;
  readonly write?: boolean;
  readonly interactive?: boolean;
  readonly force?: boolean;
}

export function addAnalyze(program: Command, bind: Bind): void {
  program
    .command('analyze')
    .summary('read the schema, propose services, report what the cut costs')
    .description(
      'Reads a live database or a schema script, weighs foreign keys, names, views, routines and the workload, and proposes which relations belong to which service, with the reasons and the price of each cut. Changes no database.',
    )
    .option('--url <url>', 'the database; default: source of dbps.yaml')
    .option(
      '--from-sql <file>',
      'a schema script instead of a database: pg_dump -s, structure.sql, mysqldump --no-data; gzip is unpacked, - is standard input',
    )
    .option('--from <file>', 'a saved analysis instead of a database')
    .option('--engine <engine>', 'postgres or mysql, where the script does not tell')
    .option('--schema <name...>', 'only these schemas')
    .option('--exclude <glob...>', 'leave these relations out')
    .option('--log <file...>', 'statement logs of the server')
    .option('--no-workload', 'do not ask the server which statements it has counted')
    .option(
      '--observe <time>',
      'watch the database for so long and count which relations are written in one transaction; makes a temporary replication slot that goes with its session',
    )
    .option(
      '--check-data',
      'look references that no key declares up in the data: at most 1,000 values a column, read-only',
    )
    .option(
      '--pool <n>',
      'connections that one service holds, against what the server gives; default: analysis.pool of dbps.yaml',
    )
    .option('--max-connections <n>', 'what the server gives, for a script; default: what it says')
    .option('--services <n>', 'about so many services')
    .option(
      '--granularity <g>',
      'coarse, balanced (the default), fine, or a number from 0 (coarse) to 1 (fine)',
    )
    .option('--explain <relation>', 'why this relation stands where it does')
    .option('--fail-on <severity>', 'exit 1 from this severity on: error (default), warning or never')
    .option('--out <file>', 'save the analysis; default dbps/analysis.json where there is a dbps.yaml')
    .option('--write', 'put the proposed services into dbps.yaml')
    .option('--interactive', 'move relations between services, see the price change, then write dbps.yaml')
    .option('--force', 'with --write: replace services that are there already')
    .addHelpText(
      'after',
      '\nExamples:\n  $ dbps analyze --url postgres://user@host:5432/shop\n  $ dbps analyze --from-sql db/structure.sql --format html=boundaries.html',
    )
    .action(
      bind(
        'analyze',
        ['text', 'json', 'markdown', 'mermaid', 'html', 'sarif', 'junit', 'github'],
        async (context, _args, flags: AnalyzeFlags) => runAnalyze(context, flags),
      ),
    );
}

type Read = SavedAnalysis & {
  readonly readMs: number | null;
  readonly workload: AnalyzeResult['workload'] | null;
};

async function runAnalyze(context: Context, flags: AnalyzeFlags): Promise<Outcome<AnalyzeReport>> {
  const failOn = context.choice('--fail-on', flags.failOn ?? 'error', ['error', 'warning', 'never']);
  if (flags.interactive === true) requireTerminal(context);
  const loaded = await context.configIfAny();
  const config = loaded?.config ?? null;
  const read = await readAnalysis(context, flags, config);
  const { analysis, schema } = read;
  const { applySuppressions } = await import('../suppressions.js');
  const today = new Date().toISOString().slice(0, 10);
  const judged = applySuppressions(
    [...(config?.warnings ?? []), ...analysis.findings],
    config?.suppress ?? [],
    today,
  );
  const findings = judged.findings.toSorted(compareFindings);
  const file = await save(context, flags, config, read);
  const written = await writeConfig(context, flags, config, read);

  const { analyzeText, placementText } = await import('../../report/text/analyze.js');
  const report = {
    source: read.source,
    schema,
    analysis,
    findings,
    suppressed: judged.suppressed,
    readMs: read.readMs,
    statements: read.workload?.statements ?? 0,
  };
  const placement =
    flags.explain === undefined ? undefined : await findPlacement(analysis.placements, flags.explain);
  const isYes =
    failOn === 'never' ||
    !findings.some(
      ({ severity }) => severity === 'error' || (failOn === 'warning' && severity === 'warning'),
    );
  const worst = findings.find(({ severity }) => severity !== 'note');
  const { findingRenderers } = await import('../finding-renderers.js');
  return {
    result: {
      source: read.source,
      engine: schema.engine,
      product: schema.product,
      schemas: schema.schemas,
      relationCount: schema.relations.length,
      services: analysis.services,
      shared: analysis.shared.map(({ relation }) => relation),
      sharedDetails: analysis.shared,
      unassigned: analysis.unassigned.map(({ relation }) => relation),
      unassignedDetails: analysis.unassigned,
      crossings: analysis.crossings,
      references: analysis.references,
      verdict: analysis.verdict,
      connections: analysis.connections,
      placements: placement === undefined ? analysis.placements : [placement],
      alternatives: analysis.alternatives,
      workload: read.workload,
      suppressed: judged.suppressed,
      readMs: read.readMs,
      file: file === null ? null : context.relative(file),
      written,
    },
    findings,
    isYes,
    nextSteps: [
      written !== null
        ? 'dbps plan'
        : worst !== undefined && !isYes
          ? `dbps explain ${worst.code}`
          : config === null
            ? 'dbps init'
            : config.services.length === 0
              ? 'dbps analyze --write'
              : 'dbps plan',
    ],
    text: (style) =>
      placement !== undefined
        ? placementText(placement, style)
        : [
            analyzeText(report, context.isVerbose, style),
            ...(file === null ? [] : [`Wrote ${context.relative(file)}`]),
            ...(written === null
              ? []
              : [
                  `Wrote the services into ${written}`,
                  ...(flags.interactive === true ? [] : leftToYou(analysis)),
                ]),
          ].join('\n'),
    renderers: {
      ...findingRenderers(context, config?.file ?? null),
      sarif: async (result) =>
        (await import('../../report/sarif.js')).sarif(
          result,
          config?.file ?? (flags.fromSql === STDIN ? null : (flags.fromSql ?? null)),
          context.cwd,
          judged.suppressed,
        ),
      markdown: async () => (await import('../../report/analyze-markdown.js')).analyzeMarkdown(report),
      mermaid: async () => (await import('../../report/mermaid.js')).analysisMermaid(analysis),
      html: async () =>
        (await import('../../report/html/analysis-html.js')).renderAnalysisHtml(analysis, schema, {
          title: read.source,
          generatedAt: new Date().toISOString(),
        }),
    },
  };
}

async function readAnalysis(context: Context, flags: AnalyzeFlags, config: Config | null): Promise<Read> {
  const { loadAnalysis } = await import('../../app/saved-analysis.js');
  const given = [flags.url, flags.fromSql, flags.from].filter((value) => value !== undefined);
  if (given.length > 1)
    throw new UsageError({
      code: 'DBPS_E102',
      message: '--url, --from-sql and --from exclude each other',
      hint: 'give one of them',
    });
  const isLive = flags.from === undefined && flags.fromSql === undefined;
  for (const [flag, isGiven] of [
    ['--check-data', flags.checkData === true],
    ['--observe', flags.observe !== undefined],
  ] as const)
    if (isGiven && !isLive)
      throw new UsageError({
        code: 'DBPS_E102',
        message: `${flag} needs a database`,
        hint: `give --url, or take ${flag} out`,
      });
  if (flags.from !== undefined)
    return { ...loadAnalysis(path.resolve(context.cwd, flags.from)), readMs: null, workload: null };
  const { analyze } = await import('../../app/analyze.js');
  const source = await sourceOf(context, flags, config);
  // What dbps.yaml says of a database holds for that database, also where its schema comes from elsewhere, and for no other.
  const isConfigured = config !== null && flags.url === undefined && flags.fromSql === undefined;
  const configured =
    config === null || isConfigured
      ? null
      : await configuredWord(config, { isMeant: context.flags.config !== undefined });
  const exclude = await excluder([...(flags.exclude ?? []), ...(isConfigured ? config.source.exclude : [])]);
  const observed =
    flags.observe === undefined || source.kind !== 'live'
      ? null
      : await (
          await import('../../app/observe.js')
        ).observe({
          target: source.target,
          forMs: await context.duration('--observe', flags.observe),
          emit: context.events,
          signal: context.signal,
        });
  const result = await analyze({
    source,
    ...(observed !== null && { observed: observed.seen }),
    // The services' pools, and what the server gives, are the same whatever their relations are read from.
    ...(config?.analysis.pool != null && { poolSize: config.analysis.pool }),
    ...(config?.analysis.maxConnections != null && { maxConnections: config.analysis.maxConnections }),
    ...(isConfigured && (await configuredOptions(config))),
    ...(configured !== null && { configured }),
    ...(exclude !== null && { exclude }),
    ...(flags.granularity !== undefined && { granularity: await granularityOf(flags.granularity) }),
    ...(flags.services !== undefined && {
      servicesWanted: context.number('--services', flags.services, 1, 10_000),
    }),
    readWorkload: flags.workload !== false,
    checkData: flags.checkData === true,
    ...(flags.pool !== undefined && { poolSize: context.number('--pool', flags.pool, 1, 100_000) }),
    ...(flags.maxConnections !== undefined && {
      maxConnections: context.number('--max-connections', flags.maxConnections, 1, 1_000_000),
    }),
    ...(flags.log !== undefined && { logs: flags.log.map((file) => path.resolve(context.cwd, file)) }),
    signal: context.signal,
  });
  return {
    format: 1,
    source: result.source.name,
    savedAt: new Date().toISOString(),
    schema: result.schema,
    analysis: result.analysis,
    readMs: result.readMs,
    workload: result.workload,
  };
}

/** What the services that were written do not hold; `plan` would stop at the first of them. */
function leftToYou({ unassigned }: Analysis): readonly string[] {
  const names = unassigned.map(({ relation }) => relation);
  if (names.length === 0) return [];
  const some = names.length > 5 ? [...names.slice(0, 5), `${names.length - 5} more`] : names;
  return [
    `In no service yet: ${some.join(', ')}. Add to a service, or to source.exclude what stays in the shared database`,
  ];
}

/** As a path: what comes through a pipe. */
const STDIN = '-';

function stdinScript(context: Context): { name: string; bytes: AsyncIterable<Uint8Array> } {
  const { stdin } = context.streams;
  if (stdin.isTTY)
    throw new UsageError({
      code: 'DBPS_E102',
      message: '--from-sql - reads a script from standard input, which is a terminal',
      hint: 'pg_dump -s … | dbps analyze --from-sql -',
    });
  return { name: 'stdin', bytes: stdin };
}

async function sourceOf(
  context: Context,
  flags: AnalyzeFlags,
  config: Config | null,
): Promise<AnalyzeSource> {
  const engine =
    flags.engine === undefined ? undefined : context.choice('--engine', flags.engine, ['postgres', 'mysql']);
  const schemas = flags.schema ?? (flags.url === undefined ? config?.source.schemas : undefined);
  if (flags.fromSql !== undefined)
    return {
      kind: 'sql',
      file: flags.fromSql === STDIN ? stdinScript(context) : path.resolve(context.cwd, flags.fromSql),
      ...(engine !== undefined && { engine }),
    };
  if (flags.url !== undefined) {
    const { ConnectionUrlError, connectionTarget } = await import('../../config/connection.js');
    try {
      const target = connectionTarget({ url: flags.url, engine, directory: context.cwd });
      return { kind: 'live', target, ...(schemas !== undefined && { schemas }) };
    } catch (error) {
      if (!(error instanceof ConnectionUrlError)) throw error;
      throw new ConfigError({
        code: 'DBPS_E204',
        message: `--url ${error.got} ${error.message}`,
        hint: error.hint,
      });
    }
  }
  if (config === null)
    throw new UsageError({
      code: 'DBPS_E109',
      message: 'analyze needs a database or a script, and there is no dbps.yaml that names one',
      hint: 'dbps analyze --url postgres://user@host:5432/shop, or --from-sql schema.sql',
    });
  return { kind: 'live', target: config.source.target(), ...(schemas !== undefined && { schemas }) };
}

async function granularityOf(text: string): Promise<number> {
  const { GRANULARITIES, isGranularityName } = await import('../../app/analyze.js');
  if (isGranularityName(text)) return GRANULARITIES[text];
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new UsageError({
    code: 'DBPS_E103',
    message: `"${text}" is neither coarse, balanced or fine nor a number from 0 to 1 (--granularity)`,
  });
}

async function findPlacement<P extends { readonly relation: string }>(
  placements: readonly P[],
  name: string,
): Promise<P> {
  const found =
    placements.find(({ relation }) => relation === name) ??
    placements.find(({ relation }) => relation.slice(relation.indexOf('.') + 1) === name);
  if (found !== undefined) return found;
  const { didYouMean } = await import('../../config/suggest.js');
  const meant = didYouMean(
    name,
    placements.flatMap(({ relation }) => [relation, relation.slice(relation.indexOf('.') + 1)]),
  );
  throw new UsageError({
    code: 'DBPS_E107',
    message: `there is no relation "${name}"${meant === undefined ? '' : `. Did you mean "${meant}"?`}`,
    hint: 'dbps analyze lists them',
  });
}

async function save(
  context: Context,
  flags: AnalyzeFlags,
  config: Config | null,
  read: Read,
): Promise<string | null> {
  const { defaultAnalysisFile, saveAnalysis } = await import('../../app/saved-analysis.js');
  const isOwn = flags.url === undefined && flags.fromSql === undefined && flags.from === undefined;
  const file =
    flags.out !== undefined
      ? path.resolve(context.cwd, flags.out)
      : config !== null && isOwn
        ? defaultAnalysisFile(config)
        : null;
  if (file === null) return null;
  const { readMs: _readMs, workload: _workload, ...saved } = read;
  saveAnalysis(file, saved);
  return file;
}

async function writeConfig(
  context: Context,
  flags: AnalyzeFlags,
  config: Config | null,
  read: Read,
): Promise<string | null> {
  if (flags.write !== true && flags.interactive !== true) return null;
  const proposed = new Map(read.analysis.services.map(({ name, relations }) => [name, relations]));
  const chosen =
    flags.interactive === true
      ? await (await import('../boundary-editor.js')).editBoundaries(context, read.analysis)
      : proposed;
  if (chosen === null) return null;
  if (config === null) {
    const { URL_VARIABLES } = await import('../../app/init.js');
    const file = path.join(context.cwd, 'dbps.yaml');
    await writeNewConfig(file, read, chosen, {
      urlVariable: URL_VARIABLES[0],
      schemas: read.schema.schemas,
      flag: 'wx',
    });
    return context.relative(file);
  }
  if (config.services.length > 0 && flags.force !== true && flags.interactive !== true)
    throw new UsageError({
      code: 'DBPS_E111',
      message: `${context.relative(config.file)} has services already`,
      hint: 'edit them there, or add --force to replace them',
    });
  await writeIntoConfig(config, read, chosen);
  return context.relative(config.file);
}
