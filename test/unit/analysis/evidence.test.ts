import { describe, expect, test } from 'vitest';
import { collectEvidence } from '../../../src/analysis/evidence.js';
import { inferReferences } from '../../../src/analysis/inferred-references.js';
import { readNames } from '../../../src/analysis/names.js';
import { isAuditColumn, partitionKeyColumns, readFacts } from '../../../src/analysis/relation-facts.js';
import {
  nameSimilarity,
  WEIGHTS,
  weighReference,
  type ReferenceTraits,
} from '../../../src/analysis/weights.js';
import { relation, schemaOf } from '../../support/schema.js';

const NONE = { configured: [], workload: [], hitRates: new Map<string, number>() };
const PLAIN: ReferenceTraits = {
  isAudit: false,
  isWeak: false,
  link: null,
  isNullable: false,
  onDelete: 'no action',
  fanIn: 2,
  referringGroups: 2,
  isLeafParent: false,
  sharesFirstWord: false,
  nameSimilarity: 0,
  confidence: 1,
};
const weight = (traits: Partial<ReferenceTraits>): number => weighReference({ ...PLAIN, ...traits }).weight;

describe('the weight of a reference', () => {
  test.each<[string, Partial<ReferenceTraits>, number]>([
    ['NOT NULL', {}, WEIGHTS.notNull],
    ['nullable', { isNullable: true }, WEIGHTS.nullable],
    ['set null', { isNullable: true, onDelete: 'set null' }, WEIGHTS.setNull],
    ['audit', { isAudit: true }, WEIGHTS.audit],
    ['weak entity', { isWeak: true }, WEIGHTS.weak],
    ['link table, own side', { link: 'owner' }, WEIGHTS.linkOwner],
    ['link table, other side', { link: 'other' }, WEIGHTS.linkOther],
    ['only child', { fanIn: 1 }, WEIGHTS.notNull * WEIGHTS.onlyChild],
    ['inferred', { confidence: 0.7 }, WEIGHTS.notNull * 0.7],
    ['names alike', { nameSimilarity: 0.5 }, WEIGHTS.notNull * (1 + WEIGHTS.namesAlike / 2)],
    [
      'hub',
      { fanIn: 30, referringGroups: 20 },
      WEIGHTS.notNull * (WEIGHTS.hubFrom / 20) ** WEIGHTS.hubDamping,
    ],
    [
      'hub with the name in common',
      { fanIn: 30, referringGroups: 20, sharesFirstWord: true },
      WEIGHTS.notNull,
    ],
    [
      'weak entity of a hub feels less of it',
      { isWeak: true, fanIn: 30, referringGroups: 20 },
      WEIGHTS.weak * (WEIGHTS.hubFrom / 20) ** (WEIGHTS.hubDamping * WEIGHTS.weakDamping),
    ],
    [
      'reference table',
      { fanIn: 9, referringGroups: 2, isLeafParent: true },
      WEIGHTS.notNull * WEIGHTS.referenceTable,
    ],
  ])('%s', (_name, traits, expected) => {
    expect(weight(traits)).toBeCloseTo(expected, 9);
  });

  test('its reasons multiply to it, the strongest first', () => {
    const { weight: whole, reasons } = weighReference({
      ...PLAIN,
      fanIn: 30,
      referringGroups: 20,
      nameSimilarity: 0.2,
    });
    expect(reasons.reduce((product, { factor }) => product * factor, 1)).toBeCloseTo(whole, 9);
    const distance = reasons.map(({ factor }) => Math.abs(Math.log(factor)));
    expect(distance).toEqual([...distance].sort((a, b) => b - a));
  });
});

test('rare and first words weigh most in a name', () => {
  const idf = (word: string): number => (word === 'type' ? 0.1 : 2);
  expect(nameSimilarity(['order'], ['order'], idf)).toBe(1);
  expect(nameSimilarity(['order', 'item'], ['order', 'event'], idf)).toBeGreaterThan(
    nameSimilarity(['item', 'order'], ['event', 'order'], idf),
  );
  expect(nameSimilarity(['order', 'type'], ['user', 'type'], idf)).toBeLessThan(0.1);
});

