import { expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import { renderConfig } from '../../../src/config/render.js';

test('what is written can be read, odd names included', () => {
  const text = renderConfig({
    engine: 'postgres',
    urlVariable: 'SHARED_DATABASE_URL',
    schemas: ['public', 'Sales: eu'],
    services: [
      {
        name: 'orders',
        relations: [
          'public.orders',
          'public."a.b"',
          'public.x, y',
          'Sales: eu.yes',
          'public.no',
          'public.#1',
        ],
      },
      { name: 'users-v2', relations: ['public.users'] },
    ],
    shared: [
      { relation: 'public.countries', owner: 'orders' },
      { relation: 'public.units', owner: null },
    ],
  });
  const config = parseConfig('/x/dbps.yaml', text, { USERS_V2_DATABASE_URL: 'postgres://u@h/d' });
  expect(config.services.map((s) => [s.name, s.relations.map((r) => r.id)])).toEqual([
    ['orders', ['public.orders', 'public."a.b"', 'public.x, y', 'Sales: eu.yes', 'public.no', 'public.#1']],
    ['users-v2', ['public.users']],
  ]);
  expect(config.services[1]?.target?.target().host).toBe('h');
  expect(config.shared.map((s) => [s.owner, s.relations.map((r) => r.id)])).toEqual([
    ['orders', ['public.countries']],
    [null, ['public.units']],
  ]);
  expect(config.source.schemas).toEqual(['public', 'Sales: eu']);
});

test('without services the file is valid and says what comes next', () => {
  const text = renderConfig({
    engine: 'mysql',
    urlVariable: 'X',
    schemas: ['shop'],
    services: [],
    shared: [],
  });
  expect(parseConfig('/x/dbps.yaml', text, {}).services).toEqual([]);
  expect(text).toContain('dbps analyze --write');
});
