import { expect, test } from 'vitest';
import { BoundaryDraft } from '../../src/model/boundary-draft.js';

const service = (name: string, relations: string[]) => ({
  name,
  relations,
  rows: null,
  bytes: null,
  cohesion: 1,
  referencesIn: 0,
  referencesOut: 0,
});
const reference = (child: string, parent: string, cost: number) => ({
  child,
  parent,
  cost,
  childColumns: ['x'],
  parentColumns: ['id'],
  origin: 'declared' as const,
  weight: 1,
  reasons: [],
  replacement: '',
  copyColumns: [],
});

const analysis = {
  services: [service('orders', ['orders', 'items']), service('users', ['users'])],
  references: [reference('orders', 'users', 2), reference('items', 'orders', 5)],
  objects: [],
} as unknown as ConstructorParameters<typeof BoundaryDraft>[0];

test('a move says beforehand what it will cost, and can be taken back', () => {
  const draft = new BoundaryDraft(analysis);
  expect(draft.price()).toEqual({ price: 2, crossings: 1 });
  expect(draft.choices('orders')).toEqual([{ service: 'users', change: 3 }]);
  draft.move(['orders'], 'users');
  expect(draft.price()).toEqual({ price: 5, crossings: 1 });
  expect([...draft.services()]).toEqual([
    ['orders', ['items']],
    ['users', ['orders', 'users']],
  ]);
  expect(draft.undo()).toBe(true);
  expect(draft.price().price).toBe(2);
  expect(draft.undo()).toBe(false);
});

test('a service that has lost its last relation is gone; a new name keeps the relations', () => {
  const draft = new BoundaryDraft(analysis);
  draft.move(['users'], 'orders');
  expect([...draft.services().keys()]).toEqual(['orders']);
  draft.rename('orders', 'shop');
  expect([...draft.services()]).toEqual([['shop', ['items', 'orders', 'users']]]);
  expect(draft.price()).toEqual({ price: 0, crossings: 0 });
});