describe('what a relation is', () => {
  const facts = (lines: readonly string[]) => {
    const relations = lines.map((line) => relation(line));
    return readFacts(relations, readNames(relations));
  };

  test('a link table, with the side whose name it carries', () => {
    const found = facts([
      'users: id',
      'groups: id',
      'user_groups: user_id* -> users, group_id* -> groups, created_at',
    ]);
    expect(found.get('public.user_groups')?.links).toEqual({
      owner: 'public.users',
      parents: ['public.users', 'public.groups'],
    });
    const fat = facts(['a: id', 'b: id', 'c: a_id* -> a, b_id* -> b, price, quantity, note']);
    expect(fat.get('public.c')?.links).toBeUndefined();
  });

  test('a link table stays one beside a key that says who wrote it, and where authors are what it links', () => {
    const found = facts([
      'people: id',
      'items: id',
      'groups: id',
      'item_groups: id*, item_id -> items, group_id -> groups, last_edited_by -> people',
      'books: id',
      'authors: id',
      'book_authors: book_id* -> books, author_id* -> authors',
    ]);
    expect(found.get('public.item_groups')?.links?.parents).toEqual(['public.items', 'public.groups']);
    expect(found.get('public.book_authors')?.links?.parents).toEqual(['public.books', 'public.authors']);
  });

  test('a weak entity has one identifying parent', () => {
    const found = facts(['orders: id', 'order_items: order_id* -> orders, line*, quantity']);
    expect(found.get('public.order_items')?.weakOf).toBe('public.orders');
    expect(found.get('public.orders')?.weakOf).toBeUndefined();
  });

  test('history belongs to what it keeps the past of', () => {
    const found = facts(['accounts: id', 'account_history: id', 'audit_accounts: id', 'history: id']);
    expect(found.get('public.account_history')?.historyOf).toBe('public.accounts');
    expect(found.get('public.audit_accounts')?.historyOf).toBe('public.accounts');
    expect(found.get('public.history')?.historyOf).toBeUndefined();
  });

  test('polymorphic pairs', () => {
    const found = facts(['comments: id, commentable_type, commentable_id, author_id -> users', 'users: id']);
    expect(found.get('public.comments')?.polymorphic).toEqual([
      { typeColumn: 'commentable_type', idColumn: 'commentable_id' },
    ]);
  });

  test.each(['created_by', 'updatedBy', 'author_id', 'assignee_id', 'approved_by_user_id'])(
    '%s is an audit column',
    (name) => {
      expect(isAuditColumn(name)).toBe(true);
    },
  );
  test.each(['customer_id', 'authority_id', 'created_at', 'nearby_id'])('%s is none', (name) => {
    expect(isAuditColumn(name)).toBe(false);
  });

  test('a column on many relations separates tenants', () => {
    const relations = Array.from({ length: 20 }, (_, at) =>
      relation(`t${at}: id, tenant_id${at < 3 ? ', rare_id' : ''}`),
    );
    expect([...partitionKeyColumns(relations)]).toEqual(['tenant_id']);
  });
});

describe('references that no key declares', () => {
  const infer = (lines: readonly string[]) => {
    const relations = lines.map((line) => relation(line));
    return inferReferences(relations, readNames(relations)).map(
      ({ child, column, parent, parentColumn }) => `${child}.${column} -> ${parent}.${parentColumn}`,
    );
  };

  test('by the end of the column’s name, singular or plural', () => {
    expect(
      infer(['accounts: id', 'orders: id, account_id, parent_order_id, note', 'boxes: id, billingAccountId']),
    ).toEqual([
      'public.orders.account_id -> public.accounts.id',
      'public.orders.parent_order_id -> public.orders.id',
      'public.boxes.billingAccountId -> public.accounts.id',
    ]);
  });

  test('only where types compare', () => {
    expect(infer(['accounts: id:uuid', 'orders: id, account_id:int8', 'bills: id, account_id:text'])).toEqual(
      ['public.bills.account_id -> public.accounts.id'],
    );
  });

  test('not in a schema that declares its own; data can refute a guess', () => {
    const declared = ['a: id', 'b: id, a_id -> a', 'c: id, b_id -> b', 'd: id, c_id'].map((line) =>
      relation(line),
    );
    expect(
      collectEvidence(schemaOf(declared), NONE).references.every((found) => found.origin === 'declared'),
    ).toBe(true);
    const bare = ['accounts: id', 'orders: id, account_id'].map((line) => relation(line));
    expect(collectEvidence(schemaOf(bare), NONE).references).toMatchObject([{ origin: 'inferred' }]);
    const refuted = { ...NONE, hitRates: new Map([['public.orders.account_id', 0.4]]) };
    expect(collectEvidence(schemaOf(bare), refuted).references).toEqual([]);
  });
});

test('a stronger reference of the same child takes weight from the others', () => {
  const relations = [
    'orders: id',
    'carriers: id',
    'order_labels: id, order_id! -> orders, carrier_id -> carriers',
  ].map((line) => relation(line));
  const references = collectEvidence(schemaOf(relations), NONE).references;
  const carrier = references.find((found) => found.childColumns[0] === 'carrier_id');
  expect(carrier?.reasons.map((reason) => reason.what)).toContain(
    'another reference of the child is stronger',
  );
});

test('a column that bears the name of what it refers to is no audit column', () => {
  const shape = (parent: string) => {
    const relations = ['books: id, author_id! -> ' + parent, `${parent}: id, name`].map((line) =>
      relation(line),
    );
    return collectEvidence(schemaOf(relations), { configured: [], workload: [], hitRates: new Map() })
      .references[0];
  };
  expect(shape('authors')?.traits.isAudit).toBe(false);
  expect(shape('users')?.traits.isAudit).toBe(true);
});
