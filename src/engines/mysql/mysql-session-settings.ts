/** Variables under which the body of a routine, event or trigger is read: the server keeps them with it. */
import type mysql from 'mysql2/promise';
import { quoteIdentifier } from './mysql-sql.js';

/** @param settings by name, as the model keeps them; what they were is put back after the work, whatever its end */
export async function withSessionSettings<T>(
  session: mysql.Connection,
  settings: Readonly<Record<string, string>> | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const names = Object.keys(settings ?? {});
  if (settings === undefined || names.length === 0) return work();
  const set = (values: Readonly<Record<string, unknown>>) =>
    session.query(
      `SET ${names.map((name) => `SESSION ${quoteIdentifier(name)} = ?`).join(', ')}`,
      names.map((name) => values[name]),
    );
  const [[before]] = await session.query<mysql.RowDataPacket[]>(
    `SELECT ${names.map((name) => `@@SESSION.${quoteIdentifier(name)} AS ${quoteIdentifier(name)}`).join(', ')}`,
  );
  await set(settings);
  try {
    return await work();
  } finally {
    await set(before ?? {}).catch(() => session.destroy());
  }
}
