import { expect, test } from 'vitest';
import { createTestDatabase } from '../support/postgres.js';

test('the test role is not a superuser, and the server keeps a logical log', async () => {
  const database = await createTestDatabase('legacy');
  const [role] = await database.query(
    'SELECT rolsuper, rolreplication FROM pg_roles WHERE rolname = current_user',
  );
  const [level] = await database.query('SHOW wal_level');
  expect(role).toEqual({ rolsuper: false, rolreplication: true });
  expect(level).toEqual({ wal_level: 'logical' });
  await database.drop();
});
