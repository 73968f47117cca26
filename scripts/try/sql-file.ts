/** Loads a script that was written for psql: COPY blocks with their rows, no meta commands, another owner. */
import fs from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

export interface SqlFileOptions {
  readonly owner: string;
  /** Statements that this file has no use for here, each with the reason in the data set's description. */
  readonly leaveOut?: readonly RegExp[];
  readonly replace?: readonly (readonly [RegExp, string])[];
}

export async function loadSqlFile(client: pg.Client, file: string, options: SqlFileOptions): Promise<void> {
  let sql = fs
    .readFileSync(file, 'utf8')
    .replaceAll('\r\n', '\n')
    .replace(/^\uFEFF/, '')
    .replaceAll(/OWNER TO postgres/g, `OWNER TO ${options.owner}`)
    .replaceAll(/^\\(?!\.)[^\n]*$/gm, '');
  for (const pattern of options.leaveOut ?? []) sql = sql.replaceAll(pattern, '');
  for (const [pattern, text] of options.replace ?? []) sql = sql.replaceAll(pattern, text);
  const copy = /^(COPY [^;]*FROM stdin;)\n((?:(?!\\\.\n)[^\n]*\n)*)\\\.\n/gm;
  let end = 0;
  for (let match = copy.exec(sql); match !== null; match = copy.exec(sql)) {
    await run(client, sql.slice(end, match.index));
    const stream = client.query(copyFrom((match[1] as string).replace(/;$/, '')));
    await pipeline(Readable.from([match[2] as string]), stream);
    end = copy.lastIndex;
  }
  await run(client, sql.slice(end));
}

async function run(client: pg.Client, sql: string): Promise<void> {
  if (sql.replaceAll(/--[^\n]*/g, '').trim() !== '') await client.query(sql);
}
