/** The analysis as one self-contained file: the picture, the list and the prices, with no network and nothing to install. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { clientActs } from './client/acts.js';
import { clientModel } from './client/model.js';
import { clientPanels } from './client/panels.js';
import { pictureStyle } from './client/picture-style.js';
import { clientPicture } from './client/picture.js';
import { CARD, cardSize, nameLines, type HtmlData, type HtmlService } from './html-data.js';
import { placeCards } from './html-layout.js';

/** Everything but where the cards stand. */
export type HtmlInput = Omit<HtmlData, 'services'> & { readonly services: readonly string[] };

export async function renderHtml(input: HtmlInput): Promise<string> {
  const data: HtmlData = { ...input, services: await placeServices(input) };
  const library = fs.readFileSync(
    createRequire(import.meta.url).resolve('cytoscape/dist/cytoscape.min.js'),
    'utf8',
  );
  return page(data, library);
}

async function placeServices(input: HtmlInput): Promise<readonly HtmlService[]> {
  const home = new Map(input.relations.map((r) => [r.id, r.service]));
  const sizes = new Map<string, number>(input.services.map((name) => [name, 0]));
  for (const service of home.values()) sizes.set(service, (sizes.get(service) ?? 0) + 1);
  const links = new Map<string, { a: string; b: string; weight: number }>();
  for (const edge of input.edges) {
    const ends = [home.get(edge.child), home.get(edge.parent)];
    if (ends[0] === undefined || ends[1] === undefined || ends[0] === ends[1]) continue;
    const [a, b] = ends.sort() as [string, string];
    const link = links.get(`${a}\u0000${b}`) ?? { a, b, weight: 0 };
    links.set(`${a}\u0000${b}`, { ...link, weight: link.weight + edge.cost });
  }
  const names = [...sizes.keys()].filter((name) => (sizes.get(name) ?? 0) > 0);
  const boxes = names.map((name) => ({ name, ...cardSize(sizes.get(name) ?? 0) }));
  const places = await placeCards(boxes, [...links.values()]);
  return names.map((name) => ({ name, lines: nameLines(name), ...(places.get(name) ?? { x: 0, y: 0 }) }));
}

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c);

/** JSON that cannot end the script element it stands in. */
const scriptJson = (value: unknown): string =>
  JSON.stringify(value)
    .replace(/</g, '\\u003c')
    .replace(/\u2028/g, '\\u2028')
    .replace(/\u2029/g, '\\u2029');

const inScript = (code: string): string => code.replace(/<\/script/gi, '<\\/script');

