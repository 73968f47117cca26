/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The list on the left, the details on the right, the totals above: drawn anew from the model. */
import type { HtmlData } from '../html-data.js';
import type { ClientModel } from './model.js';

export type ClientPanels = ReturnType<typeof clientPanels>;

export function clientPanels(data: HtmlData, model: ClientModel) {
  const { home, proposal, details, edgesOf, bundlesOf, isCut, spread, members, ownable } = model;
  const { priceIf, price, money, signed, tone, undoStack, serviceNames } = model;
  const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

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

  let move: (relation: string, service: string) => void = () => undefined;

  /** The list is one stop of the Tab key, however long; arrows go through it. */
  const rove = (to: HTMLButtonElement | null | undefined) => {
    if (!to) return;
    for (const button of document.querySelectorAll<HTMLButtonElement>('#list button[tabindex="0"]'))
      button.tabIndex = -1;
    to.tabIndex = 0;
  };

  const showTotals = () => {
    const now = price();
    const count = model.crossingCount();
    byId('crossings').textContent = count.toLocaleString('en');
    byId('price').textContent = money(now);
    const change = byId('change');
    change.textContent =
      undoStack.length === 0
        ? ''
        : `${signed(now - model.initialPrice)} price, ${signed(count - model.initialCount).replace('.0', '')} crossings since the proposal`;
    change.className = tone(now - model.initialPrice);
    byId<HTMLButtonElement>('undo').disabled = undoStack.length === 0;
    byId<HTMLButtonElement>('reset').disabled = undoStack.length === 0;
    byId('yaml').textContent = model.yaml();
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
      if (name === model.shown) title.setAttribute('aria-current', 'true');
      heading.append(title);
      group.append(heading, element('ul', ''));
      for (const id of hits) {
        const item = element('li', '');
        const button = element('button', id, { type: 'button', tabindex: '-1', 'data-relation': id });
        if (home.get(id) !== proposal.get(id)) button.append(element('small', ' moved'));
        if (id === model.selected) button.setAttribute('aria-current', 'true');
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
    if (model.shown !== null) return showService(box, model.shown);
    if (model.selected === null) {
      box.append(
        element(
          'p',
          data.services.length > 12
            ? 'Pick a relation or a service in the picture or the list: what crosses because of it, and what moving it would change. The picture shows the dearest lines; a service that is picked shows all of its own, and relations come with zooming in.'
            : 'Pick a relation or a service in the picture or the list: what crosses because of it, and what moving it would change.',
        ),
      );
      showOverview(box);
      return;
    }
    const relation = model.selected;
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
      if (data.sameProposals !== null) box.append(element('p', data.sameProposals, { class: 'same' }));
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

  return {
    element,
    showTotals,
    showList,
    showDetail,
    rove,
    onMove: (act: (relation: string, service: string) => void) => (move = act),
  };
}
