/**
 * The log as whole committed transactions, handed out in bounded pieces when they are asked for. A transaction lies in the log in one
 * piece, in commit order, between the event that begins it and its commit: a start at such a boundary is exact. What the log says without
 * rows (TRUNCATE, definitions) is read from its statements; what it cannot say (rows changed by a statement, half row images, compressed
 * transactions, an incident) stops the stream, since going on would leave out rows without a word.
 */
import { DatabaseError, RefusedError } from '../../model/errors.js';
import { relationId } from '../../model/relation-id.js';
import type { ConnectionTarget } from '../../model/connection-target.js';
import type {
  Change,
  ChangeStream,
  ChangeTransaction,
  Key,
  Position,
  StreamOptions,
  Value,
} from '../engine.js';
import { UNCHANGED } from '../engine.js';
import { GtidTracker, type BinlogReader, type PlacedEvent } from './mysql-binlog-reader.js';
import {
  EVENT,
  readLoadQuery,
  readQuery,
  readRows,
  readTableMap,
  readTableName,
  rowsKind,
  rowsTableId,
  type LoggedStatement,
  type Reader,
  type RowsEvent,
  type TableMap,
} from './mysql-log-event.js';
import { beginAnew, changedShape } from '../stream-refusals.js';
import { type LogRelation, type MysqlLogRelations } from './mysql-log-relations.js';
import { readLogStatement } from './mysql-log-statement.js';
import {
  formatLogPosition,
  isLogPositionReached,
  parseLogPosition,
  type LogPosition,
} from './mysql-position.js';
import { valueReader, valueSkipper, type ValueReader } from './mysql-row-image.js';

/** Bytes after which a piece is cut. */
const PIECE_BYTES = 4 << 20;
const CONTROL_SCHEMA = 'dbps';
const MARK_TABLES = ['checkpoint', 'chunk'];

/** A table as named by the row events that follow it. */
type LoggedTable =
  | { readonly kind: 'move'; readonly relation: LogRelation }
  | { readonly kind: 'control'; readonly name: string; readonly table: TableMap }
  | { readonly kind: 'other' };

interface OpenTransaction {
  /** Where it begins: what all its pieces are known by. */
  readonly begin: Position;
  readonly gtid: string | null;
  committedAtMs: number | null;
  /** Known from its first row on. */
  isOwn: boolean | null;
  /** It goes on to a commit; otherwise its first statement is all there is. */
  hasBegun: boolean;
  /** Something of it was handed out already. */
  isCut: boolean;
  /** It has rows of the move or of dbps. */
  isOurs: boolean;
}

export interface StreamContext {
  readonly reader: BinlogReader;
  readonly relations: MysqlLogRelations;
  readonly target: ConnectionTarget;
  /** What had been logged at the start; empty where the server has no GTIDs. */
  readonly gtids: string;
  /** lower_case_table_names is not 0. */
  readonly foldsCase: boolean;
  /** Told of what is durable on the other side. */
  readonly acknowledged: (position: Position) => void;
  /** Ends what belongs to the stream besides the reader. */
  readonly release: () => Promise<void>;
}

export class MysqlChangeStream implements ChangeStream {
  readonly #context: StreamContext;
  readonly #options: StreamOptions;
  readonly #maxChanges: number;
  readonly #gtids: GtidTracker;
  readonly #tables = new Map<number, LoggedTable>();
  /** Table maps seen under a number, byte for byte: mostly they come again as they were. */
  readonly #described = new Map<number, { readonly body: Buffer; readonly table: LoggedTable }>();

  #open: OpenTransaction | null = null;
  #changes: Change[] = [];
  #barriers: string[] = [];
  #bytes = 0;

  #durable: Position;
  /** Everything before it was handed out, or was none of ours. */
  #passed: Pick<LogPosition, 'file' | 'offset' | 'created'>;
  #isHandingOut = false;
  #isClosed = false;

