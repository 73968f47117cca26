/** How the picture looks, in the colours of the page. */
import type { CardMetrics } from './picture.js';

export function pictureStyle(css: (name: string) => string, card: CardMetrics): readonly object[] {
  return [
    {
      selector: 'node[kind="relation"]',
      style: {
        label: 'data(label)',
        shape: 'round-rectangle',
        width: card.columnWidth - 14,
        height: card.rowHeight - 8,
        'text-valign': 'center',
        'z-index-compare': 'manual',
        'z-index': 2,
        'font-size': 13,
        color: css('--text'),
        'background-color': css('--chip'),
        'border-width': 1,
        'border-color': css('--line'),
      },
    },
    { selector: 'node[kind="relation"].far', style: { display: 'none' } },
    {
      selector: 'node[kind="service"]',
      style: {
        label: 'data(text)',
        shape: 'round-rectangle',
        width: 'data(width)',
        height: 'data(height)',
        'z-index-compare': 'manual',
        'z-index': 1,
        'text-valign': 'top',
        'text-margin-y': -3,
        'font-size': 'data(size)',
        'font-weight': 'bold',
        color: css('--text'),
        // Lines run behind names.
        'text-background-color': css('--page'),
        'text-background-opacity': 0.75,
        'text-background-padding': '2px',
        'background-color': css('--card'),
        'border-width': 'data(border)',
        'border-color': css('--accent'),
      },
    },
    {
      selector: 'node[kind="service"].far',
      style: {
        'text-valign': 'center',
        'text-margin-y': 0,
        'text-wrap': 'wrap',
        'line-height': 1.2,
        'text-background-opacity': 0,
      },
    },
    {
      selector: 'edge[kind="bundle"]',
      style: {
        width: 'data(width)',
        'z-index-compare': 'manual',
        'z-index': 0,
        'line-color': css('--crossing'),
        'line-opacity': 0.45,
        'curve-style': 'straight',
        label: 'data(count)',
        'font-size': 'data(size)',
        color: css('--text'),
        'text-background-color': css('--page'),
        'text-background-opacity': 0.85,
        'text-background-padding': '3px',
      },
    },
    { selector: 'edge[kind="bundle"].minor', style: { display: 'none' } },
    { selector: 'edge[kind="bundle"].uncounted', style: { label: '' } },
    { selector: 'edge[kind="bundle"].picked', style: { display: 'element', 'line-opacity': 0.8 } },
    {
      selector: 'edge[kind="reference"]',
      style: {
        width: 2.5,
        'z-index-compare': 'manual',
        'z-index': 3,
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
    { selector: '.faded', style: { opacity: 0.3 } },
    { selector: '.near', style: { 'border-width': 3, 'border-color': css('--inside') } },
    {
      selector: 'node[kind="relation"].selected',
      style: {
        'background-color': css('--accent'),
        color: css('--on-accent'),
        'border-width': 3,
        'border-color': css('--accent'),
      },
    },
    { selector: 'node[kind="service"].selected', style: { 'background-color': css('--chosen') } },
  ];
}
