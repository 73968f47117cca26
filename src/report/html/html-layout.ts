/**
 * Where the services' cards stand. Relations are listed inside their card (a force-directed drawing of a thousand tables is a
 * ball of wool), so only the cards need a layout: a force-directed one over the few services, then pushed apart until none overlap.
 */
import cytoscape from 'cytoscape';
import fcose from 'cytoscape-fcose';
import { CARD, labelSize, nameLines } from './html-data.js';

export interface CardBox {
  readonly name: string;
  readonly width: number;
  readonly height: number;
}

export interface CardLink {
  readonly a: string;
  readonly b: string;
  readonly weight: number;
}

/** Cards that forces can place before the time of that grows with the square of their number; nobody follows lines between more. */
const MOST_BY_FORCE = 120;

let isRegistered = false;

/** Top left corners by name. Deterministic for a given input. */
export async function placeCards(
  boxes: readonly CardBox[],
  links: readonly CardLink[],
): Promise<ReadonlyMap<string, { readonly x: number; readonly y: number }>> {
  if (boxes.length > MOST_BY_FORCE) return inRows(boxes, links);
  if (!isRegistered) cytoscape.use(fcose);
  isRegistered = true;
  const graph = cytoscape({
    headless: true,
    styleEnabled: true,
    elements: [
      ...boxes.map((box, index) => ({
        data: { id: box.name, width: box.width, height: box.height },
        // A start on a circle instead of at random: the same input gives the same picture.
        position: circle(index, boxes.length),
      })),
      ...links.map((link) => ({ data: { source: link.a, target: link.b } })),
    ],
    style: [{ selector: 'node', style: { width: 'data(width)', height: 'data(height)' } }],
  });
  const layout = graph.layout({
    name: 'fcose',
    animate: false,
    randomize: false,
    quality: 'default',
    idealEdgeLength: 320,
    nodeSeparation: 120,
    nodeRepulsion: 60_000,
  } as cytoscape.LayoutOptions);
  const stopped = layout.promiseOn('layoutstop');
  layout.run();
  await stopped;
  const placed = boxes.map((box) => {
    const { x, y } = graph.getElementById(box.name).position();
    // Screens are wider than high.
    return { ...box, x: 1.5 * x - box.width / 2, y: y - box.height / 2 };
  });
  graph.destroy();
  if (placed.length <= MOST_SWAPPED) untangle(placed, links);
  makeRoomForNames(placed);
  return new Map(placed.map(({ name, x, y }) => [name, { x: Math.round(x), y: Math.round(y) }]));
}

/** So many cards that their lines say little: in rows, each beside those that it is tied to most. */
function inRows(
  boxes: readonly CardBox[],
  links: readonly CardLink[],
): ReadonlyMap<string, { readonly x: number; readonly y: number }> {
  const ties = new Map<string, { readonly to: string; readonly weight: number }[]>();
  for (const { a, b, weight } of links)
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      ties.set(from, [...(ties.get(from) ?? []), { to, weight }]);
  const pull = new Map(boxes.map(({ name }) => [name, 0]));
  const left = new Map(boxes.map((box) => [box.name, box]));
  const gap = 4 * GAP;
  const area = boxes.reduce((sum, box) => sum + (box.width + gap) * (box.height + gap), 0);
  const rowWidth = Math.sqrt(area * (SCREEN.width / SCREEN.height));
  const places = new Map<string, { x: number; y: number }>();
  let [x, y, highest] = [0, 0, 0];
  while (left.size > 0) {
    let next: CardBox | undefined;
    for (const box of left.values())
      if (next === undefined || (pull.get(box.name) ?? 0) > (pull.get(next.name) ?? 0)) next = box;
    if (next === undefined) break;
    left.delete(next.name);
    for (const { to, weight } of ties.get(next.name) ?? []) pull.set(to, (pull.get(to) ?? 0) + weight);
    if (x > 0 && x + next.width > rowWidth) [x, y, highest] = [0, y + highest + gap, 0];
    places.set(next.name, { x: Math.round(x), y: Math.round(y) });
    x += next.width + gap;
    highest = Math.max(highest, next.height);
  }
  return places;
}

/** The picture's part of a small screen (1,400 by 850) less its margin, in pixels: how small everything must become to be seen at once. */
const SCREEN = { width: 620, height: 580 };
const GAP = 50;
const GAP_ON_SCREEN = 14;

/**
 * Pushes cards apart until no name lies on another card. Names keep a size on the screen, so the wider the picture becomes the more room
 * they take in it: room is made for the size that they have when everything is seen, again and again until that hardly changes.
 */
