/** Loads a script that was written for the mysql client: statements that end with their line, DELIMITER, a database of another name. */
import fs from 'node:fs';
import type { ShopConnection } from '../../src/demo/shop-connection.js';

export async function loadMysqlFile(
  { query }: ShopConnection,
  file: string,
  leaveOut: readonly RegExp[],
): Promise<void> {
  let sql = fs
    .readFileSync(file, 'utf8')
    .replaceAll('\r\n', '\n')
    .replace(/^\uFEFF/, '');
  for (const pattern of leaveOut) sql = sql.replaceAll(pattern, '');
  let delimiter = ';';
  let statement = '';
  for (const line of sql.split('\n')) {
    const named = /^\s*DELIMITER\s+(\S+)/i.exec(line)?.[1];
    if (named !== undefined) {
      delimiter = named;
      continue;
    }
    statement += `${line}\n`;
    const written = statement.trimEnd();
    if (!written.endsWith(delimiter)) continue;
    await query(written.slice(0, -delimiter.length));
    statement = '';
  }
}
