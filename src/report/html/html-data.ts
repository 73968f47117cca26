/** What the HTML page knows: enough to redraw and to price any move without asking dbps again. */
import type { Analysis } from '../../model/analysis.js';
import type { RelationId } from '../../model/relation-id.js';

export interface HtmlData {
  readonly title: string;
  readonly generatedAt: string;
  readonly services: readonly HtmlService[];
  readonly relations: readonly HtmlRelation[];
  /** References; `cost` is paid when its ends are in different services. */
  readonly edges: readonly HtmlEdge[];
  /** Views, routines, triggers, queries, transactions that touch several relations; `cost` is paid for each service beyond the first. */
  readonly bundles: readonly HtmlBundle[];
  /** Shown when the analysis has one. */
  readonly verdict: string | null;
  /** By service: what a team wants to know, as proposed. */
  readonly profiles: Readonly<Record<string, readonly { readonly label: string; readonly text: string }[]>>;
  readonly alternatives: readonly HtmlAlternative[];
  /** Which of them come to the same; null: none. */
  readonly sameProposals: string | null;
  /** null: the server's limit is not known. */
  readonly connections: string | null;
}

export interface HtmlAlternative {
  readonly name: string;
  readonly services: number;
  readonly references: number;
  readonly joins: number;
  readonly transactions: number;
  readonly price: number;
}

export interface HtmlService {
  readonly name: string;
  /** Its name as it is written on its card from afar. */
  readonly lines: readonly string[];
  /** Top left corner of its card. */
  readonly x: number;
  readonly y: number;
}

export interface HtmlRelation {
  readonly id: RelationId;
  /** Service, or the fixed words of HOMELESS. */
  readonly service: string;
  readonly rows: number | null;
  readonly bytes: number | null;
  /** Why it was put where the proposal has it; undefined: nothing was said. */
  readonly placement?: HtmlPlacement;
}

export interface HtmlPlacement {
  /** 0..1 */
  readonly confidence: number;
  readonly isPinned: boolean;
  readonly why: readonly string[];
  readonly runnerUp: string | null;
}

export interface HtmlEdge {
  readonly child: RelationId;
  readonly parent: RelationId;
  readonly label: string;
  readonly cost: number;
  readonly replacement: string;
}

export interface HtmlBundle {
  readonly kind: string;
  readonly subject: string;
  readonly relations: readonly RelationId[];
  readonly cost: number;
  readonly replacement: string;
}

/** Cards for relations that no service owns. Not service names: those have no parentheses. */
export const SHARED_CARD = '(shared)';
export const UNASSIGNED_CARD = '(unassigned)';

export const CARD = {
  columnWidth: 210,
  rowHeight: 34,
  padding: 26,
  header: 44,
  nameSize: 24,
  nameOnScreen: 14,
  farBelow: 0.45,
  letter: 0.66,
} as const;

/** Letters of a line on a card: names are wider than cards are from afar. */
const LINE = 13;

/** A name in lines, broken behind its underscores. */
export function nameLines(name: string): readonly string[] {
  const lines: string[] = [];
  for (const word of name.split(/(?<=_)/)) {
    const line = lines.at(-1);
    if (line === undefined || line.length + word.length > LINE) lines.push(word);
    else lines[lines.length - 1] = line + word;
  }
  return lines;
}

/** What a name and the number below it take on a card seen from afar. */
export function labelSize(
  lines: readonly string[],
  size: number,
): { readonly width: number; readonly height: number } {
  return {
    width: (Math.max(3, ...lines.map((line) => line.length)) * CARD.letter + 0.8) * size,
    height: (1.2 * (lines.length + 1) + 0.5) * size,
  };
}

/** Columns of a card so that it is a little wider than high. */
export function cardColumns(relations: number): number {
  return Math.max(1, Math.round(Math.sqrt((relations * CARD.rowHeight * 1.4) / CARD.columnWidth)));
}

export function cardSize(relations: number): { readonly width: number; readonly height: number } {
  const columns = cardColumns(relations);
  return {
    width: columns * CARD.columnWidth + 2 * CARD.padding,
    height: Math.max(1, Math.ceil(relations / columns)) * CARD.rowHeight + CARD.header + CARD.padding,
  };
}

/** Service of every relation of the analysis, the homeless ones under their fixed words. */
export function homes(analysis: Analysis): ReadonlyMap<RelationId, string> {
  const home = new Map<RelationId, string>();
  for (const service of analysis.services)
    for (const relation of service.relations) home.set(relation, service.name);
  for (const { relation } of analysis.shared) if (!home.has(relation)) home.set(relation, SHARED_CARD);
  for (const { relation } of analysis.unassigned)
    if (!home.has(relation)) home.set(relation, UNASSIGNED_CARD);
  return home;
}
