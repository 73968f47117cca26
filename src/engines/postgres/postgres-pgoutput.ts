/**
 * The messages of pgoutput, protocol version 1 (PostgreSQL manual, "Logical Replication Message Formats"). Pure: bytes in, plain
 * data out, no state. Version 1 sends whole committed transactions and nothing of those that abort, so that a reader never has to
 * take back what it has already handed on.
 *
 * Values are the server's own text. A value stored out of line that an update did not touch is not in the log: UNCHANGED.
 */
import { UNCHANGED, type Position, type Value } from '../engine.js';
import { readLsn } from './postgres-lsn.js';

/** 2000-01-01 in milliseconds since 1970. */
const EPOCH_MS = 946_684_800_000;

export interface RelationColumn {
  readonly name: string;
  /** Part of the replica identity; under REPLICA IDENTITY FULL every column is, so this does not name the key (H12). */
  readonly isIdentity: boolean;
  readonly type: number;
}

export interface RelationMessage {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly identity: string;
  readonly columns: readonly RelationColumn[];
}

export type PgoutputMessage =
  | { readonly kind: 'begin'; readonly commit: Position; readonly committedAtMs: number }
  | { readonly kind: 'commit'; readonly commit: Position; readonly end: Position }
  | { readonly kind: 'relation'; readonly relation: RelationMessage }
  | { readonly kind: 'insert'; readonly oid: number; readonly values: Value[] }
  | {
      readonly kind: 'update';
      readonly oid: number;
      /** The whole old row, under REPLICA IDENTITY FULL. */
      readonly old: Value[] | null;
      /** The old row's identity columns (others null), when one of them changed. */
      readonly oldIdentity: Value[] | null;
      readonly values: Value[];
    }
  | { readonly kind: 'delete'; readonly oid: number; readonly old: Value[] }
  | { readonly kind: 'truncate'; readonly oids: readonly number[] }
  /** Type, origin and message: nothing that a reader of rows acts on. */
  | { readonly kind: 'other'; readonly tag: string };

/** First byte of a message: what a reader can decide by without decoding it. */
export const TAG = {
  begin: 0x42,
  commit: 0x43,
  relation: 0x52,
  insert: 0x49,
  update: 0x55,
  delete: 0x44,
  truncate: 0x54,
} as const;

const NULL = 0x6e;
const UNCHANGED_TOAST = 0x75;
const TEXT = 0x74;

/** Where the next byte is read, and where the message ends; module-level, because a tuple is decoded for every row of a stream. */
let at = 0;
let end = 0;

function readString(buffer: Buffer): string {
  const stop = buffer.indexOf(0, at);
  if (stop < 0 || stop >= end) throw new RangeError('pgoutput: a name without an end');
  const text = buffer.toString('utf8', at, stop);
  at = stop + 1;
  return text;
}

function readTuple(buffer: Buffer): Value[] {
  const count = buffer.readUInt16BE(at);
  at += 2;
  const values = new Array<Value>(count);
  for (let i = 0; i < count; i++) {
    const kind = buffer[at++];
    if (kind === TEXT) {
      const length = buffer.readInt32BE(at);
      at += 4;
      if (length < 0 || at + length > end) throw new RangeError('pgoutput: a value beyond its message');
      values[i] = buffer.toString('utf8', at, at + length);
      at += length;
    } else if (kind === NULL) {
      values[i] = null;
    } else if (kind === UNCHANGED_TOAST) {
      values[i] = UNCHANGED;
    } else {
      throw new RangeError(`pgoutput: a column of unknown kind ${kind}`);
    }
  }
  return values;
}

/** The relation that a row message (insert, update, delete) is about, without decoding its row. */
export function rowRelation(message: Buffer, from = 0): number {
  return message.readUInt32BE(from + 1);
}

/** @throws RangeError for bytes that are not a message of version 1. */
export function decodePgoutput(message: Buffer, from = 0, to = message.length): PgoutputMessage {
  const tag = message[from];
  end = to;
  switch (tag) {
    case TAG.begin:
      return {
        kind: 'begin',
        commit: readLsn(message, from + 1),
        committedAtMs: committedAtMs(message, from),
      };
    case TAG.commit:
      return { kind: 'commit', commit: readLsn(message, from + 2), end: readLsn(message, from + 10) };
    case TAG.relation:
      return { kind: 'relation', relation: readRelation(message, from) };
    case TAG.insert: {
      const oid = message.readUInt32BE(from + 1);
      at = from + 6;
      return { kind: 'insert', oid, values: readTuple(message) };
    }
    case TAG.update: {
      const oid = message.readUInt32BE(from + 1);
      const which = message[from + 5];
      at = from + 6;
      let old: Value[] | null = null;
      let oldIdentity: Value[] | null = null;
      if (which !== 0x4e) {
        const tuple = readTuple(message);
        if (which === 0x4f) old = tuple;
        else oldIdentity = tuple;
        at += 1;
      }
      return { kind: 'update', oid, old, oldIdentity, values: readTuple(message) };
    }
    case TAG.delete: {
      const oid = message.readUInt32BE(from + 1);
      at = from + 6;
      return { kind: 'delete', oid, old: readTuple(message) };
    }
    case TAG.truncate: {
      const count = message.readUInt32BE(from + 1);
      const oids = Array.from({ length: count }, (_, i) => message.readUInt32BE(from + 6 + 4 * i));
      return { kind: 'truncate', oids };
    }
    case 0x59: // type
    case 0x4f: // origin
    case 0x4d: // message
      return { kind: 'other', tag: String.fromCharCode(tag) };
    default:
      throw new RangeError(`pgoutput: unknown message ${tag}`);
  }
}

/** Of a begin message: seconds and a fraction fit a double exactly enough for milliseconds. */
export function committedAtMs(begin: Buffer, from: number): number {
  return (begin.readInt32BE(from + 9) * 2 ** 32 + begin.readUInt32BE(from + 13)) / 1000 + EPOCH_MS;
}

function readRelation(message: Buffer, from: number): RelationMessage {
  const oid = message.readUInt32BE(from + 1);
  at = from + 5;
  // The server sends an empty name for pg_catalog.
  const schema = readString(message) || 'pg_catalog';
  const name = readString(message);
  const identity = String.fromCharCode(message[at] ?? 0);
  const count = message.readUInt16BE(at + 1);
  at += 3;
  const columns: RelationColumn[] = [];
  for (let i = 0; i < count; i++) {
    const isIdentity = ((message[at++] ?? 0) & 1) === 1;
    const column = readString(message);
    columns.push({ name: column, isIdentity, type: message.readUInt32BE(at) });
    at += 8;
  }
  return { oid, schema, name, identity, columns };
}
