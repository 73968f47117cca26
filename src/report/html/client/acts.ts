/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** What a reader does: pick, search, move, undo, copy, and all of it by keyboard. */
import type { ClientModel } from './model.js';
import type { ClientPanels } from './panels.js';
import type { ClientPicture } from './picture.js';

export function clientActs(model: ClientModel, picture: ClientPicture, panels: ClientPanels): void {
  const { home, undoStack } = model;
  const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

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
  const select = (id: string | null, isFar = false) => {
    model.selected = id;
    model.shown = null;
    picture.highlight();
    panels.showDetail();
    for (const button of document.querySelectorAll<HTMLButtonElement>('#list button[aria-current]'))
      button.removeAttribute('aria-current');
    const button = id === null ? null : listButton('relation', id);
    if (button !== null) {
      button.setAttribute('aria-current', 'true');
      button.scrollIntoView({ block: 'nearest' });
      panels.rove(button);
    }
    if (id !== null && isFar) picture.focus(id);
  };

  const selectService = (name: string, isFar = false) => {
    select(null);
    model.shown = name;
    picture.highlight();
    panels.showDetail();
    const button = listButton('service', name);
    button?.setAttribute('aria-current', 'true');
    if (!isFar) button?.scrollIntoView({ block: 'nearest' });
    panels.rove(button);
    if (isFar) picture.focusService(name);
  };

  const place = (relation: string, service: string) => {
    const from = home.get(relation) as string;
    model.put(relation, service);
    picture.moved(relation, from, service);
  };

  const move = (relation: string, service: string) => {
    const from = home.get(relation) as string;
    if (from === service) return;
    undoStack.push({ relation, from });
    place(relation, service);
    keepFocus(relation, () => afterMove(relation));
    byId('said').textContent =
      `${relation} moved from ${from} to ${service}. Price ${model.money(model.price())}.`;
  };
  panels.onMove(move);

  const afterMove = (relation: string | null) => {
    panels.showTotals();
    panels.showList();
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
    keepFocus(model.selected, () => afterMove(model.selected));
    byId('said').textContent = 'Back to the proposal.';
  });
  byId('copy').addEventListener('click', () => {
    const said = (text: string) => (byId('said').textContent = text);
    const fallback = () => {
      const area = panels.element('textarea', model.yaml());
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
      navigator.clipboard.writeText(model.yaml()).then(() => said('Copied the services block.'), fallback);
    else fallback();
  });
  byId('fit').addEventListener('click', picture.fit);
  byId('zoom-in').addEventListener('click', () => picture.zoomBy(1.3));
  byId('zoom-out').addEventListener('click', () => picture.zoomBy(1 / 1.3));
  byId('theme').addEventListener('click', () => {
    const root = document.documentElement;
    const isDark = root.dataset['theme']
      ? root.dataset['theme'] === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset['theme'] = isDark ? 'light' : 'dark';
    picture.redraw();
  });

  const pick = (event: Event) => {
    const found = (event.target as HTMLElement).closest<HTMLElement>(
      '[data-relation], [data-service]',
    )?.dataset;
    const relation = found?.['relation'];
    if (relation !== undefined) keepFocus(relation, () => select(relation, true));
    else if (found?.['service'] !== undefined) selectService(found['service'], true);
  };
  byId('search').addEventListener('input', panels.showList);
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
    panels.rove(first);
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
      panels.rove(next);
      next?.focus();
    }
  });
  document.addEventListener('keydown', (event) => {
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test((event.target as HTMLElement).tagName);
    if (event.key === 'Escape') {
      const before = model.selected;
      keepFocus(before, () => select(null));
    } else if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === '/') {
      event.preventDefault();
      byId('search').focus();
    } else if (event.key === 'm' && model.selected !== null) {
      event.preventDefault();
      byId('move').focus();
    } else if (event.key === 'f') picture.fit();
    else if (event.key === '+') byId('zoom-in').click();
    else if (event.key === '-') byId('zoom-out').click();
  });
  picture.onPick((kind, name) => {
    if (kind === 'service') selectService(name);
    else select(kind === 'relation' ? name : null);
  });

  panels.showTotals();
  panels.showList();
  panels.showDetail();
  document.documentElement.dataset['ready'] = 'true';
}