function page(data: HtmlData, library: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>${escapeHtml(data.title)}</title>
<style>${STYLE}</style>
<header>
  <h1>${escapeHtml(data.title)}</h1>
  <dl>
    <div><dt>relations</dt><dd>${data.relations.length.toLocaleString('en')}</dd></div>
    <div><dt>services</dt><dd>${data.services.filter((s) => !s.name.startsWith('(')).length}</dd></div>
    <div><dt>crossings</dt><dd id="crossings"></dd></div>
    <div><dt>price</dt><dd id="price"></dd></div>
  </dl>
  <span id="change" aria-live="polite"></span>
  <div class="acts">
    <button type="button" id="undo">Undo</button>
    <button type="button" id="reset">Reset</button>
    <button type="button" id="copy">Copy services block</button>
    <button type="button" id="theme" aria-label="Light or dark">◐</button>
  </div>
</header>
${data.verdict === null ? '' : `<p class="verdict">${escapeHtml(data.verdict)}</p>`}
<main>
  <nav aria-label="Relations">
    <input id="search" type="search" placeholder="Search relations ( / )" aria-label="Search relations">
    <span id="found" aria-live="polite"></span>
    <div id="list"></div>
  </nav>
  <div class="picture">
    <div id="graph" role="img" aria-label="Relations grouped by service; the list on the left holds the same"></div>
    <div class="zoom">
      <button type="button" id="zoom-in" aria-label="Zoom in">+</button>
      <button type="button" id="zoom-out" aria-label="Zoom out">−</button>
      <button type="button" id="fit" aria-label="Show everything">⤢</button>
    </div>
  </div>
  <aside aria-label="Details">
    <div id="detail"></div>
    <details><summary>services block</summary><pre id="yaml" tabindex="0"></pre></details>
    <details><summary>keys</summary><p><kbd>/</kbd> search, <kbd>↑ ↓</kbd> in the list, <kbd>Enter</kbd> pick, <kbd>m</kbd> move, <kbd>f</kbd> show everything, <kbd>+ −</kbd> zoom, <kbd>Esc</kbd> let go</p></details>
    <p class="made">dbps, ${escapeHtml(data.generatedAt)}. Prices compare cuts within this analysis; they are no amount of money or time.</p>
  </aside>
</main>
<div id="said" role="status" aria-live="polite"></div>
<script>${inScript(library)}</script>
<script>
// Compilers that keep function names call this helper; it does nothing here.
const __name = (f) => f;
{
  const data = ${scriptJson(data)};
  const model = (${inScript(clientModel.toString())})(data);
  const picture = (${inScript(clientPicture.toString())})(cytoscape, data, ${scriptJson(CARD)}, model, (${inScript(pictureStyle.toString())}));
  const panels = (${inScript(clientPanels.toString())})(data, model);
  (${inScript(clientActs.toString())})(model, picture, panels);
}
</script>
</html>
`;
}

const STYLE = `
:root { color-scheme: light dark;
  --page:#f6f7f9; --panel:#fff; --text:#1c2430; --soft:#5a6675; --line:#cbd3dd; --card:#eef2f8; --chosen:#cfdcf7; --chip:#ffffff; --accent:#2457c5; --on-accent:#fff; --crossing:#c2410c; --inside:#15803d; }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) {
  --page:#12161c; --panel:#1a2029; --text:#e6ebf2; --soft:#9aa7b8; --line:#3a4554; --card:#1e2631; --chosen:#2f4470; --chip:#2a3442; --accent:#7aa2f7; --on-accent:#0d1117; --crossing:#fb923c; --inside:#4ade80; } }
:root[data-theme=dark] { color-scheme: dark;
  --page:#12161c; --panel:#1a2029; --text:#e6ebf2; --soft:#9aa7b8; --line:#3a4554; --card:#1e2631; --chosen:#2f4470; --chip:#2a3442; --accent:#7aa2f7; --on-accent:#0d1117; --crossing:#fb923c; --inside:#4ade80; }
:root[data-theme=light] { color-scheme: light; }
* { box-sizing: border-box }
html, body { height: 100%; margin: 0 }
body { display: flex; flex-direction: column; background: var(--page); color: var(--text); font: 14px/1.45 system-ui, sans-serif }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 22px; padding: 10px 16px; background: var(--panel); border-bottom: 1px solid var(--line) }
h1 { font-size: 16px; margin: 0 } h2 { font-size: 15px; margin: 0 0 4px; overflow-wrap: anywhere } h3 { font-size: 13px; margin: 14px 0 4px; color: var(--soft) }
dl { display: flex; gap: 18px; margin: 0 } dl div { display: flex; gap: 6px; align-items: baseline } dt { color: var(--soft) } dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums }
.acts { margin-left: auto; display: flex; gap: 6px }
button, select, input { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px }
button { cursor: pointer } button:disabled { opacity: .45; cursor: default }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px }
.verdict { margin: 0; padding: 8px 16px; background: var(--card); border-bottom: 1px solid var(--line) }
main { flex: 1; min-height: 0; display: grid; grid-template-columns: 260px 1fr 340px }
nav, aside { overflow: auto; padding: 12px; background: var(--panel) } nav { border-right: 1px solid var(--line) } aside { border-left: 1px solid var(--line) }
#search { width: 100% } #found { color: var(--soft); font-size: 12px }
#list ul { list-style: none; margin: 0; padding: 0 } #list h3 small { font-weight: 400 }
#list button { width: 100%; text-align: left; border: 0; padding: 2px 6px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
#list h3 button { color: inherit; font: inherit; padding: 2px 6px } .link { border: 0; padding: 0; background: none; text-decoration: underline; text-align: left; overflow-wrap: anywhere }
.profile { display: grid; grid-template-columns: auto 1fr; gap: 4px 10px; margin: 8px 0 } .profile dd { font-weight: 400; overflow-wrap: anywhere }
table { border-collapse: collapse; font-size: 12.5px } th { font-weight: 400; color: var(--soft); text-align: right; padding: 1px 6px } td { text-align: right; padding: 1px 6px; font-variant-numeric: tabular-nums } td:first-child { text-align: left }
#list button:hover { background: var(--card) } #list button[aria-current] { background: var(--accent); color: var(--on-accent) }
.picture { position: relative; min-width: 0 } #graph { position: absolute; inset: 0 }
.zoom { position: absolute; right: 12px; bottom: 12px; display: flex; flex-direction: column; gap: 4px; z-index: 5 }
.better { color: var(--inside) } .worse { color: var(--crossing) } .same { color: var(--soft) }
#move { margin: 0 6px; max-width: 190px }
.crossing-list { margin: 0; padding-left: 16px } .crossing-list li { margin-bottom: 4px; overflow-wrap: anywhere } .fix { color: var(--soft); font-size: 12.5px }
pre { overflow: auto; background: var(--card); padding: 8px; border-radius: 6px; font-size: 12px } kbd { border: 1px solid var(--line); border-radius: 4px; padding: 0 4px }
.made { color: var(--soft); font-size: 12px; margin-top: 20px } summary { cursor: pointer; margin-top: 12px; color: var(--soft) }
#said { position: fixed; left: 50%; bottom: 14px; transform: translateX(-50%); background: var(--text); color: var(--page); border-radius: 8px; padding: 6px 14px } #said:empty { display: none }
@media (max-width: 900px) { main { grid-template-columns: 1fr; grid-auto-rows: minmax(200px, auto); overflow: auto } .picture { min-height: 60vh } nav, aside { border: 0 } }
`;