function makeRoomForNames(
  placed: { name: string; x: number; y: number; width: number; height: number }[],
): void {
  for (let round = 0; round < 12; round += 1) {
    const zoom = zoomToFit(placed);
    const size = Math.max(CARD.nameSize, CARD.nameOnScreen / zoom);
    const isFar = zoom < CARD.farBelow;
    const withNames = placed.map((box) => {
      const label = labelSize(nameLines(box.name), size);
      const width = Math.max(box.width, isFar ? label.width : box.name.length * CARD.letter * size);
      // From afar the name stands on the card, which becomes as large as that needs; else above it.
      const above = isFar ? 0 : 1.4 * size;
      const height = isFar ? Math.max(box.height, label.height) : box.height + above;
      return {
        box,
        x: box.x + box.width / 2 - width / 2,
        y: isFar ? box.y + box.height / 2 - height / 2 : box.y - above,
        width,
        height,
        above,
      };
    });
    pushApart(withNames, isFar ? GAP_ON_SCREEN / zoom : GAP);
    for (const { box, x, y, width, height, above } of withNames)
      Object.assign(box, {
        x: x + width / 2 - box.width / 2,
        y: isFar ? y + height / 2 - box.height / 2 : y + above,
      });
    if (zoomToFit(placed) > 0.99 * zoom) return;
  }
}

function zoomToFit(boxes: readonly { x: number; y: number; width: number; height: number }[]): number {
  const span = (from: (box: (typeof boxes)[number]) => number, to: (box: (typeof boxes)[number]) => number) =>
    Math.max(1, Math.max(...boxes.map(to)) - Math.min(...boxes.map(from)));
  return Math.min(
    SCREEN.width /
      span(
        (box) => box.x,
        (box) => box.x + box.width,
      ),
    SCREEN.height /
      span(
        (box) => box.y,
        (box) => box.y + box.height,
      ),
  );
}

/** So few cards that a line behind one of them is seen, and so many pairs that all can be tried. */
const MOST_SWAPPED = 12;
/** Pixels that a line may be longer for not running behind a card. */
const BEHIND = 2000;

/** Swaps cards while that makes lines shorter, or lets them run beside cards instead of behind them. */
export function untangle(
  boxes: { name: string; x: number; y: number; width: number; height: number }[],
  links: readonly CardLink[],
): void {
  const at = new Map(boxes.map((box) => [box.name, box]));
  const center = (box: (typeof boxes)[number]) => ({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
  const cost = () => {
    let sum = 0;
    for (const { a, b, weight } of links) {
      const [from, to] = [at.get(a), at.get(b)];
      if (from === undefined || to === undefined) continue;
      const [p, q] = [center(from), center(to)];
      sum += Math.hypot(p.x - q.x, p.y - q.y) * Math.log2(2 + weight);
      for (const box of boxes) if (box !== from && box !== to && runsThrough(p, q, box)) sum += BEHIND;
    }
    return sum;
  };
  const swap = (one: (typeof boxes)[number], other: (typeof boxes)[number]) => {
    const [p, q] = [center(one), center(other)];
    Object.assign(one, { x: q.x - one.width / 2, y: q.y - one.height / 2 });
    Object.assign(other, { x: p.x - other.width / 2, y: p.y - other.height / 2 });
  };
  let least = cost();
  for (let isBetter = true; isBetter;) {
    isBetter = false;
    for (const one of boxes)
      for (const other of boxes) {
        if (one === other) continue;
        swap(one, other);
        const now = cost();
        if (now < least - 1) {
          least = now;
          isBetter = true;
        } else swap(one, other);
      }
  }
}

/** Whether the line from `p` to `q` meets the box (Liang and Barsky's clipping). */
function runsThrough(
  p: { readonly x: number; readonly y: number },
  q: { readonly x: number; readonly y: number },
  box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): boolean {
  let [from, to] = [0, 1];
  for (const [start, step, low, high] of [
    [p.x, q.x - p.x, box.x, box.x + box.width],
    [p.y, q.y - p.y, box.y, box.y + box.height],
  ] as const) {
    if (step === 0) {
      if (start < low || start > high) return false;
      continue;
    }
    const [enter, leave] = [(low - start) / step, (high - start) / step].sort((x, y) => x - y) as [
      number,
      number,
    ];
    from = Math.max(from, enter);
    to = Math.min(to, leave);
  }
  return from < to;
}

function circle(index: number, count: number): { x: number; y: number } {
  const angle = (2 * Math.PI * index) / Math.max(1, count);
  const radius = 260 * Math.sqrt(Math.max(1, count));
  return { x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
}

/** Moves overlapping boxes along the shorter way out, a few hundred rounds at most; what is left overlaps a little. */
export function pushApart(
  boxes: { x: number; y: number; width: number; height: number }[],
  gap: number,
): void {
  for (let round = 0; round < 400; round++) {
    let isMoved = false;
    for (let i = 0; i < boxes.length; i++) {
      for (let j = i + 1; j < boxes.length; j++) {
        const a = boxes[i] as (typeof boxes)[number];
        const b = boxes[j] as (typeof boxes)[number];
        const overlapX = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) + gap;
        const overlapY = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y) + gap;
        if (overlapX <= 0 || overlapY <= 0) continue;
        isMoved = true;
        if (overlapX < overlapY) {
          const sign = a.x + a.width / 2 <= b.x + b.width / 2 ? 1 : -1;
          a.x -= (sign * overlapX) / 2;
          b.x += (sign * overlapX) / 2;
        } else {
          const sign = a.y + a.height / 2 <= b.y + b.height / 2 ? 1 : -1;
          a.y -= (sign * overlapY) / 2;
          b.y += (sign * overlapY) / 2;
        }
      }
    }
    if (!isMoved) return;
  }
}
