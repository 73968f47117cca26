/** Judgements about a server of the MySQL family, from literals. */
import { expect, test } from 'vitest';
import { accountOf, coversSchema, userOf } from '../../../src/engines/mysql/mysql-accounts.js';
import { replacement } from '../../../src/engines/mysql/mysql-cascades.js';
import { missingPrivileges, parseGrant } from '../../../src/engines/mysql/mysql-grants.js';
import type { ServerFacts } from '../../../src/engines/mysql/mysql-preflight-facts.js';
import {
  assessConnection,
  assessServer,
  assessTransactions,
  assessTriggerCreation,
} from '../../../src/engines/mysql/mysql-preflight-judgement.js';
import { FINDING_CODES } from '../../../src/model/codes/index.js';

const server = (
  settings: Readonly<Record<string, string>> = {},
  more: Partial<ServerFacts> = {},
): ServerFacts => ({
  product: 'MySQL',
  version: 80_036,
  versionText: '8.0.36',
  account: 'dbps@%',
  database: 'shop',
  writers: 1,
  ...more,
  settings: new Map(
    Object.entries({
      log_bin: 'ON',
      binlog_format: 'ROW',
      binlog_row_image: 'FULL',
      server_id: '1',
      max_allowed_packet: '67108864',
      innodb_lock_wait_timeout: '50',
      log_bin_trust_function_creators: 'ON',
      ...settings,
    }),
  ),
});
const codes = (facts: ServerFacts, role: 'source' | 'target' = 'source') =>
  assessServer(facts, role, {}).flatMap(({ finding }) =>
    finding === undefined ? [] : [`${finding.code} ${finding.severity}`],
  );

test('a server that is set up well gives no finding', () => {
  expect(codes(server())).toEqual([]);
});

test.each([
  ['RPL120 error', { log_bin: 'OFF', binlog_format: 'MIXED' }],
  ['RPL121 error', { binlog_format: 'MIXED' }],
  ['RPL122 error', { binlog_row_image: 'MINIMAL' }],
  ['RPL123 error', { binlog_row_value_options: 'PARTIAL_JSON' }],
  ['RPL124 error', { binlog_transaction_compression: 'ON' }],
  ['RPL125 error', { server_id: '0' }],
  ['RPL126 note', { gtid_mode: 'OFF' }],
  ['RPL127 warning', { binlog_expire_logs_seconds: '3600' }],
  ['RPL127 warning', { expire_logs_days: '1' }],
  ['RPL129 warning', { max_allowed_packet: '1048576' }],
  ['RPL130 warning', { innodb_lock_wait_timeout: '5' }],
  ['RPL107 error', { read_only: 'ON' }],
])('%s for %o, with the setting and a remedy', (code, settings) => {
  expect(codes(server(settings))).toEqual([code]);
  const [found] = assessServer(server(settings), 'source', {}).flatMap(({ finding }) => finding ?? []);
  expect(FINDING_CODES[found?.code ?? '']).toBeDefined();
  expect(found?.remedy).toBeTruthy();
  if (code !== 'RPL107 error') expect(found?.remedy).toMatch(/restart/);
});

test('an old server, a cluster, LOAD DATA', () => {
  expect(codes(server({}, { version: 50_744 }))).toEqual(['RPL110 error']);
  expect(codes(server({}, { product: 'MariaDB', version: 100_409 }))).toEqual(['RPL110 error']);
  expect(codes(server({}, { writers: 3 }))).toEqual(['RPL132 error']);
  expect(codes(server({ local_infile: 'OFF' }), 'source')).toEqual([]);
  expect(codes(server({ local_infile: 'OFF' }), 'target')).toEqual(['RPL131 note']);
});

test('triggers need trust, SUPER, or no log', () => {
  const off = server({ log_bin_trust_function_creators: 'OFF' });
  expect(assessTriggerCreation(off, false, {}).finding?.code).toBe('RPL128');
  expect(assessTriggerCreation(off, true, {}).outcome).toBe('ok');
  expect(
    assessTriggerCreation(server({ log_bin_trust_function_creators: 'OFF', log_bin: 'OFF' }), false, {})
      .outcome,
  ).toBe('ok');
});

test('a proxy is told by its name or by the numbers of connections', () => {
  const outcome = (greeted: number | null, ran: readonly number[], more: Partial<ServerFacts> = {}) =>
    assessConnection({ greeted, ran }, server({}, more), {}).outcome;
  expect(outcome(7, [7])).toBe('ok');
  expect(outcome(7, [12])).toBe('problem');
  expect(outcome(7, [7, 8])).toBe('problem');
  expect(outcome(7, [7], { versionText: '8.0.27 (ProxySQL)' })).toBe('problem');
});