  constructor(context: StreamContext, options: StreamOptions) {
    this.#context = context;
    this.#options = options;
    this.#maxChanges = options.maxChanges ?? 20_000;
    this.#durable = options.checkpoint.received;
    const start = parseLogPosition(this.#durable);
    this.#passed = start;
    this.#gtids = new GtidTracker(context.gtids);
    options.signal.addEventListener('abort', this.#abort, { once: true });
    if (options.signal.aborted) this.#abort();
  }

  get head(): Position {
    return formatLogPosition(this.#context.reader.head);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ChangeTransaction> {
    const { reader } = this.#context;
    for (;;) {
      const next = reader.take();
      let event: PlacedEvent | null;
      try {
        event = next instanceof Promise ? await next : next;
      } catch (error) {
        throw error instanceof RefusedError
          ? error
          : describeLost(error, this.#context.target, this.#options);
      }
      if (event === null || this.#isClosed) return;
      if (event.type === EVENT.tableMap) {
        await this.#takeTable(event);
        continue;
      }
      for (const piece of this.#take(event)) {
        this.#isHandingOut = true;
        try {
          yield piece;
        } finally {
          // Asked for the next one: only now is this one in the caller's hands, and its end a position to speak of.
          this.#isHandingOut = false;
        }
        if (this.#isClosed) return;
      }
    }
  }

  acknowledge(position: Position): void {
    if (isLogPositionReached(this.#durable, position)) return;
    this.#durable = position;
    this.#context.acknowledged(position);
  }

  idlePosition(): Position | null {
    if (this.#open !== null || this.#isHandingOut) return null;
    const position = this.#positionAt(this.#passed);
    return isLogPositionReached(this.#durable, position) ? null : position;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.signal.removeEventListener('abort', this.#abort);
    await this.#context.reader.close();
    await this.#context.release();
  }

  readonly #abort = (): void => {
    void this.close();
  };

  #positionAt({ file, offset, created }: Pick<LogPosition, 'file' | 'offset' | 'created'>): Position {
    return formatLogPosition({ file, offset, created, gtids: this.#gtids.toString() });
  }

  // -------------------------------------------------------------- events

  /** @returns pieces that are complete. */
  #take(event: PlacedEvent): readonly ChangeTransaction[] {
    if (rowsKind(event.type) !== null) return this.#takeRows(event);
    switch (event.type) {
      case EVENT.gtid:
      case EVENT.taggedGtid:
      case EVENT.anonymousGtid:
      case EVENT.mariadbGtid:
        return this.#begin(event);
      case EVENT.query:
      case EVENT.queryCompressed:
        return this.#takeStatement(event, readQuery(event.body, event.type === EVENT.queryCompressed));
      case EVENT.executeLoadQuery:
        return this.#takeStatement(event, readLoadQuery(event.body));
      case EVENT.xid:
        return this.#commit(event);
      case EVENT.xaPrepare:
        return this.#prepared(event);
      case EVENT.transactionPayload:
        throw this.#unreadable(
          'a transaction is compressed as a whole',
          'SET GLOBAL binlog_transaction_compression = OFF, and in sessions that set it',
        );
      case EVENT.partialUpdateRows:
        throw this.#unreadable(
          'updates of JSON are logged as differences',
          "SET GLOBAL binlog_row_value_options = '', and in sessions that set it",
        );
      case EVENT.incident:
        throw this.#unreadable(
          'the server reports that events were lost (an incident)',
          'see the server’s error log for the cause',
        );
      default:
        if (this.#open === null) this.#pass(event);
        return [];
    }
  }

  #pass({ file, end, created }: PlacedEvent): void {
    this.#passed = { file, offset: end, created };
  }

  #begin(event: PlacedEvent): readonly ChangeTransaction[] {
    // Definitions have no commit of their own: the next beginning ends them.
    const ended = this.#open === null ? [] : this.#end(event, event.start);
    this.#open = {
      begin: this.#positionAt({ ...event, offset: event.start }),
      gtid: event.gtid,
      committedAtMs: commitTime(event),
      isOwn: null,
      hasBegun: event.type === EVENT.mariadbGtid && !isStandalone(event.body),
      isCut: false,
      isOurs: false,
    };
    return ended;
  }

  #commit(event: PlacedEvent): readonly ChangeTransaction[] {
    const open = this.#open;
    if (open === null) {
      this.#pass(event);
      return [];
    }
    open.committedAtMs ??= secondsToMs(event.timestamp);
    this.#bytes += event.size;
    return this.#end(event, event.end);
  }

  #end({ file, created }: PlacedEvent, offset: number): readonly ChangeTransaction[] {
    const open = this.#open as OpenTransaction;
    this.#open = null;
    this.#tables.clear();
    this.#gtids.add(open.gtid);
    this.#passed = { file, offset, created };
    if (!open.isOurs) {
      this.#bytes = 0;
      return [];
    }
    return [this.#piece(open, this.#positionAt(this.#passed), true)];
  }

  #piece(open: OpenTransaction, end: Position, last: boolean): ChangeTransaction {
    const piece: ChangeTransaction = {
      commit: open.begin,
      end,
      committedAtMs: open.committedAtMs ?? Date.now(),
      isOwn: open.isOwn === true,
      changes: this.#changes,
      barriers: this.#barriers,
      last,
      bytes: this.#bytes,
    };
    this.#changes = [];
    this.#barriers = [];
    this.#bytes = 0;
    open.isCut = true;
    return piece;
  }

  // -------------------------------------------------------------- statements

  #takeStatement(event: PlacedEvent, statement: LoggedStatement): readonly ChangeTransaction[] {
    const { relations, foldsCase } = this.#context;
    const read = readLogStatement(statement, foldsCase);
    switch (read.kind) {
      case 'begin':
        this.#openFor(event).hasBegun = true;
        return [];
      case 'commit':
        return this.#commit(event);
      case 'rollback':
        this.#rolledBack();
        return this.#commit(event);
      case 'rollback-to':
        this.#rolledBack();
        return [];
      case 'xa':
        // Rows come before XA PREPARE, and count from XA COMMIT on: see #prepared. One-phase commits end like any other.
        return read.verb === 'start' || read.verb === 'begin' || read.verb === 'end'
          ? []
          : this.#standalone(event);
      case 'truncate': {
        const maps = read.relations.flatMap((id) => relations.map(id) ?? []);
        if (maps.length === 0) return this.#standalone(event);
        const open = this.#openFor(event);
        open.isOurs = true;
        open.committedAtMs ??= secondsToMs(event.timestamp);
        // Written by dbps when it empties its own side: the statement says so itself, since it has no transaction to say it.
        open.isOwn ??= statement.sql.includes(OWN_STATEMENT);
        if (!open.isOwn)
          this.#changes.push({ kind: 'truncate', maps, leaves: maps.map((map) => map.source) });
        return this.#standalone(event);
      }
      case 'reshape':
        if (read.relations.some((id) => relations.has(id))) {
          relations.expectChange();
          this.#described.clear();
        }
        return this.#standalone(event);
      case 'replace': {
        const id = read.relations.find((relation) => relations.has(relation));
        if (id !== undefined && !statement.sql.includes(OWN_STATEMENT))
          throw changedShape(id, `${read.what} took rows away, or brought some, that are not in the log`);
        return this.#standalone(event);
      }
      case 'drop-database': {
        const id = [...relations.ids].find((relation) => relation.startsWith(`${read.schema}.`));
        if (id !== undefined) throw changedShape(id, `DROP DATABASE ${read.schema}`);
        return this.#standalone(event);
      }
      case 'write': {
        const id = this.#mentioned(statement.schema, read.names);
        if (id !== null)
          throw this.#unreadable(
            `a statement of a session with binlog_format = STATEMENT or MIXED may have changed ${id}: the log does not have its rows`,
            'SET GLOBAL binlog_format = ROW, and take SUPER or BINLOG ADMIN from accounts that override it',
          );
        return this.#standalone(event);
      }
      case 'other':
        return this.#standalone(event);
    }
  }

