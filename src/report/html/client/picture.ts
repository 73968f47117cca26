/// <reference lib="dom" />
/**
 * The picture. From afar a service is a card with its name and how many relations it has, and only the dearest lines are drawn: a thousand
 * names and all lines between thirty services can be read by nobody. Whoever zooms in sees the relations, whoever picks a service all its lines.
 */
import type cytoscapeModule from 'cytoscape';
import type { HtmlData } from '../html-data.js';
import type { ClientModel } from './model.js';
import type { pictureStyle } from './picture-style.js';

export interface CardMetrics {
  readonly columnWidth: number;
  readonly rowHeight: number;
  readonly padding: number;
  readonly header: number;
  /** Size of a service's name in the picture's own units, and its least size in pixels of the screen. */
  readonly nameSize: number;
  readonly nameOnScreen: number;
  /** Below this zoom relations are not drawn. */
  readonly farBelow: number;
  /** Width of a bold letter by its size. */
  readonly letter: number;
}

export type ClientPicture = ReturnType<typeof clientPicture>;

export function clientPicture(
  cytoscape: typeof cytoscapeModule,
  data: HtmlData,
  card: CardMetrics,
  model: ClientModel,
  styleOf: typeof pictureStyle,
) {
  const container = document.getElementById('graph') as HTMLElement;
  const corner = new Map(data.services.map((s) => [s.name, { x: s.x, y: s.y }]));
  const linesOf = new Map(data.services.map((s) => [s.name, s.lines]));
  const cardId = (service: string) => `service:${service}`;
  const columnsFor = (count: number) =>
    Math.max(1, Math.round(Math.sqrt((count * card.rowHeight * 1.4) / card.columnWidth)));
  const slot = (service: string, index: number, count: number) => {
    const at = corner.get(service) ?? { x: 0, y: 0 };
    const rows = Math.ceil(count / columnsFor(count));
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

  interface Box {
    readonly x1: number;
    readonly x2: number;
    readonly y1: number;
    readonly y2: number;
  }
  const meet = (a: Box, b: Box) => a.x1 < b.x2 && a.x2 > b.x1 && a.y1 < b.y2 && a.y2 > b.y1;
  const around = (x: number, y: number, width: number, height: number): Box => ({
    x1: x - width / 2,
    x2: x + width / 2,
    y1: y - height / 2,
    y2: y + height / 2,
  });

  const areaOf = (box: Box) => (box.x2 - box.x1) * (box.y2 - box.y1);
  /** A service's card without its name, around its relations. */
  const bodyOf = (service: string): Box => {
    const at = corner.get(service) ?? { x: 0, y: 0 };
    const count = Math.max(1, model.members(service).length);
    const columns = columnsFor(count);
    return {
      x1: at.x + card.padding - 7,
      x2: at.x + card.padding + columns * card.columnWidth + 7,
      y1: at.y + card.header - 10,
      y2: at.y + card.header + Math.ceil(count / columns) * card.rowHeight + 10,
    };
  };
  const middleOf = (box: Box) => ({ x: (box.x1 + box.x2) / 2, y: (box.y1 + box.y2) / 2 });

  const graph = cytoscape({
    container,
    elements: data.services.map((s) => ({
      data: { id: cardId(s.name), label: s.name, kind: 'service' },
      position: middleOf(bodyOf(s.name)),
    })),
    layout: { name: 'preset' },
    minZoom: 0.005,
    maxZoom: 3,
    boxSelectionEnabled: false,
    autoungrabify: true,
  });
  const services = graph.nodes('[kind="service"]');
  /** Services whose relations are drawn: thousands of them are made only when somebody looks there. */
  const opened = new Set<string>();
  let isFar: boolean | null = null;

  const restyle = () => {
    const style = styleOf(css, card);
    (graph.style as unknown as (value: unknown) => void).call(graph, style);
  };

  const open = (service: string) => {
    if (opened.has(service)) return;
    opened.add(service);
    const list = model.members(service);
    graph.add(
      list.map((id, index) => ({
        group: 'nodes' as const,
        data: { id, label: short(id), kind: 'relation' },
        position: slot(service, index, list.length),
      })),
    );
  };
  const openSeen = () => {
    if (isFar === true) return;
    const seen = graph.extent();
    const unseen = data.services.filter(({ name }) => !opened.has(name) && meet(bodyOf(name), seen));
    if (unseen.length === 0) return;
    graph.batch(() => {
      for (const { name } of unseen) open(name);
      mark();
    });
  };

  interface Written {
    readonly text: string;
    readonly size: number;
    readonly box: Box;
  }
  const writtenAbove = (name: string, body: Box, size: number): Written => ({
    text: name,
    size,
    box: around(middleOf(body).x, body.y1 - 0.7 * size, name.length * card.letter * size, 1.4 * size),
  });
  /** On the card, with the number of its relations: whole, else cut to the card's width, else the number alone. */
  const writtenAfar = (name: string, body: Box, size: number): readonly Written[] => {
    const number = String(model.members(name).length);
    const { x, y } = middleOf(body);
    const on = (lines: readonly string[], by: number): Written => {
      const letters = Math.max(3, ...lines.map((line) => line.length));
      const box = around(x, y, (letters * card.letter + 0.8) * by, (1.2 * lines.length + 0.5) * by);
      return { text: lines.join('\n'), size: by, box };
    };
    const small = 0.8 * size;
    const fitting = Math.floor((body.x2 - body.x1) / (card.letter * small) - 1);
    const cut = name.length <= fitting ? name : `${name.slice(0, Math.max(0, fitting - 1))}…`;
    return [
      on([...(linesOf.get(name) ?? [name]), number], size),
      ...(fitting < 5 ? [] : [on([cut, number], small), on([cut], small)]),
      on([number], small),
    ];
  };

  /**
   * What is drawn at this zoom. Names and numbers keep a size on the screen; a name that would lie on another card or name, of which the larger service's
   * goes first, is left out until there is room, and so is a number.
   */
  const scale = () => {
    const zoom = graph.zoom();
    const wasFar = isFar;
    isFar = zoom < card.farBelow;
    const size = Math.max(card.nameSize, card.nameOnScreen / zoom);
    const taken: Box[] = [];
    graph.batch(() => {
      if (wasFar !== isFar) {
        graph.nodes('[kind="relation"]').toggleClass('far', isFar === true);
        services.toggleClass('far', isFar === true);
      }
      const cards = services.map((node) => {
        const name = String(node.data('label'));
        return { node, name, body: bodyOf(name) };
      });
      for (const { node, name, body } of cards.sort((a, b) => areaOf(b.body) - areaOf(a.body))) {
        const isFree = (box: Box) =>
          !taken.some((other) => meet(other, box)) &&
          !cards.some((other) => other.node !== node && meet(other.body, box));
        const ways = isFar === true ? writtenAfar(name, body, size) : [writtenAbove(name, body, size)];
        const way = ways.find(({ box }) => isFree(box));
        if (way !== undefined) taken.push(way.box);
        // The card becomes as large as its name needs.
        const own = isFar === true && way !== undefined ? way.box : body;
        node.data({
          size: way?.size ?? size,
          border: isFar === true ? 1.5 / zoom : 2,
          text: way?.text ?? '',
          width: Math.max(body.x2 - body.x1, own.x2 - own.x1),
          height: Math.max(body.y2 - body.y1, own.y2 - own.y1),
        });
      }
      placeCounts(zoom, [...taken, ...cards.map(({ body }) => body)]);
    });
  };

  /** Where the line from the middle of a card to elsewhere leaves it: numbers stand in the middle of what is seen of a line. */
  const borderOf = (
    node: { position(): { x: number; y: number }; data(name: string): number },
    to: { x: number; y: number },
  ) => {
    const { x, y } = node.position();
    const [dx, dy] = [to.x - x, to.y - y];
    const share = Math.min(
      dx === 0 ? Infinity : node.data('width') / 2 / Math.abs(dx),
      dy === 0 ? Infinity : node.data('height') / 2 / Math.abs(dy),
    );
    return Number.isFinite(share) ? { x: x + share * dx, y: y + share * dy } : { x, y };
  };

  const placeCounts = (zoom: number, taken: Box[]) => {
    const size = Math.max(22, 11 / zoom);
    const drawn = graph
      .edges('[kind="bundle"]')
      .sort(
        (a, b) =>
          Number(b.hasClass('picked')) - Number(a.hasClass('picked')) || b.data('cost') - a.data('cost'),
      );
    drawn.forEach((edge) => {
      if (edge.hasClass('minor') && !edge.hasClass('picked')) return;
      edge.data({ size, width: Math.max(2, 1.2 / zoom) * edge.data('weight') });
      const [from, to] = [edge.source(), edge.target()];
      const [p, q] = [borderOf(from, to.position()), borderOf(to, from.position())];
      const at = { x: (p.x + q.x) / 2, y: (p.y + q.y) / 2 };
      const box = around(at.x, at.y, size * (0.6 * String(edge.data('count')).length + 0.4), size * 1.2);
      const isFree = !taken.some((other) => meet(other, box));
      edge.toggleClass('uncounted', !isFree);
      if (isFree) taken.push(box);
    });
  };

  /** Between two services: one line, as thick as what it costs. */
  const drawBundles = () => {
    graph.remove('edge[kind="bundle"]');
    const sums = new Map<string, { a: string; b: string; count: number; cost: number }>();
    for (const edge of data.edges) {
      if (!model.isCut(edge)) continue;
      const ends = [model.home.get(edge.child) as string, model.home.get(edge.parent) as string].sort();
      const [a, b] = ends as [string, string];
      const key = `${a}\u0000${b}`;
      const sum = sums.get(key) ?? { a, b, count: 0, cost: 0 };
      sum.count++;
      sum.cost += edge.cost;
      sums.set(key, sum);
    }
    // Of many services each shows its dearest lines only; all of them when it is picked.
    const each = data.services.length <= 12 ? Infinity : data.services.length <= 40 ? 2 : 1;
    const shown = new Map<string, number>();
    const lines = [...sums.values()].sort((x, y) => y.cost - x.cost || (x.a + x.b < y.a + y.b ? -1 : 1));
    graph.add(
      lines.map((line) => {
        const [ofA, ofB] = [shown.get(line.a) ?? 0, shown.get(line.b) ?? 0];
        const isMinor = ofA >= each && ofB >= each;
        if (!isMinor) shown.set(line.a, ofA + 1).set(line.b, ofB + 1);
        return {
          group: 'edges' as const,
          classes: isMinor ? 'minor' : '',
          data: {
            kind: 'bundle',
            source: cardId(line.a),
            target: cardId(line.b),
            count: String(line.count),
            cost: line.cost,
            weight: 0.6 + 0.45 * Math.log2(1 + line.cost),
            width: 2,
            size: 22,
          },
        };
      }),
    );
  };

  const arrange = (service: string) => {
    graph.getElementById(cardId(service)).position(middleOf(bodyOf(service)));
    if (!opened.has(service)) return;
    const list = model.members(service);
    list.forEach((id, index) => graph.getElementById(id).position(slot(service, index, list.length)));
  };

  /** What belongs to the relation or the service that is picked stands out. */
  const mark = () => {
    graph.remove('edge[kind="reference"]');
    graph.elements().removeClass('faded near selected picked');
    const bundles = graph.edges('[kind="bundle"]');
    if (model.selected !== null) {
      const near = new Set<string>([model.selected]);
      for (const edge of model.edgesOf.get(model.selected) ?? []) {
        near.add(edge.child).add(edge.parent);
        if (edge.child === edge.parent) continue;
        graph.add({
          group: 'edges',
          data: { kind: 'reference', source: edge.child, target: edge.parent },
          classes: model.isCut(edge) ? 'cut' : '',
        });
      }
      graph.nodes('[kind="relation"]').forEach((node) => {
        if (!near.has(node.id())) node.addClass('faded');
        else if (node.id() !== model.selected) node.addClass('near');
      });
      bundles.addClass('faded');
      graph.getElementById(model.selected).addClass('selected');
    } else if (model.shown !== null) {
      const own = graph.getElementById(cardId(model.shown));
      const lines = own.connectedEdges('[kind="bundle"]');
      lines.addClass('picked');
      own.addClass('selected');
      services.difference(lines.connectedNodes().union(own)).addClass('faded');
      bundles.difference(lines).addClass('faded');
    }
  };
  const highlight = () => {
    graph.batch(() => {
      // Both ends of a line must be there.
      if (model.selected !== null) {
        open(model.home.get(model.selected) as string);
        for (const edge of model.edgesOf.get(model.selected) ?? [])
          for (const end of [edge.child, edge.parent]) open(model.home.get(end) as string);
      }
      mark();
    });
    scale();
  };

  /** Names are wider than cards: what is fitted includes them as they are once it is fitted. */
  const fit = () => {
    for (let round = 0; round < 3; round++) {
      graph.fit(undefined, 24);
      scale();
    }
  };
  const middle = () => ({ x: graph.width() / 2, y: graph.height() / 2 });
  const zoomBy = (factor: number) => graph.zoom({ level: graph.zoom() * factor, renderedPosition: middle() });

  const redraw = () => {
    restyle();
    scale();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  graph.on('zoom', scale);
  graph.on('viewport', openSeen);
  restyle();
  drawBundles();
  fit();
  openSeen();

  return {
    highlight,
    fit,
    zoomBy,
    redraw,
    /** After the model has put a relation elsewhere. */
    moved: (relation: string, from: string, to: string) => {
      // A card that is not drawn yet gets the relation when it is; one that is has it from here.
      if (!opened.has(to)) graph.remove(graph.getElementById(relation));
      else if (graph.getElementById(relation).empty())
        graph.add({ group: 'nodes', data: { id: relation, label: short(relation), kind: 'relation' } });
      arrange(from);
      arrange(to);
      drawBundles();
    },
    focus: (relation: string) => {
      const node = graph.getElementById(relation);
      graph.animate({ center: { eles: node }, zoom: Math.max(graph.zoom(), 0.7) }, { duration: 200 });
    },
    focusService: (service: string) => {
      const { x, y } = middleOf(bodyOf(service));
      // What is seen already stays where it is, with all that it is tied to.
      if (!meet(around(x, y, 0, 0), graph.extent()))
        graph.animate({ center: { eles: graph.getElementById(cardId(service)) } }, { duration: 200 });
    },
    onPick: (pick: (kind: 'relation' | 'service' | 'nothing', name: string) => void) => {
      graph.on('tap', 'node[kind="relation"]', (event) => {
        pick('relation', (event.target as { id(): string }).id());
      });
      graph.on('tap', 'node[kind="service"]', (event) => {
        pick('service', (event.target as { id(): string }).id().slice('service:'.length));
      });
      graph.on('tap', (event) => {
        if (event.target === graph) pick('nothing', '');
      });
    },
  };
}
