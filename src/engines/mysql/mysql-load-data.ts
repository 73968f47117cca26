/**
 * LOAD DATA LOCAL from a stream: the fastest way in. LOCAL makes the server go on after rows that it cannot take, with a warning, whatever
 * the session's mode; so warnings and rows are counted, and anything but all rows without a word is an error that names a row.
 *
 * The file is read as bytes. Text arrives in UTF-8 and is told to be so where the column's own character set is another one.
 */
import { Readable } from 'node:stream';
import type mysql from 'mysql2/promise';
import { DatabaseError } from '../../model/errors.js';
import type { Value } from '../engine.js';
import { queryable } from './mysql-connection.js';
import type { TargetTable } from './mysql-sink-table.js';
import { mysqlType } from './mysql-values.js';

/** The least that a server can be told to take is a kilobyte; the least that one runs with is a megabyte. */
const PACKET = 1 << 19;

export function loadDataSql(table: TargetTable): string {
  const written = table.columns.map((column, place) =>
    isTextElsewhere(column) ? `CONVERT(@c${place} USING utf8mb4)` : null,
  );
  // With anything after SET, MariaDB forgets that the file held a zero for the AUTO_INCREMENT column, and makes up a number for it.
  if (written.some((expression) => expression !== null))
    table.columns.forEach((column, place) => {
      if (column.isAutoIncrement) written[place] ??= `@c${place}`;
    });
  const into = table.columns.map(({ name }, place) => (written[place] === null ? name : `@c${place}`));
  const set = table.columns.flatMap(({ name }, place) =>
    written[place] === null ? [] : [`${name} = ${written[place]}`],
  );
  return (
    `LOAD DATA LOCAL INFILE 'dbps' INTO TABLE ${table.name} CHARACTER SET binary ` +
    `FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (${into.join(', ')})` +
    (set.length === 0 ? '' : ` SET ${set.join(', ')}`)
  );
}

/** Bytes in UTF-8 are not yet what the column holds. JSON and the types that are written as text take no bytes at all. */
function isTextElsewhere({ type, characterSet }: TargetTable['columns'][number]): boolean {
  switch (mysqlType(type).kind) {
    case 'text':
    case 'enum':
    case 'set':
      return characterSet !== 'utf8mb4';
    case 'json':
    case 'plain':
      return true;
    default:
      return false;
  }
}

/** @returns rows written: all of them. */
export async function loadData(
  session: mysql.Connection,
  table: TargetTable,
  lines: AsyncIterable<Buffer>,
): Promise<number> {
  const stream = Readable.from(inPackets(lines));
  let result: mysql.ResultSetHeader;
  try {
    [result] = await session.query<mysql.ResultSetHeader>({
      sql: loadDataSql(table),
      infileStreamFactory: () => stream,
    });
  } finally {
    stream.destroy();
  }
  const records = Number(/Records: (\d+)/.exec(result.info)?.[1] ?? Number.NaN);
  if (result.warningStatus === 0 && result.affectedRows === records) return records;
  throw await refused(session, table, records - result.affectedRows);
}

/** A packet of the stream may not be longer than any other packet (max_allowed_packet), whatever the line. */
async function* inPackets(lines: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const bytes of lines) {
    if (bytes.length <= PACKET) yield bytes;
    else for (let at = 0; at < bytes.length; at += PACKET) yield bytes.subarray(at, at + PACKET);
  }
}

async function refused(
  session: mysql.Connection,
  table: TargetTable,
  skipped: number,
): Promise<DatabaseError> {
  const warnings = await queryable(session).query({ sql: 'SHOW WARNINGS LIMIT 3' });
  // Values of rows stay out of messages.
  const said = warnings.map((row) => (row['message'] ?? '').replace(/entry '.*' for key/s, 'entry for key'));
  return new DatabaseError({
    code: 'DBPS_E424',
    message: `${table.map.target} did not take every row as it is (${skipped} refused): ${said.join('; ')}`,
    hint: 'if rows are in the way: dbps status; if the shape differs: dbps plan diff',
  });
}

const TAB = 9;
const NEWLINE = 10;
const BACKSLASH = 92;
const ESCAPED = /[\\\t\n]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n' };

/** Rows of canonical text as lines for LOAD DATA: text as it is, binary values as bytes. */
export function linesOf(table: TargetTable, rows: readonly (readonly Value[])[]): Buffer {
  const parts: Buffer[] = [];
  let text = '';
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i] as string | null;
      if (i > 0) text += '\t';
      if (value === null) {
        text += '\\N';
        continue;
      }
      const bytesOf = table.columns[i]?.toBytes ?? null;
      if (bytesOf === null) {
        text += value.replace(ESCAPED, (character) => ESCAPES[character] as string);
      } else {
        parts.push(Buffer.from(text, 'utf8'), escapedBytes(bytesOf(value)));
        text = '';
      }
    }
    text += '\n';
  }
  return Buffer.concat([...parts, Buffer.from(text, 'utf8')]);
}

function escapedBytes(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(2 * bytes.length);
  let to = 0;
  for (const byte of bytes) {
    if (byte === BACKSLASH || byte === TAB || byte === NEWLINE) {
      out[to++] = BACKSLASH;
      out[to++] = byte === TAB ? 116 : byte === NEWLINE ? 110 : BACKSLASH; // \t \n \\
    } else out[to++] = byte;
  }
  return out.subarray(0, to);
}