  /** A statement that is an event group of its own, unless it stands inside a transaction. */
  #standalone(event: PlacedEvent): readonly ChangeTransaction[] {
    const open = this.#open;
    if (open === null) {
      this.#pass(event);
      return [];
    }
    if (!open.hasBegun) return this.#commit(event);
    this.#bytes += event.size;
    return [];
  }

  #openFor(event: PlacedEvent): OpenTransaction {
    if (this.#open === null) this.#begin({ ...event, gtid: null });
    return this.#open as unknown as OpenTransaction;
  }

  /** Whose rows a statement may have changed: names, and the database it ran in, may be a view's, a trigger's, a routine's. */
  #mentioned(schema: string, names: readonly string[]): string | null {
    const { relations } = this.#context;
    const said = new Set(names.map((name) => name.toLowerCase()));
    for (const id of relations.ids) {
      const [database = '', ...rest] = id.toLowerCase().replaceAll('"', '').split('.');
      if (schema.toLowerCase() === database || said.has(database) || said.has(rest.join('.'))) return id;
    }
    return null;
  }

  /** Groups that end so hold changes of engines without transactions beside rows that were taken back: which are which cannot be told. */
  #rolledBack(): void {
    const open = this.#open;
    if (open === null) return;
    const hasChanges = this.#changes.length > 0 || open.isCut;
    if (hasChanges)
      throw this.#unreadable(
        'a transaction that changed relations of the service was rolled back, and the log has it because of tables without transactions',
        'ALTER TABLE … ENGINE = InnoDB for every table that shares transactions with the service',
      );
    this.#barriers = [];
  }

  #prepared(event: PlacedEvent): readonly ChangeTransaction[] {
    const open = this.#open;
    const onePhase = event.body[0] === 1;
    if (!onePhase && open !== null && (this.#changes.length > 0 || open.isCut))
      throw this.#unreadable(
        'a transaction of the service was prepared for two-phase commit (XA PREPARE): whether it was committed is said elsewhere in the log',
        'let applications that write to the service’s relations commit in one phase until it has moved',
      );
    return this.#commit(event);
  }

  // -------------------------------------------------------------- rows

  async #takeTable(event: PlacedEvent): Promise<void> {
    const { relations } = this.#context;
    const { id: number, schema, name } = readTableName(event.body);
    const before = this.#described.get(number);
    if (before?.body.equals(event.body) === true) {
      this.#tables.set(number, before.table);
      return;
    }
    const map = relations.map(relationId(schema, name));
    // dbps's own rows are dropped unread, and the copy writes into tables that are still being made.
    if (map !== undefined && this.#open?.isOwn === true) {
      this.#tables.set(number, { kind: 'other' });
      return;
    }
    // Not the socket's memory, of which it would hold a large piece.
    const body = Buffer.from(event.body);
    const table: LoggedTable =
      schema === CONTROL_SCHEMA
        ? { kind: 'control', name, table: readTableMap(body) }
        : map === undefined
          ? { kind: 'other' }
          : { kind: 'move', relation: await relations.describe(map, readTableMap(body)) };
    this.#tables.set(number, table);
    this.#described.set(number, { body, table });
  }

  #takeRows(event: PlacedEvent): readonly ChangeTransaction[] {
    const open = this.#openFor(event);
    const table = this.#tables.get(rowsTableId(event.body));
    // Row events may close with one for no table at all.
    if (table === undefined) return [];
    const isMark = table.kind === 'control' && MARK_TABLES.includes(table.name);
    open.isOwn ??= isMark;
    if (table.kind === 'other') return [];
    this.#bytes += event.size;
    if (table.kind === 'control') {
      open.isOurs ||= isMark || table.name === 'barrier';
      if (table.name === 'barrier') this.#takeBarriers(table.table, readRows(event.type, event.body));
      return [];
    }
    open.isOurs = true;
    if (open.isOwn) return [];
    const rows = readRows(event.type, event.body);
    const pieces: ChangeTransaction[] = [];
    assertWhole(table.relation, rows, event);
    while (!rows.images.isAtEnd) {
      this.#changes.push(readChange(table.relation, rows));
      if (this.#changes.length >= this.#maxChanges) pieces.push(this.#piece(open, open.begin, false));
    }
    if (this.#bytes >= PIECE_BYTES) pieces.push(this.#piece(open, open.begin, false));
    return pieces;
  }

  /** Other services' markers travel in the same table (H18). */
  #takeBarriers(table: TableMap, { kind, images }: RowsEvent): void {
    if (kind !== 'insert') return;
    const readers = table.types.map((type, i) => {
      const metadata = table.metadata[i] as number;
      return i < 2
        ? valueReader('varchar', type, metadata, (bytes) => bytes.toString('utf8'))
        : (valueSkipper(type, metadata) as ValueReader);
    });
    while (!images.isAtEnd) {
      images.take((readers.length + 7) >> 3);
      const [service, nonce, ...rest] = readers;
      const isOurs = service?.read(images) === this.#options.stream.service;
      const text = nonce?.read(images) ?? '';
      for (const reader of rest) reader.skip(images);
      if (isOurs) this.#barriers.push(text);
    }
  }

  #unreadable(why: string, hint: string): RefusedError {
    return new RefusedError({
      code: 'DBPS_E359',
      message: `the binary log of ${this.#context.target.toString()} does not say what changed: ${why}`,
      hint: `${hint}; then copy ${this.#options.stream.service} again`,
    });
  }
}