test('transactions: prepared ones stand in the way, a privilege may be missing to see them', () => {
  expect(assessTransactions({ long: [], prepared: ['x1'] }, {}).map(({ finding }) => finding?.code)).toEqual([
    'RPL109',
  ]);
  expect(
    assessTransactions({ long: [{ id: 3, user: 'app', ageMs: 120_000 }], prepared: [] }, {})[0]?.finding
      ?.code,
  ).toBe('RPL108');
  expect(assessTransactions({ long: [], prepared: null }, {})[0]?.outcome).toBe('unknown');
});

test('grants are read as the server prints them, without what they show of a password', () => {
  const grant = parseGrant(
    "GRANT SELECT, INSERT (`a`, `b`), TRIGGER ON `sh``op`.`ord``ers` TO `dbps`@`%` IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION",
  );
  expect(grant?.schema).toBe('sh`op');
  expect(grant?.table).toBe('ord`ers');
  expect([...(grant?.privileges ?? [])]).toEqual(['SELECT', 'INSERT (COLUMNS)', 'TRIGGER', 'GRANT OPTION']);
  expect(JSON.stringify([...(grant?.privileges ?? [])])).not.toContain('*AB');
  expect(parseGrant('GRANT `reader`@`%` TO `dbps`@`%`')).toBeNull();
  expect(parseGrant('GRANT PROXY ON `a`@`b` TO `dbps`@`%`')).toBeNull();
});

test('what is missing, level by level', () => {
  const grants = [
    'GRANT PROCESS, REPLICATION REPLICA, BINLOG MONITOR ON *.* TO `d`@`%`',
    'GRANT SELECT, UPDATE ON `shop\\_%`.* TO `d`@`%`',
    'GRANT TRIGGER ON `shop_a`.`orders` TO `d`@`%`',
    'GRANT ALL PRIVILEGES ON `dbps`.* TO `d`@`%`',
  ].flatMap((line) => parseGrant(line) ?? []);
  expect(
    missingPrivileges(grants, ['PROCESS', 'REPLICATION SLAVE', 'REPLICATION CLIENT', 'SUPER'], null),
  ).toEqual(['SUPER']);
  expect(missingPrivileges(grants, ['SELECT', 'TRIGGER'], { schema: 'shop_a' })).toEqual(['TRIGGER']);
  expect(missingPrivileges(grants, ['SELECT', 'TRIGGER'], { schema: 'shop_a', table: 'orders' })).toEqual([]);
  // The backslash makes the underscore a letter.
  expect(missingPrivileges(grants, ['SELECT'], { schema: 'shopXa' })).toEqual(['SELECT']);
  expect(missingPrivileges(grants, ['DROP'], { schema: 'dbps' })).toEqual([]);
  // ALL does not hold it.
  expect(missingPrivileges(grants, ['GRANT OPTION'], { schema: 'dbps' })).toEqual(['GRANT OPTION']);
});

test('accounts and patterns of databases', () => {
  expect(accountOf("o'hara@10.%")).toBe("'o''hara'@'10.%'");
  expect(userOf("'o''hara'@'10.%'")).toBe("o'hara");
  expect([coversSchema('shop', 'shop'), coversSchema('sho_', 'shop'), coversSchema('a.b', 'axb')]).toEqual([
    true,
    true,
    false,
  ]);
  expect([coversSchema('t\\_%', 't_1'), coversSchema('t\\_%', 'tx1'), coversSchema(null, 'any')]).toEqual([
    true,
    false,
    true,
  ]);
});

test('a cascade is replaced by a trigger whose statement is logged, and a key without the action', () => {
  const key = {
    relation: 'shop.items',
    name: 'items_ibfk_1',
    definition: '',
    columns: ['order_id'],
    parent: 'shop.orders',
    parentColumns: ['id'],
    onDelete: 'CASCADE',
    onUpdate: 'RESTRICT',
  };
  const [trigger, drop, add] = replacement(key);
  expect(trigger).toMatch(
    /^CREATE TRIGGER `shop`\.`[^`]+` BEFORE DELETE ON `shop`\.`orders` FOR EACH ROW DELETE FROM `shop`\.`items` WHERE `order_id` = OLD\.`id`;$/,
  );
  expect(drop).toBe('ALTER TABLE `shop`.`items` DROP FOREIGN KEY `items_ibfk_1`;');
  expect(add).not.toContain('CASCADE');
  expect(replacement({ ...key, onDelete: 'SET NULL' })[0]).toContain('SET `order_id` = NULL');
});
