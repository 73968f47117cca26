import type { Analysis, Placement } from '../../model/analysis.js';
import type { DatabaseSchema } from '../../model/database-schema.js';
import type { Finding } from '../../model/finding.js';
import { sameProposals } from '../alternatives.js';
import { ADVICE, connectionsText, formatRate, serviceProfile } from '../service-profile.js';
import type { Style } from '../style.js';
import { countFindings, findingsText } from './findings.js';
import { formatBytes, formatDuration, formatEstimate, plural } from './format.js';
import { table, wrap } from './table.js';

export interface AnalyzeReport {
  readonly source: string;
  readonly schema: Pick<DatabaseSchema, 'product' | 'schemas' | 'relations'>;
  readonly analysis: Analysis;
  readonly findings: readonly Finding[];
  readonly suppressed: readonly {
    readonly finding: Finding;
    readonly reason: string;
    readonly until: string | undefined;
  }[];
  readonly readMs: number | null;
  readonly statements: number;
}

const MOST_CROSSINGS = 12;
const MOST_FINDINGS = 25;
const LEAST_SURE = 5;
const SURE = 0.8;

export function analyzeText(report: AnalyzeReport, isVerbose: boolean, style: Style): string {
  const { analysis, schema } = report;
  const owned = schema.relations.filter(({ kind }) => kind === 'table' || kind === 'partitioned');
  const declared = analysis.references.filter(({ origin }) => origin === 'declared').length;
  const inferred = analysis.references.filter(({ origin }) => origin === 'inferred').length;
  const rows = sum(owned.map((relation) => relation.estimatedRows));
  const bytes = sum(owned.map((relation) => relation.bytes));
  const blocks = [
    `${report.source}   ${schema.product}   ${schema.schemas.length === 1 ? 'schema' : 'schemas'} ${schema.schemas.join(', ')}${report.readMs === null ? '' : `   read in ${formatDuration(report.readMs)}`}`,
    [
      plural(owned.length, 'relation'),
      `${plural(analysis.references.length, 'reference')} (${declared} declared, ${inferred} inferred)`,
      ...(rows === null ? [] : [`${formatEstimate(rows)} rows`]),
      ...(bytes === null ? [] : [formatBytes(bytes)]),
      ...(report.statements === 0 ? [] : [plural(report.statements, 'statement')]),
    ].join('   '),
    servicesTable(analysis),
    ...connectionsBlock(analysis),
    verdictText(analysis, style),
    ...alternativesText(analysis),
    ...(isVerbose ? profilesText(analysis, style) : []),
    ...crossingsText(analysis, isVerbose),
    ...unsureText(analysis),
    ...findingsBlock(report, isVerbose, style),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function servicesTable(analysis: Analysis): string {
  const hasRates = analysis.services.some(({ writes }) => writes?.perSecond != null);
  const empty = Array.from({ length: hasRates ? 4 : 3 }, () => '');
  const rows = analysis.services.map((service) => [
    service.name,
    String(service.relations.length),
    formatEstimate(service.rows),
    formatBytes(service.bytes),
    ...(hasRates ? [service.writes?.perSecond == null ? '-' : formatRate(service.writes.perSecond)] : []),
    `${service.referencesIn} / ${service.referencesOut}`,
    service.cohesion.toFixed(2),
  ]);
  const others = [
    ...(analysis.shared.length === 0 ? [] : [['shared', String(analysis.shared.length), ...empty, '-']]),
    ...(analysis.unassigned.length === 0
      ? []
      : [['unassigned', String(analysis.unassigned.length), ...empty, '-']]),
  ];
  if (rows.length + others.length === 0) return 'There are no relations to divide.';
  return table(
    [
      [
        'Service',
        'relations',
        'rows',
        'size',
        ...(hasRates ? ['writes'] : []),
        'references in / out',
        'cohesion',
      ],
      ...rows,
      ...others,
    ],
    {
      right: [1, 2, 3, 4, 5, 6],
      gap: '   ',
    },
  );
}

function verdictText({ verdict }: Analysis, style: Style): string {
  return [
    style.bold(ADVICE[verdict.advice]),
    ...verdict.reasons.map((reason) => `  ${wrap(reason, 92, '  ')}`),
  ].join('\n');
}

function connectionsBlock(analysis: Analysis): readonly string[] {
  const text = connectionsText(analysis.connections, analysis.services.length);
  return text === null ? [] : [text];
}

function alternativesText({ alternatives }: Analysis): readonly string[] {
  if (alternatives.every(({ services }) => services.length < 2)) return [];
  const same = sameProposals(alternatives);
  return [
    table(
      [
        ['Granularity', 'services', 'crossing references', 'joins', 'transactions', 'price'],
        ...alternatives.map((alternative) => [
          alternative.name,
          String(alternative.services.length),
          String(alternative.crossingReferences),
          String(alternative.crossingJoins),
          String(alternative.crossingTransactions),
          alternative.price.toFixed(1),
        ]),
      ],
      { right: [1, 2, 3, 4, 5], gap: '   ' },
    ) + (same === undefined ? '' : `\n${wrap(same, 92, '')}`),
  ];
}

function profilesText(analysis: Analysis, style: Style): readonly string[] {
  return analysis.services.map((service) =>
    [
      style.bold(service.name),
      ...serviceProfile(service, analysis.connections).map(
        ({ label, text }) => `  ${label.padEnd(11)}  ${wrap(text, 82, ' '.repeat(15))}`,
      ),
    ].join('\n'),
  );
}

function crossingsText({ crossings }: Analysis, isVerbose: boolean): readonly string[] {
  if (crossings.length === 0) return [];
  const sorted = crossings.toSorted((a, b) => b.cost - a.cost);
  const shown = isVerbose ? sorted : sorted.slice(0, MOST_CROSSINGS);
  const more = crossings.length - shown.length;
  return [
    [
      `${plural(crossings.length, 'thing crosses', 'things cross')} a boundary, the dearest first`,
      ...shown.map(
        (crossing) =>
          `  ${crossing.kind.padEnd(11)} ${crossing.subject}   ${crossing.services.join(' -> ')}   ${crossing.cost.toFixed(1)}\n${' '.repeat(14)}${wrap(crossing.replacement, 84, ' '.repeat(14))}`,
      ),
      ...(more > 0 ? [`  and ${more} more (--verbose)`] : []),
    ].join('\n'),
  ];
}

function unsureText({ placements }: Analysis): readonly string[] {
  const unsure = placements
    .filter((placement) => placement.confidence < SURE && !placement.isPinned)
    .slice(0, LEAST_SURE);
  if (unsure.length === 0) return [];
  return [
    [
      'Review these, the least sure first',
      table(
        unsure.map((placement) => [
          placement.relation,
          placement.service ?? 'unassigned',
          `${Math.round(placement.confidence * 100)}% sure`,
          placement.runnerUp === null ? '' : `else ${placement.runnerUp.service}`,
        ]),
        { indent: '  ' },
      ),
    ].join('\n'),
  ];
}

function findingsBlock(report: AnalyzeReport, isVerbose: boolean, style: Style): readonly string[] {
  const { findings, suppressed } = report;
  const shown = isVerbose ? findings : findings.slice(0, MOST_FINDINGS);
  const more = findings.length - shown.length;
  const accepted = suppressed.map(
    ({ finding, reason, until }) =>
      `${finding.code} ${finding.subject}: ${reason}${until === undefined ? '' : `, until ${until}`}`,
  );
  return [
    ...(shown.length === 0 ? [] : [findingsText(shown, style)]),
    [
      `${countFindings(findings)}${suppressed.length === 0 ? '' : `, ${suppressed.length} suppressed`}`,
      ...(more > 0 ? [`${more} findings are not shown (--verbose)`] : []),
      ...accepted.map((line) => `  suppressed  ${line}`),
    ].join('\n'),
  ];
}

function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

/** `--explain <relation>`: why here, the runner-up, how sure, and what would move it. */
export function placementText(placement: Placement, style: Style): string {
  const evidence = (why: Placement['why']) =>
    why.length === 0
      ? ['  nothing holds it']
      : [
          table(
            why.slice(0, 10).map(({ what, weight }) => [weight.toFixed(2), what]),
            { indent: '  ', right: [0] },
          ),
        ];
  return [
    `${style.bold(placement.relation)}   ${placement.service ?? 'unassigned'}   ${placement.isPinned ? 'pinned in dbps.yaml' : `${Math.round(placement.confidence * 100)}% sure`}`,
    ...evidence(placement.why),
    ...(placement.runnerUp === null
      ? ['no other service comes into question']
      : [`runner-up: ${placement.runnerUp.service}`, ...evidence(placement.runnerUp.why)]),
    ...placement.wouldMove.map((what) => `would move it: ${what}`),
  ].join('\n');
}
