/**
 * Characters in the binary log stand in their column's own set. Unicode forms and latin1 are read here; every other set of one byte a
 * character is asked for once, of the server, so that both sides of the move mean the same by each byte. Sets of two bytes a character are
 * refused: no table that we could carry is the server's own.
 */
import { isUtf8 } from 'node:buffer';
import type { MysqlPool } from './mysql-connection.js';

export type ReadText = (bytes: Buffer) => string;

const UNDECODABLE = ['big5', 'cp932', 'eucjpms', 'euckr', 'gb18030', 'gb2312', 'gbk', 'sjis', 'ujis'];

/** Character sets whose columns the log does not give exactly. */
export function isReadableCharset(charset: string): boolean {
  return !UNDECODABLE.includes(charset);
}

const utf8: ReadText = (bytes) => {
  const text = bytes.toString('utf8');
  // The mark that stands for bytes that are no text: unless it was written itself, something would be lost without a word.
  if (text.includes('\ufffd') && !isUtf8(bytes)) throw new Error('bytes that are not UTF-8');
  return text;
};

const swapped = (bytes: Buffer, width: number): Buffer => {
  const copy = Buffer.from(bytes);
  return width === 2 ? copy.swap16() : copy.swap32();
};

const utf32: ReadText = (bytes) => {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4) text += String.fromCodePoint(bytes.readUInt32BE(at));
  return text;
};

const FIXED: Readonly<Record<string, ReadText>> = {
  utf8: utf8,
  utf8mb3: utf8,
  utf8mb4: utf8,
  ascii: (bytes) => bytes.toString('latin1'),
  ucs2: (bytes) => swapped(bytes, 2).toString('utf16le'),
  utf16: (bytes) => swapped(bytes, 2).toString('utf16le'),
  utf16le: (bytes) => bytes.toString('utf16le'),
  utf32,
};

export class Charsets {
  readonly #pool: Pick<MysqlPool, 'query'>;
  readonly #tables = new Map<string, ReadText>();

  constructor(pool: Pick<MysqlPool, 'query'>) {
    this.#pool = pool;
  }

  /** @throws Error for a set that is not readable. */
  async reader(charset: string): Promise<ReadText> {
    const known = FIXED[charset] ?? this.#tables.get(charset);
    if (known !== undefined) return known;
    if (!/^[a-z0-9]+$/.test(charset) || !isReadableCharset(charset))
      throw new Error(`character set ${charset} is not read from the log`);
    const all = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join('');
    const [row] = await this.#pool.query(`SELECT CONVERT(_${charset} x'${all}' USING utf8mb4) AS characters`);
    const characters = [...(row?.['characters'] ?? '')];
    if (characters.length !== 256) throw new Error(`character set ${charset} has no table of 256 characters`);
    const read: ReadText = (bytes) => {
      let text = '';
      for (const byte of bytes) text += characters[byte] as string;
      return text;
    };
    this.#tables.set(charset, read);
    return read;
  }
}