/** In a statement of dbps that empties a relation. */
export const OWN_STATEMENT = '/* dbps */';

const secondsToMs = (seconds: number): number => Math.min(Date.now(), seconds * 1000 + 999);

/** MariaDB: no transaction follows, but one statement. */
const isStandalone = (body: Buffer): boolean => ((body[12] as number) & 1) === 1;

/** MySQL writes the microsecond of the commit into the beginning; MariaDB only seconds, of which the last millisecond is taken. */
function commitTime({ type, body }: PlacedEvent): number | null {
  const isClassic = type === EVENT.gtid || type === EVENT.anonymousGtid;
  if (!isClassic || body.length < 49 || body[25] !== 2) return null;
  const micros = body.readUIntLE(42, 6) + ((body[48] as number) & 0x7f) * 2 ** 48;
  return Math.floor(micros / 1000);
}

// ---------------------------------------------------------------- changes

const isSet = (bits: Buffer, i: number): boolean => (((bits[i >> 3] ?? 0) >> (i & 7)) & 1) === 1;

function assertWhole({ map, places }: LogRelation, rows: RowsEvent, { file, start }: PlacedEvent): void {
  for (const bits of [rows.present, rows.presentAfter]) {
    if (places.every((place, i) => place === -1 || isSet(bits, i))) continue;
    throw new RefusedError({
      code: 'DBPS_E359',
      message: `the binary log has only parts of rows of ${map.source} (${file}, ${start}): binlog_row_image is not FULL`,
      hint: 'SET GLOBAL binlog_row_image = FULL, and in sessions that set it; then copy the service again',
    });
  }
}

