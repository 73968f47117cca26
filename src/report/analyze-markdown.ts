/** `analyze` for a pull request or a wiki. */
import type { Analysis } from '../model/analysis.js';
import { sameProposals } from './alternatives.js';
import { cell, findingsSection, markdownTable } from './markdown.js';
import { ADVICE, connectionsText, formatRate, serviceProfile } from './service-profile.js';
import type { AnalyzeReport } from './text/analyze.js';
import { formatBytes, formatEstimate, plural } from './text/format.js';

const LEAST_SURE = 20;

export function analyzeMarkdown(report: AnalyzeReport): string {
  const { analysis } = report;
  const connections = connectionsText(analysis.connections, analysis.services.length);
  return [
    '# dbps analyze',
    `${cell(report.source)} · ${report.schema.product} · ${plural(report.schema.relations.length, 'relation')}`,
    `**${ADVICE[analysis.verdict.advice]}**`,
    analysis.verdict.reasons.map((reason) => `- ${cell(reason)}`).join('\n'),
    '## Services',
    markdownTable(
      ['service', 'relations', 'rows', 'size', 'writes', 'cohesion', 'sure', ''],
      analysis.services.map((service) => [
        service.name,
        String(service.relations.length),
        formatEstimate(service.rows),
        formatBytes(service.bytes),
        service.writes?.perSecond == null ? '-' : formatRate(service.writes.perSecond),
        service.cohesion.toFixed(2),
        `${Math.round(service.confidence * 100)} %`,
        service.relations.join(', '),
      ]),
    ),
    ...(connections === null ? [] : [connections]),
    ...apartText(analysis),
    '## Alternatives',
    alternativesTable(analysis),
    ...analysis.services.map(
      (service) =>
        `### ${cell(service.name)}\n\n${serviceProfile(service, analysis.connections)
          .map(({ label, text }) => `- **${label}**: ${cell(text)}`)
          .join('\n')}`,
    ),
    '## What crosses a boundary',
    crossingsTable(analysis),
    '## Review these',
    unsureTable(analysis),
    '## Findings',
    findingsSection(report.findings),
  ].join('\n\n');
}

function apartText({ shared, unassigned }: Analysis): readonly string[] {
  return [
    ...(shared.length === 0
      ? []
      : [
          `Shared: ${shared.map(({ relation, reason }) => `${cell(relation)} (${cell(reason)})`).join(', ')}`,
        ]),
    ...(unassigned.length === 0
      ? []
      : [`Unassigned: ${unassigned.map(({ relation }) => cell(relation)).join(', ')}`]),
  ];
}

function alternativesTable({ alternatives }: Analysis): string {
  const same = sameProposals(alternatives);
  const rows = markdownTable(
    ['', 'services', 'crossing references', 'joins', 'transactions', 'price'],
    alternatives.map((alternative) => [
      alternative.name,
      String(alternative.services.length),
      String(alternative.crossingReferences),
      String(alternative.crossingJoins),
      String(alternative.crossingTransactions),
      alternative.price.toFixed(1),
    ]),
  );
  return same === undefined ? rows : `${rows}\n\n${same}`;
}

function crossingsTable({ crossings }: Analysis): string {
  if (crossings.length === 0) return 'Nothing.';
  return markdownTable(
    ['kind', 'subject', 'services', 'price', 'instead'],
    crossings
      .toSorted((a, b) => b.cost - a.cost)
      .map((crossing) => [
        crossing.kind,
        crossing.subject,
        crossing.services.join(' → '),
        crossing.cost.toFixed(1),
        crossing.replacement,
      ]),
  );
}

function unsureTable({ placements }: Analysis): string {
  const unsure = placements.filter(({ isPinned }) => !isPinned).slice(0, LEAST_SURE);
  if (unsure.length === 0) return 'Nothing.';
  return markdownTable(
    ['relation', 'service', 'sure', 'else', 'why'],
    unsure.map(({ relation, service, confidence, runnerUp, why }) => [
      relation,
      service ?? 'unassigned',
      `${Math.round(confidence * 100)} %`,
      runnerUp?.service ?? '',
      why
        .slice(0, 3)
        .map(({ what }) => what)
        .join('; '),
    ]),
  );
}
