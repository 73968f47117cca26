/**
 * A digest of rows in no order: the sum, in four 32-bit lanes, of each row's SHA-256. Two reads of a table give its rows in different orders; a
 * sum (unlike an exclusive or) does not lose a row that is there twice. Takes COPY text as it streams, a row a line.
 */
import { createHash } from 'node:crypto';

const NEWLINE = 0x0a;

export class RowDigest {
  rows = 0;
  bytes = 0;
  readonly #lanes = new Uint32Array(4);
  #rest: Buffer[] = [];

  update(data: Buffer): void {
    this.bytes += data.length;
    let from = 0;
    for (let end = data.indexOf(NEWLINE); end !== -1; end = data.indexOf(NEWLINE, from)) {
      const line = data.subarray(from, end);
      this.#add(this.#rest.length === 0 ? line : Buffer.concat([...this.#rest, line]));
      this.#rest = [];
      from = end + 1;
    }
    // A copy: the reader may use its buffer again.
    if (from < data.length) this.#rest.push(Buffer.from(data.subarray(from)));
  }

  #add(line: Buffer): void {
    this.rows++;
    const hash = createHash('sha256').update(line).digest();
    for (let lane = 0; lane < 4; lane++)
      this.#lanes[lane] = ((this.#lanes[lane] as number) + hash.readUInt32BE(lane * 4)) >>> 0;
  }

  /** 32 hex digits and the number of rows. */
  digest(): string {
    const sums = [...this.#lanes].map((lane) => lane.toString(16).padStart(8, '0')).join('');
    return `${sums}-${this.rows}`;
  }
}