function readChange(relation: LogRelation, rows: RowsEvent): Change {
  const { map } = relation;
  const image = readImage(relation, rows.present, rows.images);
  switch (rows.kind) {
    case 'insert':
      return { kind: 'insert', map, values: image };
    case 'delete':
      return { kind: 'delete', map, key: keyOf(relation, image) };
    case 'update': {
      const values = readImage(relation, rows.presentAfter, rows.images);
      const [before, after] = [keyOf(relation, image), keyOf(relation, values)];
      return {
        kind: 'update',
        map,
        values,
        oldKey: before.every((part, i) => part === after[i]) ? null : before,
      };
    }
  }
}

function readImage(relation: LogRelation, present: Buffer, images: Reader): Value[] {
  const { readers, places, isLogged } = relation;
  const values: Value[] = isLogged.map((logged) => (logged ? null : UNCHANGED));
  let count = 0;
  for (let i = 0; i < readers.length; i++) if (isSet(present, i)) count++;
  const nulls = images.take((count + 7) >> 3);
  let place = 0;
  for (const [i, reader] of readers.entries()) {
    if (!isSet(present, i)) continue;
    if (isSet(nulls, place++)) continue;
    const to = places[i] as number;
    if (to === -1) reader.skip(images);
    else
      try {
        values[to] = reader.read(images);
      } catch (error) {
        throw changedShape(
          relation.map.source,
          `a value of column "${relation.map.columns[to]?.name ?? ''}" cannot be read from the log (${(error as Error).message})`,
        );
      }
  }
  return values;
}

function keyOf(relation: LogRelation, values: readonly Value[]): Key {
  return relation.key.map((place) => {
    const value = values[place];
    if (typeof value !== 'string')
      throw changedShape(
        relation.map.source,
        `the log has a row without its key (${relation.map.key.join(', ')})`,
      );
    return value;
  });
}

// ---------------------------------------------------------------- endings

/** What the server says when it has no log there, or none that is this one. */
const GONE =
  /could not find first log file|purged|impossible position|could not open log file|could not find log file|is not in the (?:master|source)'s binlog|log event entry|binlog truncated/i;

/** Why a stream ended: gone for good, or to be tried again. */
export function describeLost(
  error: unknown,
  target: ConnectionTarget,
  options: Pick<StreamOptions, 'stream'> & { readonly checkpoint: { readonly received: Position } },
): Error {
  const message = error instanceof Error ? error.message : String(error);
  const { stream, checkpoint } = options;
  if (GONE.test(message))
    return new RefusedError({
      code: 'DBPS_E351',
      message: `the binary log of ${target.toString()} no longer has what ${stream.service} (${stream.direction}) needs from ${checkpoint.received} on: ${message}`,
      hint: `${beginAnew(stream)}. Let the server keep its log longer`,
      cause: error,
    });
  return new DatabaseError({
    code: 'DBPS_E430',
    message: `the change stream from ${target.toString()} was lost: ${message}`,
    hint: 'dbps goes on from the checkpoint by itself once the server answers again',
    cause: error,
  });
}
