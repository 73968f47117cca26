/// <reference lib="dom" />
/**
 * What the page knows: which relation stands where now, what that costs, and what is picked. Each part of the page is one function without
 * imports, because its text is put into the file; what it needs of the others comes as an argument.
 */
import type { HtmlBundle, HtmlData, HtmlEdge } from '../html-data.js';

export type ClientModel = ReturnType<typeof clientModel>;

/** The price of a move is computed from the same costs that the analysis used. */
export function clientModel(data: HtmlData) {
  const proposal = new Map(data.relations.map((r) => [r.id, r.service]));
  const home = new Map(proposal);
  const details = new Map(data.relations.map((r) => [r.id, r]));
  const undoStack: { relation: string; from: string }[] = [];
  const edgesOf = new Map<string, HtmlEdge[]>();
  const bundlesOf = new Map<string, HtmlBundle[]>();
  const push = <T>(map: Map<string, T[]>, key: string, value: T) => {
    const list = map.get(key);
    if (list) list.push(value);
    else map.set(key, [value]);
  };
  for (const edge of data.edges) {
    push(edgesOf, edge.child, edge);
    if (edge.parent !== edge.child) push(edgesOf, edge.parent, edge);
  }
  for (const bundle of data.bundles)
    for (const relation of new Set(bundle.relations)) push(bundlesOf, relation, bundle);

  const isCut = (edge: HtmlEdge) => home.get(edge.child) !== home.get(edge.parent);
  const spread = (bundle: HtmlBundle) => new Set(bundle.relations.map((r) => home.get(r))).size - 1;
  const price = () =>
    data.edges.reduce((sum, edge) => sum + (isCut(edge) ? edge.cost : 0), 0) +
    data.bundles.reduce((sum, bundle) => sum + bundle.cost * Math.max(0, spread(bundle)), 0);
  const crossingCount = () =>
    data.edges.filter(isCut).length + data.bundles.filter((b) => spread(b) > 0).length;

  /** What the whole would cost more if one relation stood in another service. */
  const priceIf = (relation: string, service: string) => {
    const before = home.get(relation) as string;
    let delta = 0;
    for (const edge of edgesOf.get(relation) ?? []) if (isCut(edge)) delta -= edge.cost;
    for (const bundle of bundlesOf.get(relation) ?? []) delta -= bundle.cost * Math.max(0, spread(bundle));
    home.set(relation, service);
    for (const edge of edgesOf.get(relation) ?? []) if (isCut(edge)) delta += edge.cost;
    for (const bundle of bundlesOf.get(relation) ?? []) delta += bundle.cost * Math.max(0, spread(bundle));
    home.set(relation, before);
    return delta;
  };

  const serviceNames = data.services.map((s) => s.name);
  const ownable = serviceNames.filter((name) => !name.startsWith('('));
  /** In the order of the data; kept until something moves. */
  let byService: Map<string, string[]> | null = null;
  const members = (service: string): readonly string[] => {
    if (byService === null) {
      byService = new Map<string, string[]>();
      for (const { id } of data.relations) push(byService, home.get(id) as string, id);
    }
    return byService.get(service) ?? [];
  };
  const put = (relation: string, service: string) => {
    home.set(relation, service);
    byService = null;
  };

  const plain = (text: string) =>
    /^[A-Za-z_][\w.$-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text)
      ? text
      : JSON.stringify(text);
  const yaml = () => {
    const lines = ['services:'];
    for (const name of ownable) {
      const list = [...members(name)].sort();
      if (list.length === 0) continue;
      lines.push(`  ${plain(name)}:`, '    relations:', ...list.map((id) => `      - ${plain(id)}`));
    }
    return lines.join('\n') + '\n';
  };

  const money = (value: number) =>
    Math.abs(value) < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en');
  const signed = (delta: number) =>
    Math.abs(delta) < 0.05 ? '±0' : delta > 0 ? `+${money(delta)}` : `−${money(-delta)}`;
  const tone = (delta: number) => (Math.abs(delta) < 0.05 ? 'same' : delta > 0 ? 'worse' : 'better');

  return {
    proposal,
    home: home as ReadonlyMap<string, string>,
    details,
    undoStack,
    edgesOf: edgesOf as ReadonlyMap<string, readonly HtmlEdge[]>,
    bundlesOf: bundlesOf as ReadonlyMap<string, readonly HtmlBundle[]>,
    isCut,
    spread,
    price,
    crossingCount,
    priceIf,
    initialPrice: price(),
    initialCount: crossingCount(),
    serviceNames,
    ownable,
    members,
    put,
    yaml,
    money,
    signed,
    tone,
    selected: null as string | null,
    /** A service whose profile is shown; never together with a relation. */
    shown: null as string | null,
  };
}
