import { expect, test } from 'vitest';
import { assessFenceRisks, type FenceRisks } from '../../../src/engines/mysql/mysql-fence-assess.js';

const onServer = (account: string, privilege: string): FenceRisks['privileges'][number] => ({
  account,
  privilege,
  on: '*.*',
  level: 'server',
  schema: null,
  table: null,
});

function remedies(...own: readonly string[]): readonly (string | undefined)[] {
  const risks: FenceRisks = {
    service: 'orders',
    self: 'dbps@%',
    setDefiner: 'SET_ANY_DEFINER',
    relations: ['shop.orders'],
    notInnodb: [],
    privileges: [
      onServer("'root'@'localhost'", 'SYSTEM_USER'),
      ...own.map((privilege) => onServer("'dbps'@'%'", privilege)),
    ],
    seesOthers: true,
    members: [],
    connected: [],
    foreignTriggers: [
      { name: 'of_root', relation: 'shop.orders', definer: 'root@localhost' },
      { name: 'of_app', relation: 'shop.orders', definer: 'app@%' },
    ],
    cascades: [],
  };
  return assessFenceRisks(risks)
    .filter(({ code }) => code === 'SEC304')
    .map(({ subject, remedy }) => `${subject}: ${remedy?.replace(/; or .*/, '')}`);
}

test('a trigger of an account with SYSTEM_USER can be made anew only by who has that too', () => {
  expect(remedies()).toEqual([
    "shop.orders of_root: GRANT SET_ANY_DEFINER, SYSTEM_USER ON *.* TO 'dbps'@'%'",
    "shop.orders of_app: GRANT SET_ANY_DEFINER ON *.* TO 'dbps'@'%'",
  ]);
  expect(remedies('SET_ANY_DEFINER')).toEqual([
    "shop.orders of_root: GRANT SYSTEM_USER ON *.* TO 'dbps'@'%'",
  ]);
  expect(remedies('SET_ANY_DEFINER', 'SYSTEM_USER')).toEqual([]);
});
