import { expect, test } from 'vitest';
import { FENCE_SQLSTATE } from '../../src/model/fence-error.js';
import { fateOf, isRouteDenied, isRouteTableMissing } from '../../src/router/driver-errors.js';

test('an error says what became of the statement, whichever driver and however knex words it', () => {
  const say = (message: string, more: object = {}) => fateOf(Object.assign(new Error(message), more));
  expect(say('refused', { code: FENCE_SQLSTATE })).toBe('fenced');
  expect(say('refused', { code: 'ER_SIGNAL_EXCEPTION', sqlState: FENCE_SQLSTATE })).toBe('fenced');
  expect(say('nextval: reached maximum value', { code: '2200H' })).toBe('moved');
  expect(say('terminating connection', { code: '57P01' })).toBe('lost');
  expect(say('connect', { code: 'ECONNREFUSED' })).toBe('lost');
  expect(say('closed', { code: 'PROTOCOL_CONNECTION_LOST' })).toBe('lost');
  expect(say('Connection was killed', { code: 'ER_CONNECTION_KILLED', sqlState: '70100' })).toBe('lost');
  expect(say('Connection was killed', { errno: 1927, sqlState: '70100' })).toBe('lost');
  expect(say("Can't add new command when connection is in closed state")).toBe('lost');
  expect(say('no such table', { code: 'ER_NO_SUCH_TABLE', sqlState: '42S02' })).toBe('moved');
  expect(say('Duplicate entry', { code: 'ER_DUP_ENTRY', sqlState: '23000' })).toBe('other');
  expect(say('Query execution was interrupted', { code: 'ER_QUERY_INTERRUPTED', sqlState: '70100' })).toBe(
    'other',
  );
  expect(say('Connection terminated unexpectedly')).toBe('lost');
  expect(
    say('update "a" set "b" = $1 - Client has encountered a connection error and is not queryable'),
  ).toBe('lost');
  expect(say('deadlock detected', { code: '40P01' })).toBe('deadlock');
  expect(say('Deadlock found', { code: 'ER_LOCK_DEADLOCK', errno: 1213, sqlState: '40001' })).toBe(
    'deadlock',
  );
  expect(say('Lock wait timeout', { code: 'ER_LOCK_WAIT_TIMEOUT', sqlState: 'HY000' })).toBe('other');
  expect(say('duplicate key', { code: '23505' })).toBe('other');
  // A value that quotes the words is not a lost connection: the server answered with a state.
  expect(say('insert - Connection terminated', { code: '22001' })).toBe('other');
  expect(fateOf(undefined)).toBe('other');
});

test('a database without a route is told from one that cannot be asked', () => {
  for (const code of ['42P01', '3F000', 'ER_NO_SUCH_TABLE', 'ER_BAD_DB_ERROR', 'ER_TABLEACCESS_DENIED_ERROR'])
    expect(isRouteTableMissing({ code }), code).toBe(true);
  expect(isRouteTableMissing({ code: 'ECONNREFUSED' })).toBe(false);
  // Before dbps has begun; or its account may not read: told, and the fence decides.
  expect(isRouteDenied({ code: 'ER_TABLEACCESS_DENIED_ERROR' })).toBe(true);
  expect(isRouteDenied({ code: 'ER_NO_SUCH_TABLE' })).toBe(false);
});
