/** The decoder against an encoder written from the manual: whatever a server may send comes back as it was. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UNCHANGED, type Value } from '../../../src/engines/engine.js';
import { parseLsn, readLsn } from '../../../src/engines/postgres/postgres-lsn.js';
import {
  decodePgoutput,
  rowRelation,
  type RelationMessage,
} from '../../../src/engines/postgres/postgres-pgoutput.js';

const u8 = (n: number) => Buffer.from([n]);
const u16 = (n: number) => {
  const b = Buffer.alloc(2);
  b.writeUInt16BE(n);
  return b;
};
const u32 = (n: number) => {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(n);
  return b;
};
const u64 = (n: bigint) => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64BE(n);
  return b;
};
const text = (s: string) => Buffer.concat([Buffer.from(s), u8(0)]);
const tuple = (values: readonly Value[]) =>
  Buffer.concat([
    u16(values.length),
    ...values.map((v) => {
      if (v === null) return Buffer.from('n');
      if (v === UNCHANGED) return Buffer.from('u');
      const bytes = Buffer.from(v);
      return Buffer.concat([Buffer.from('t'), u32(bytes.length), bytes]);
    }),
  ]);

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.constant(UNCHANGED as Value),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);
const values = fc.array(value, { maxLength: 12 });
const oid = fc.integer({ min: 1, max: 0xffff_ffff });
const lsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((s) => !s.includes('\0'));

test('rows come back value for value, null and unchanged apart from the empty text', () => {
  fc.assert(
    fc.property(oid, values, values, (id, before, after) => {
      const insert = Buffer.concat([u8(0x49), u32(id), Buffer.from('N'), tuple(after)]);
      expect(rowRelation(insert)).toBe(id);
      expect(decodePgoutput(insert)).toEqual({ kind: 'insert', oid: id, values: after });
      const update = (which: 'K' | 'O' | null) =>
        decodePgoutput(
          Buffer.concat([
            u8(0x55),
            u32(id),
            ...(which === null ? [] : [Buffer.from(which), tuple(before)]),
            Buffer.from('N'),
            tuple(after),
          ]),
        );
      const updated = { kind: 'update', oid: id, values: after, old: null, oldIdentity: null };
      expect(update(null)).toEqual(updated);
      expect(update('K')).toEqual({ ...updated, oldIdentity: before });
      expect(update('O')).toEqual({ ...updated, old: before });
      expect(decodePgoutput(Buffer.concat([u8(0x44), u32(id), Buffer.from('K'), tuple(before)]))).toEqual({
        kind: 'delete',
        oid: id,
        old: before,
      });
    }),
  );
});

test('transactions carry their positions and the instant of their commit', () => {
  fc.assert(
    fc.property(lsn, lsn, fc.integer({ min: 0, max: 4_000_000_000_000 }), (commit, end, atMs) => {
      const micros = BigInt(atMs - 946_684_800_000) * 1000n + 777n;
      const time = Buffer.alloc(8);
      time.writeBigInt64BE(micros);
      const begin = decodePgoutput(Buffer.concat([u8(0x42), u64(commit), time, u32(7)]));
      if (begin.kind !== 'begin') throw new Error(begin.kind);
      expect(parseLsn(begin.commit)).toBe(commit);
      expect(Math.abs(begin.committedAtMs - atMs)).toBeLessThanOrEqual(1);
      const done = decodePgoutput(Buffer.concat([u8(0x43), u8(0), u64(commit), u64(end), time]));
      if (done.kind !== 'commit') throw new Error(done.kind);
      expect([parseLsn(done.commit), parseLsn(done.end)]).toEqual([commit, end]);
      expect(readLsn(u64(end), 0)).toBe(done.end);
    }),
  );
});

test('a relation is described with names as they are', () => {
  const column = fc.record({ name, isIdentity: fc.boolean(), type: oid });
  const relation: fc.Arbitrary<RelationMessage> = fc.record({
    oid,
    schema: name,
    name,
    identity: fc.constantFrom('d', 'n', 'f', 'i'),
    columns: fc.array(column, { maxLength: 8 }),
  });
  fc.assert(
    fc.property(relation, (r) => {
      const message = Buffer.concat([
        u8(0x52),
        u32(r.oid),
        text(r.schema),
        text(r.name),
        Buffer.from(r.identity),
        u16(r.columns.length),
        ...r.columns.flatMap((c) => [u8(c.isIdentity ? 1 : 0), text(c.name), u32(c.type), u32(0xffff_ffff)]),
      ]);
      expect(decodePgoutput(message)).toEqual({ kind: 'relation', relation: r });
    }),
  );
});

test('truncate names every relation; bytes that are no message are refused', () => {
  expect(decodePgoutput(Buffer.concat([u8(0x54), u32(2), u8(1), u32(5), u32(6)]))).toEqual({
    kind: 'truncate',
    oids: [5, 6],
  });
  expect(decodePgoutput(Buffer.from('M...'))).toEqual({ kind: 'other', tag: 'M' });
  expect(() => decodePgoutput(Buffer.from('S...'))).toThrow(RangeError);
  const cut = Buffer.concat([u8(0x49), u32(1), Buffer.from('N'), u16(1), Buffer.from('t'), u32(50), u8(65)]);
  expect(() => decodePgoutput(cut)).toThrow(/beyond its message/);
});
