/** Errors as mysql2 gives them, in dbps's own terms. */
import { expect, test } from 'vitest';
import { describeEngineError } from '../../../src/engines/registry.js';
import { connectError, errorNumber, isLost } from '../../../src/engines/mysql/mysql-errors.js';
import { ConnectionTarget } from '../../../src/model/connection-target.js';
import { FENCE_SQLSTATE } from '../../../src/model/fence-error.js';

const server = (errno: number, code: string, sqlState: string, message: string) =>
  Object.assign(new Error(message), { errno, code, sqlState, sqlMessage: message });

test.each([
  [1045, 'ER_ACCESS_DENIED_ERROR', '28000', 'DBPS_E402'],
  [1049, 'ER_BAD_DB_ERROR', '42000', 'DBPS_E404'],
  [1044, 'ER_DBACCESS_DENIED_ERROR', '42000', 'DBPS_E405'],
  [1142, 'ER_TABLEACCESS_DENIED_ERROR', '42000', 'DBPS_E405'],
  [1227, 'ER_SPECIFIC_ACCESS_DENIED_ERROR', '42000', 'DBPS_E405'],
  [1419, 'ER_BINLOG_CREATE_ROUTINE_NEED_SUPER', 'HY000', 'DBPS_E405'],
  [1040, 'ER_CON_COUNT_ERROR', '08004', 'DBPS_E407'],
  [1021, 'ER_DISK_FULL', 'HY000', 'DBPS_E408'],
  [1205, 'ER_LOCK_WAIT_TIMEOUT', 'HY000', 'DBPS_E415'],
  [1213, 'ER_LOCK_DEADLOCK', '40001', 'DBPS_E415'],
  [1053, 'ER_SERVER_SHUTDOWN', '08S01', 'DBPS_E409'],
  [1927, 'ER_CONNECTION_KILLED', '70100', 'DBPS_E409'],
  [1836, 'ER_READ_ONLY_MODE', 'HY000', 'DBPS_E413'],
  [1146, 'ER_NO_SUCH_TABLE', '42S02', 'DBPS_E414'],
])('%i %s is %s', (errno, code, state, expected) => {
  const described = describeEngineError(server(errno, code, state, 'the words of the server'));
  expect(described).toMatchObject({
    code: expected,
    message: expect.stringContaining('the words of the server') as string,
  });
  expect(described?.hint).toBeTruthy();
});

test('a server that takes encrypted connections only: the setting that encrypts is named', () => {
  const words = 'Connections using insecure transport are prohibited while --require_secure_transport=ON.';
  expect(describeEngineError(server(3159, 'ER_SECURE_TRANSPORT_REQUIRED', 'HY000', words))).toMatchObject({
    code: 'DBPS_E402',
    hint: expect.stringContaining('sslmode=require') as string,
  });
});

test('what one number means in several ways is told by its words', () => {
  const code = (errno: number, message: string) =>
    describeEngineError(server(errno, 'ER_X', 'HY000', message))?.code;
  expect(
    code(1290, 'The MariaDB server is running with the --read-only option so it cannot execute this'),
  ).toBe('DBPS_E413');
  expect(
    code(1290, 'The MySQL server is running with the --skip-grant-tables option so it cannot execute this'),
  ).toBe('DBPS_E406');
  expect(code(1030, 'Got error 28 "No space left on device" from storage engine')).toBe('DBPS_E408');
  expect(code(1030, 'Got error 122 from storage engine')).toBe('DBPS_E414');
});

test('values of rows stay out of the message', () => {
  const described = describeEngineError(
    server(1062, 'ER_DUP_ENTRY', '23000', "Duplicate entry 'secret@example.org' for key 'users.email'"),
  );
  expect(described?.message).not.toContain('secret');
  expect(described?.message).toContain('users.email');
});

test("a fence's refusal says where the writes go", () => {
  const refused = server(
    1644,
    'ER_SIGNAL_EXCEPTION',
    FENCE_SQLSTATE,
    'dbps: writes of orders go to service; x',
  );
  expect(describeEngineError(refused)).toMatchObject({ code: 'DBPS_E412', family: 'refused' });
});

test('a lost connection is told from an answer', () => {
  const driver = (code: string) => Object.assign(new Error('gone'), { code, fatal: true });
  expect(isLost(driver('PROTOCOL_CONNECTION_LOST'))).toBe(true);
  expect(isLost(driver('ECONNRESET'))).toBe(true);
  expect(isLost(new Error("Can't add new command when connection is in closed state"))).toBe(true);
  expect(isLost(server(1205, 'ER_LOCK_WAIT_TIMEOUT', 'HY000', 'Lock wait timeout exceeded'))).toBe(false);
  expect(isLost(new Error('something else'))).toBe(false);
  expect(describeEngineError(driver('PROTOCOL_CONNECTION_LOST'))?.code).toBe('DBPS_E409');
});

test('connecting fails in terms of the target, without its password', () => {
  const target = new ConnectionTarget({
    engine: 'mysql',
    host: 'db.internal',
    port: 3306,
    user: 'dbps',
    database: 'shop',
    password: async () => 'p#ss/w?rd@%',
    tls: false,
    parameters: {},
  });
  const error = connectError(
    Object.assign(new Error('x'), { code: 'ECONNREFUSED', syscall: 'connect' }),
    target,
  );
  expect(error).toMatchObject({ code: 'DBPS_E401' });
  expect(error.message).toContain('db.internal:3306/shop');
  expect(error.message).not.toContain('p#ss');
});

test('the server’s number is known, whether or not the driver has a name for it', () => {
  const said = (fields: object) => Object.assign(new Error('Invalid role specification'), fields);
  expect(errorNumber(said({ errno: 1062, code: 'ER_DUP_ENTRY', sqlState: '23000' }))).toBe(1062);
  // MariaDB's own, from 1900 on.
  expect(errorNumber(said({ errno: 1959, code: undefined, sqlState: 'OP000' }))).toBe(1959);
  expect(errorNumber(said({ errno: -104, code: 'ECONNRESET' }))).toBeUndefined();
});
