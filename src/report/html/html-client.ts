/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What runs in the page. One function without imports, because its text is put into the file: whoever reads the report may be
 * without a network. The price of a move is computed here from the same costs that the analysis used.
 */
import type cytoscapeModule from 'cytoscape';
import type { HtmlBundle, HtmlData, HtmlEdge } from './html-data.js';

interface CardMetrics {
  readonly columnWidth: number;
  readonly rowHeight: number;
  readonly padding: number;
  readonly header: number;
  /** Size of a service's name in the picture's own units, and its least size in pixels of the screen. */
  readonly nameSize: number;
  readonly nameOnScreen: number;
}

export function htmlClient(cytoscape: typeof cytoscapeModule, data: HtmlData, card: CardMetrics): void {
  const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
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
  let selected: string | null = null;
  /** A service whose profile is shown; never together with a relation. */
  let shown: string | null = null;

  // ------------------------------------------------------------------ price

  const isCut = (edge: HtmlEdge) => home.get(edge.child) !== home.get(edge.parent);
  const spread = (bundle: HtmlBundle) => new Set(bundle.relations.map((r) => home.get(r))).size - 1;
  const price = () =>
    data.edges.reduce((sum, edge) => sum + (isCut(edge) ? edge.cost : 0), 0) +
    data.bundles.reduce((sum, bundle) => sum + bundle.cost * Math.max(0, spread(bundle)), 0);
  const crossingCount = () =>
    data.edges.filter(isCut).length + data.bundles.filter((b) => spread(b) > 0).length;
  const initialPrice = price();
  const initialCount = crossingCount();
  const money = (value: number) =>
    Math.abs(value) < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en');

  /** Price of the whole if one relation stood in another service. */
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
  const members = (service: string) =>
    data.relations.filter((r) => home.get(r.id) === service).map((r) => r.id);

  // ------------------------------------------------------------------ graph

  const corner = new Map(data.services.map((s) => [s.name, { x: s.x, y: s.y }]));
  const cardId = (service: string) => `service:${service}`;
  const countSize = data.relations.length > 150 ? 34 : 22;
  const columnsFor = (count: number) =>
    Math.max(1, Math.round(Math.sqrt((count * card.rowHeight * 1.4) / card.columnWidth)));
  const slot = (service: string, index: number, count: number) => {
    const at = corner.get(service) ?? { x: 0, y: 0 };
    const columns = columnsFor(count);
    const rows = Math.ceil(count / columns);
    return {
      x: at.x + card.padding + (Math.floor(index / rows) + 0.5) * card.columnWidth,
      y: at.y + card.header + ((index % rows) + 0.5) * card.rowHeight,
    };
  };
  const short = (id: string) => {
    const label = id.startsWith('public.') ? id.slice(7) : id;
    return label.length > 26 ? `${label.slice(0, 25)}…` : label;
  };
  const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const graph = cytoscape({
    container: byId('graph'),
    elements: [
      ...data.services.map((s) => ({ data: { id: cardId(s.name), label: s.name, kind: 'service' } })),
      ...data.services.flatMap((s) => {
        const list = members(s.name);
        return list.map((id, index) => ({
          data: { id, label: short(id), kind: 'relation', parent: cardId(s.name) },
          position: slot(s.name, index, list.length),
        }));
      }),
    ],
    layout: { name: 'preset' },
    minZoom: 0.02,
    maxZoom: 3,
    boxSelectionEnabled: false,
    autoungrabify: true,
  });

  const restyle = () => {
    const style = [
      {
        selector: 'node[kind="relation"]',
        style: {
          label: 'data(label)',
          shape: 'round-rectangle',
          width: card.columnWidth - 14,
          height: card.rowHeight - 8,
          'text-valign': 'center',
          'font-size': 13,
          'min-zoomed-font-size': 5,
          color: css('--text'),
          'background-color': css('--chip'),
          'border-width': 1,
          'border-color': css('--line'),
        },
      },
      {
        selector: 'node[kind="service"]',
        style: {
          label: 'data(label)',
          shape: 'round-rectangle',
          'text-valign': 'top',
          'text-margin-y': -3,
          'font-size': 24,
          'font-weight': 'bold',
          color: css('--text'),
          // Lines run behind names.
          'text-background-color': css('--page'),
          'text-background-opacity': 0.75,
          'text-background-padding': '2px',
          'background-color': css('--card'),
          'background-opacity': 0.9,
          'border-width': 2,
          'border-color': css('--accent'),
          padding: '14px',
        },
      },
      {
        selector: 'edge[kind="bundle"]',
        style: {
          width: 'data(width)',
          'line-color': css('--crossing'),
          'line-opacity': 0.3,
          'curve-style': 'straight',
          label: 'data(count)',
          'font-size': countSize,
          color: css('--text'),
          'text-background-color': css('--page'),
          'text-background-opacity': 0.8,
          'text-background-padding': '3px',
          'min-zoomed-font-size': 9,
        },
      },
      { selector: 'edge[kind="bundle"].uncounted', style: { label: '' } },
      {
        selector: 'edge[kind="reference"]',
        style: {
          width: 2.5,
          'line-color': css('--inside'),
          'target-arrow-color': css('--inside'),
          'target-arrow-shape': 'triangle',
          'curve-style': 'bezier',
        },
      },
      {
        selector: 'edge[kind="reference"].cut',
        style: { 'line-color': css('--crossing'), 'target-arrow-color': css('--crossing') },
      },
      { selector: '.faded', style: { opacity: 0.35 } },
      { selector: '.near', style: { 'border-width': 3, 'border-color': css('--inside') } },
      {
        selector: '.selected',
        style: {
          'background-color': css('--accent'),
          color: css('--on-accent'),
          'border-width': 3,
          'border-color': css('--accent'),
        },
      },
    ];
    (graph.style as unknown as (value: unknown) => void).call(graph, style);
  };

  /** Names of services stay readable when the whole is on the screen. */
  const scaleNames = () => {
    graph
      .nodes('[kind="service"]')
      .style('font-size', Math.max(card.nameSize, card.nameOnScreen / graph.zoom()));
    placeCounts();
  };

  /** A number of crossings is written where neither a card, nor a name, nor a dearer line's number stands. */
  const placeCounts = () => {
    const size = countSize;
    const taken = graph.nodes('[kind="service"]').map((node) => node.boundingBox({ includeLabels: true }));
    const edges = graph.edges('[kind="bundle"]').sort((a, b) => b.data('width') - a.data('width'));
    edges.forEach((edge) => {
      const at = edge.midpoint();
      const half = { x: size * (0.3 * String(edge.data('count')).length + 0.2), y: size * 0.6 };
      const box = { x1: at.x - half.x, x2: at.x + half.x, y1: at.y - half.y, y2: at.y + half.y, w: 0, h: 0 };
      const isFree = !taken.some((o) => o.x1 < box.x2 && o.x2 > box.x1 && o.y1 < box.y2 && o.y2 > box.y1);
      edge.toggleClass('uncounted', !isFree);
      if (isFree) taken.push(box);
    });
  };

  /** Between two services: one line, as thick as what it costs. */
  const drawBundles = () => {
    graph.remove('edge[kind="bundle"]');
    const sums = new Map<string, { a: string; b: string; count: number; cost: number }>();
    for (const edge of data.edges) {
      if (!isCut(edge)) continue;
      const [a, b] = [home.get(edge.child) as string, home.get(edge.parent) as string].sort() as [
        string,
        string,
      ];
      const key = `${a}\u0000${b}`;
      const sum = sums.get(key) ?? { a, b, count: 0, cost: 0 };
      sum.count++;
      sum.cost += edge.cost;
      sums.set(key, sum);
    }
    graph.add(
      [...sums.values()].map((s) => ({
        group: 'edges' as const,
        data: {
          kind: 'bundle',
          source: cardId(s.a),
          target: cardId(s.b),
          count: String(s.count),
          width: 2 + 3 * Math.log2(1 + s.cost),
        },
      })),
    );
    placeCounts();
  };

  const arrange = (service: string) => {
    const list = members(service);
    list.forEach((id, index) => graph.getElementById(id).position(slot(service, index, list.length)));
  };

  const highlight = () => {
    graph.remove('edge[kind="reference"]');
    graph.elements().removeClass('faded near selected');
    if (selected === null) return;
    const near = new Set<string>([selected]);
    for (const edge of edgesOf.get(selected) ?? []) {
      near.add(edge.child).add(edge.parent);
      if (edge.child === edge.parent) continue;
      graph.add({
        group: 'edges',
        data: { kind: 'reference', source: edge.child, target: edge.parent },
        classes: isCut(edge) ? 'cut' : '',
      });
    }
    graph.nodes('[kind="relation"]').forEach((node) => {
      if (!near.has(node.id())) node.addClass('faded');
      else if (node.id() !== selected) node.addClass('near');
    });
    graph.edges('[kind="bundle"]').addClass('faded');
    graph.getElementById(selected).addClass('selected');
  };

  // ------------------------------------------------------------------ panels

  const element = <K extends keyof HTMLElementTagNameMap>(
    tag: K,
    text: string,
    attributes: Record<string, string> = {},
  ): HTMLElementTagNameMap[K] => {
    const node = document.createElement(tag);
    node.textContent = text;
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };

  const signed = (delta: number) =>
    Math.abs(delta) < 0.05 ? '±0' : delta > 0 ? `+${money(delta)}` : `−${money(-delta)}`;
  const tone = (delta: number) => (Math.abs(delta) < 0.05 ? 'same' : delta > 0 ? 'worse' : 'better');

  const showTotals = () => {
    const now = price();
    const count = crossingCount();
    byId('crossings').textContent = count.toLocaleString('en');
    byId('price').textContent = money(now);
    const change = byId('change');
    change.textContent =
      undoStack.length === 0
        ? ''
        : `${signed(now - initialPrice)} price, ${signed(count - initialCount).replace('.0', '')} crossings since the proposal`;
    change.className = tone(now - initialPrice);
    byId<HTMLButtonElement>('undo').disabled = undoStack.length === 0;
    byId<HTMLButtonElement>('reset').disabled = undoStack.length === 0;
    byId('yaml').textContent = yaml();
  };

  const plain = (text: string) =>
    /^[A-Za-z_][\w.$-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text)
      ? text
      : JSON.stringify(text);
  const yaml = () => {
    const lines = ['services:'];
    for (const name of ownable) {
      const list = members(name).sort();
      if (list.length === 0) continue;
      lines.push(`  ${plain(name)}:`, '    relations:', ...list.map((id) => `      - ${plain(id)}`));
    }
    return lines.join('\n') + '\n';
  };

  const showList = () => {
    const words = byId<HTMLInputElement>('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const list = byId('list');
    list.replaceChildren();
    let found = 0;
    for (const name of serviceNames) {
      const hits = members(name).filter((id) =>
        words.every((w) => id.toLowerCase().includes(w) || name.toLowerCase().includes(w)),
      );
      if (hits.length === 0) continue;
      found += hits.length;
      const group = element('section', '');
      const heading = element('h3', '');
      const title = element('button', `${name} `, { type: 'button', tabindex: '-1', 'data-service': name });
      title.append(element('small', String(hits.length)));
      if (name === shown) title.setAttribute('aria-current', 'true');
      heading.append(title);
      group.append(heading, element('ul', ''));
      for (const id of hits) {
        const item = element('li', '');
        const button = element('button', id, { type: 'button', tabindex: '-1', 'data-relation': id });
        if (home.get(id) !== proposal.get(id)) button.append(element('small', ' moved'));
        if (id === selected) button.setAttribute('aria-current', 'true');
        item.append(button);
        (group.lastChild as HTMLElement).append(item);
      }
      list.append(group);
    }
    rove(
      list.querySelector<HTMLButtonElement>('button[aria-current]') ??
        list.querySelector<HTMLButtonElement>('button'),
    );
    byId('found').textContent = words.length === 0 ? '' : `${found} of ${data.relations.length}`;
  };

  const showDetail = () => {
    const box = byId('detail');
    box.replaceChildren();
    if (shown !== null) return showService(box, shown);
    if (selected === null) {
      box.append(
        element(
          'p',
          'Pick a relation or a service in the picture or the list: what crosses because of it, and what moving it would change.',
        ),
      );
      showOverview(box);
      return;
    }
    const relation = selected;
    const own = home.get(relation) as string;
    const info = details.get(relation);
    box.append(element('h2', relation));
    const facts = [`in ${own}`];
    if (info && info.rows !== null) facts.push(`${info.rows.toLocaleString('en')} rows`);
    if (info && info.bytes !== null)
      facts.push(`${(info.bytes / 1048576).toLocaleString('en', { maximumFractionDigits: 1 })} MB`);
    box.append(element('p', facts.join(' · ')));

    const label = element('label', 'Move to ', { for: 'move' });
    const select = element('select', '', { id: 'move' });
    for (const name of ownable) {
      const option = element(
        'option',
        name === own ? `${name} (here)` : `${name}  ${signed(priceIf(relation, name))}`,
        { value: name },
      );
      if (name === own) option.selected = true;
      select.append(option);
    }
    if (!ownable.includes(own))
      select.prepend(element('option', `${own} (here)`, { value: own, selected: '' }));
    const preview = element('p', '', { id: 'preview', 'aria-live': 'polite' });
    const go = element('button', 'Move', { type: 'button', id: 'do-move', disabled: '' });
    select.addEventListener('change', () => {
      const delta = priceIf(relation, select.value);
      go.disabled = select.value === own;
      preview.textContent =
        select.value === own ? '' : `Price ${money(price())} → ${money(price() + delta)} (${signed(delta)})`;
      preview.className = tone(delta);
    });
    go.addEventListener('click', () => move(relation, select.value));
    box.append(label, select, go, preview);

    const placement = info?.placement;
    if (placement !== undefined) {
      const sure = placement.isPinned ? 'You said so' : `${Math.round(placement.confidence * 100)}% sure`;
      box.append(
        element(
          'h3',
          `Why ${proposal.get(relation) ?? ''}: ${sure}${placement.runnerUp === null ? '' : `, else ${placement.runnerUp}`}`,
        ),
      );
      const list = element('ul', '', { class: 'crossing-list' });
      for (const what of placement.why) list.append(element('li', what));
      box.append(list);
    }

    const edges = [...(edgesOf.get(relation) ?? [])].sort(
      (a, b) => Number(isCut(b)) - Number(isCut(a)) || b.cost - a.cost,
    );
    const bundles = [...(bundlesOf.get(relation) ?? [])].sort(
      (a, b) => spread(b) - spread(a) || b.cost - a.cost,
    );
    const cut = edges.filter(isCut);
    const rest = edges.filter((e) => !isCut(e));
    listOf(
      box,
      `Crossing references (${cut.length})`,
      cut.map((e) => [e.label, e.cost, e.replacement]),
    );
    listOf(
      box,
      'Crossing objects',
      bundles
        .filter((b) => spread(b) > 0)
        .map((b) => [`${b.kind} ${b.subject}`, b.cost * spread(b), b.replacement]),
    );
    listOf(
      box,
      `References inside (${rest.length})`,
      rest.map((e) => [e.label, 0, '']),
    );
  };

  const listOf = (box: HTMLElement, title: string, rows: readonly (readonly [string, number, string])[]) => {
    if (rows.length === 0) return;
    box.append(element('h3', title));
    const list = element('ul', '', { class: 'crossing-list' });
    for (const [text, cost, replacement] of rows) {
      const item = element('li', text);
      if (cost > 0) item.append(' ', element('b', money(cost)));
      if (replacement !== '') item.append(element('div', replacement, { class: 'fix' }));
      list.append(item);
    }
    box.append(list);
  };

  const showService = (box: HTMLElement, name: string) => {
    box.append(element('h2', name));
    const now = members(name);
    const added = now.filter((id) => proposal.get(id) !== name);
    const gone = data.relations.filter((r) => r.service === name && home.get(r.id) !== name);
    if (added.length + gone.length > 0)
      box.append(
        element('p', `Since the proposal: ${added.length} came, ${gone.length} left. Below: as proposed.`, {
          class: 'same',
        }),
      );
    const facts = element('dl', '', { class: 'profile' });
    for (const { label, text } of data.profiles[name] ?? [])
      facts.append(element('dt', label), element('dd', text));
    box.append(facts);
    const cut = data.edges.filter(
      (edge) => isCut(edge) && (home.get(edge.child) === name || home.get(edge.parent) === name),
    );
    listOf(
      box,
      `Crossing references (${cut.length})`,
      cut.sort((a, b) => b.cost - a.cost).map((e) => [e.label, e.cost, e.replacement]),
    );
  };

  const showOverview = (box: HTMLElement) => {
    if (data.connections !== null) box.append(element('p', data.connections));
    if (data.alternatives.length > 0) {
      box.append(element('h3', 'Granularity: what crosses'));
      const grid = element('table', '');
      const row = (cells: readonly string[], tag: 'th' | 'td') => {
        const line = element('tr', '');
        for (const text of cells) line.append(element(tag, text));
        grid.append(line);
      };
      row(['', 'services', 'keys', 'joins', 'writes', 'price'], 'th');
      for (const a of data.alternatives)
        row(
          [a.name, ...[a.services, a.references, a.joins, a.transactions].map(String), money(a.price)],
          'td',
        );
      box.append(grid);
    }
    const unsure = data.relations
      .filter((r) => r.placement !== undefined && !r.placement.isPinned && r.placement.confidence < 0.8)
      .sort((a, b) => (a.placement?.confidence ?? 0) - (b.placement?.confidence ?? 0))
      .slice(0, 10);
    if (unsure.length > 0) {
      box.append(element('h3', 'Review these, the least sure first'));
      const list = element('ul', '', { class: 'crossing-list' });
      for (const { id, placement } of unsure) {
        const item = element('li', '');
        const otherwise = placement?.runnerUp == null ? '' : `, else ${placement.runnerUp}`;
        item.append(
          element('button', id, { type: 'button', 'data-relation': id, class: 'link' }),
          ` ${home.get(id) ?? ''}, ${Math.round((placement?.confidence ?? 0) * 100)}% sure${otherwise}`,
        );
        list.append(item);
      }
      box.append(list);
    }
    const cut = data.edges.filter(isCut).sort((a, b) => b.cost - a.cost);
    listOf(
      box,
      `Dearest of ${cut.length} crossing references`,
      cut.slice(0, 12).map((e) => [e.label, e.cost, e.replacement]),
    );
    const wide = data.bundles
      .filter((b) => spread(b) > 0)
      .sort((a, b) => b.cost * spread(b) - a.cost * spread(a));
    listOf(
      box,
      `Dearest of ${wide.length} crossing objects`,
      wide.slice(0, 8).map((b) => [`${b.kind} ${b.subject}`, b.cost * spread(b), b.replacement]),
    );
  };

  // ------------------------------------------------------------------ acts

  /** A panel that is drawn anew takes the focus with it: whoever works by keyboard must not begin at the top again. */
  const keepFocus = (back: string | null, act: () => void) => {
    act();
    const holder = document.activeElement as HTMLButtonElement | null;
    if (holder !== null && holder !== document.body && holder.disabled !== true) return;
    const item = back === null ? null : listButton('relation', back);
    (document.getElementById('move') ?? item ?? byId('search')).focus({ preventScroll: true });
  };
  const listButton = (kind: 'relation' | 'service', name: string) =>
    document.querySelector<HTMLButtonElement>(`#list button[data-${kind}="${CSS.escape(name)}"]`);
  /** The list is one stop of the Tab key, however long; arrows go through it. */
  const rove = (to: HTMLButtonElement | null | undefined) => {
    if (!to) return;
    for (const button of document.querySelectorAll<HTMLButtonElement>('#list button[tabindex="0"]'))
      button.tabIndex = -1;
    to.tabIndex = 0;
  };

  const select = (id: string | null, isFar = false) => {
    selected = id;
    shown = null;
    highlight();
    showDetail();
    for (const button of document.querySelectorAll<HTMLButtonElement>('#list button')) {
      if (button.dataset['relation'] === id) {
        button.setAttribute('aria-current', 'true');
        button.scrollIntoView({ block: 'nearest' });
        rove(button);
      } else button.removeAttribute('aria-current');
    }
    if (id !== null && isFar) {
      const node = graph.getElementById(id);
      graph.animate({ center: { eles: node }, zoom: Math.max(graph.zoom(), 0.7) }, { duration: 200 });
    }
  };

  const selectService = (name: string) => {
    select(null);
    shown = name;
    showDetail();
    const button = listButton('service', name);
    button?.setAttribute('aria-current', 'true');
    rove(button);
  };

  const place = (relation: string, service: string) => {
    const from = home.get(relation) as string;
    home.set(relation, service);
    graph.getElementById(relation).move({ parent: cardId(service) });
    arrange(from);
    arrange(service);
    drawBundles();
  };

  const move = (relation: string, service: string) => {
    const from = home.get(relation) as string;
    if (from === service) return;
    undoStack.push({ relation, from });
    place(relation, service);
    keepFocus(relation, () => afterMove(relation));
    byId('said').textContent = `${relation} moved from ${from} to ${service}. Price ${money(price())}.`;
  };

  const afterMove = (relation: string | null) => {
    showTotals();
    showList();
    select(relation, true);
  };

  byId('undo').addEventListener('click', () => {
    const last = undoStack.pop();
    if (!last) return;
    place(last.relation, last.from);
    keepFocus(last.relation, () => afterMove(last.relation));
    byId('said').textContent = `${last.relation} is back in ${last.from}.`;
  });
  byId('reset').addEventListener('click', () => {
    while (undoStack.length > 0) {
      const last = undoStack.pop();
      if (last) place(last.relation, last.from);
    }
    keepFocus(selected, () => afterMove(selected));
    byId('said').textContent = 'Back to the proposal.';
  });
  byId('copy').addEventListener('click', () => {
    const said = (text: string) => (byId('said').textContent = text);
    const fallback = () => {
      const area = element('textarea', yaml());
      document.body.append(area);
      area.select();
      const isCopied = document.execCommand('copy');
      area.remove();
      said(
        isCopied
          ? 'Copied the services block.'
          : 'Copying is not allowed here: open “services block” and copy it by hand.',
      );
    };
    if (navigator.clipboard)
      navigator.clipboard.writeText(yaml()).then(() => said('Copied the services block.'), fallback);
    else fallback();
  });
  byId('fit').addEventListener('click', () => graph.fit(undefined, 40));
  byId('zoom-in').addEventListener('click', () =>
    graph.zoom({ level: graph.zoom() * 1.3, renderedPosition: middle() }),
  );
  byId('zoom-out').addEventListener('click', () =>
    graph.zoom({ level: graph.zoom() / 1.3, renderedPosition: middle() }),
  );
  const middle = () => ({ x: graph.width() / 2, y: graph.height() / 2 });
  byId('theme').addEventListener('click', () => {
    const root = document.documentElement;
    const isDark = root.dataset['theme']
      ? root.dataset['theme'] === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset['theme'] = isDark ? 'light' : 'dark';
    restyle();
    scaleNames();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', restyle);

  const pick = (event: Event) => {
    const found = (event.target as HTMLElement).closest<HTMLElement>(
      '[data-relation], [data-service]',
    )?.dataset;
    const relation = found?.['relation'];
    if (relation !== undefined) keepFocus(relation, () => select(relation, true));
    else if (found?.['service'] !== undefined) selectService(found['service']);
  };
  byId('search').addEventListener('input', showList);
  byId('search').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== 'ArrowDown') return;
    // Relations are listed for their service's name too: whose own name comes nearest is meant.
    const words = byId<HTMLInputElement>('search').value.toLowerCase().trim();
    const rank = (button: HTMLButtonElement) => {
      const id = (button.dataset['relation'] ?? '').toLowerCase();
      const name = id.slice(id.lastIndexOf('.') + 1);
      return name === words ? 0 : name.startsWith(words) ? 1 : name.includes(words) ? 2 : 3;
    };
    const [first] = [...document.querySelectorAll<HTMLButtonElement>('#list button[data-relation]')].sort(
      (x, y) => rank(x) - rank(y),
    );
    if (!first) return;
    event.preventDefault();
    rove(first);
    first.focus();
    if (event.key === 'Enter') select(first.dataset['relation'] ?? null, true);
  });
  byId('list').addEventListener('click', (event) => {
    pick(event);
  });
  byId('detail').addEventListener('click', (event) => pick(event));
  byId('list').addEventListener('keydown', (event) => {
    const buttons = [...document.querySelectorAll<HTMLButtonElement>('#list button')];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    if (to < 0) byId('search').focus();
    else {
      const next = buttons[Math.min(to, buttons.length - 1)];
      rove(next);
      next?.focus();
    }
  });
  document.addEventListener('keydown', (event) => {
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test((event.target as HTMLElement).tagName);
    if (event.key === 'Escape') {
      const before = selected;
      keepFocus(before, () => select(null));
    } else if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === '/') {
      event.preventDefault();
      byId('search').focus();
    } else if (event.key === 'm' && selected !== null) {
      event.preventDefault();
      byId('move').focus();
    } else if (event.key === 'f') graph.fit(undefined, 40);
    else if (event.key === '+') byId('zoom-in').click();
    else if (event.key === '-') byId('zoom-out').click();
  });
  graph.on('zoom', scaleNames);
  graph.on('tap', 'node[kind="relation"]', (event) => select((event.target as { id(): string }).id()));
  graph.on('tap', 'node[kind="service"]', (event) => {
    const tapped = event.target as { id(): string };
    selectService(tapped.id().slice('service:'.length));
  });
  graph.on('tap', (event) => {
    if (event.target === graph) select(null);
  });

  restyle();
  drawBundles();
  showTotals();
  showList();
  showDetail();
  graph.fit(undefined, 40);
  scaleNames();
  document.documentElement.dataset['ready'] = 'true';
}
