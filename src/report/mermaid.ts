/** The services and what crosses between them, as a Mermaid flowchart; text only, so that any renderer of Markdown can draw it. */
import type { Analysis } from '../model/analysis.js';

const MOST_RELATIONS = 12;

const label = (text: string): string =>
  `"${text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}"`;

export function analysisMermaid(analysis: Pick<Analysis, 'services' | 'crossings'>): string {
  const names = new Map(analysis.services.map((service, index) => [service.name, `s${index}`]));
  const lines = ['flowchart LR'];
  for (const [index, service] of analysis.services.entries()) {
    lines.push(`  subgraph s${index} [${label(service.name)}]`);
    for (const [at, relation] of service.relations.slice(0, MOST_RELATIONS).entries())
      lines.push(`    s${index}r${at}[${label(relation)}]`);
    if (service.relations.length > MOST_RELATIONS)
      lines.push(`    s${index}more[${label(`and ${service.relations.length - MOST_RELATIONS} more`)}]`);
    lines.push('  end');
  }
  const edges = new Map<string, number>();
  for (const { services } of analysis.crossings) {
    const [from, to] = services.map((service) => names.get(service));
    if (from === undefined || to === undefined) continue;
    const key = `${from} --> ${to}`;
    edges.set(key, (edges.get(key) ?? 0) + 1);
  }
  for (const [edge, count] of edges) {
    const [from, to] = edge.split(' --> ') as [string, string];
    lines.push(`  ${from} -->|${count}| ${to}`);
  }
  return `${lines.join('\n')}\n`;
}
