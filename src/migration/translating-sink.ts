/**
 * A sink on another engine than the source: everything that reaches it is put into its own words, and keys that it remembers come back in the
 * source's. Between equal engines it is the sink itself.
 */
import {
  UNCHANGED,
  type ApplyBatch,
  type Change,
  type ChangeTransaction,
  type ChunkReader,
  type Database,
  type Key,
  type KeySet,
  type RelationMap,
  type Sink,
  type SinkOptions,
  type UnsettledKeys,
  type Value,
} from '../engines/engine.js';
import { ValueRefusal, valueTranslation, type Translate } from '../engines/value-translation.js';
import type { EngineName } from '../model/database-schema.js';
import { RefusedError } from '../model/errors.js';

export async function openSink(
  source: Pick<Database, 'engine'>,
  target: Pick<Database, 'engine' | 'sink'>,
  options: SinkOptions,
): Promise<Sink> {
  const sink = await target.sink.open(options);
  return source.engine === target.engine ? sink : new TranslatingSink(sink, source.engine, target.engine);
}

type Translators = readonly (Translate | null)[];

interface MapTranslation {
  readonly values: Translators;
  readonly key: Translators;
  readonly keyBack: Translators;
}

class TranslatingSink implements Sink {
  readonly formats = ['rows'] as const;
  readonly heal: KeySet;
  readonly changed: KeySet;
  readonly #sink: Sink;
  readonly #from: EngineName;
  readonly #to: EngineName;
  readonly #translations = new Map<RelationMap, MapTranslation>();

  constructor(sink: Sink, from: EngineName, to: EngineName) {
    this.#sink = sink;
    this.#from = from;
    this.#to = to;
    this.heal = this.#keySet(sink.heal);
    this.changed = this.#keySet(sink.changed);
  }

  begin: Sink['begin'] = (capture) => this.#sink.begin(capture);
  checkpoint: Sink['checkpoint'] = () => this.#sink.checkpoint();
  copyProgress: Sink['copyProgress'] = () => this.#sink.copyProgress();
  recordedChunks: Sink['recordedChunks'] = (map) => this.#sink.recordedChunks(map);
  recordChunks: Sink['recordChunks'] = (map, chunks) => this.#sink.recordChunks(map, chunks);
  analyze: Sink['analyze'] = (map) => this.#sink.analyze(map);
  resetRelation: Sink['resetRelation'] = (map) => this.#sink.resetRelation(map);
  // Kept in the source's words, so that what is spooled is what was received.
  spool: Sink['spool'] = (transactions, received) => this.#sink.spool(transactions, received);
  readSpool: Sink['readSpool'] = (signal) => this.#sink.readSpool(signal);
  advance: Sink['advance'] = (position) => this.#sink.advance(position);
  readPositions: Sink['readPositions'] = () => this.#sink.readPositions();
  close: Sink['close'] = () => this.#sink.close();

  writeChunk: Sink['writeChunk'] = (map, chunk, reader, signal) =>
    this.#sink.writeChunk(map, chunk, this.#reader(map, reader), signal);

  healRows: Sink['healRows'] = (map, keys, reader) =>
    this.#sink.healRows(map, this.#keys(map, keys), this.#reader(map, reader));

  apply: Sink['apply'] = (batch) => {
    const { unsettled } = batch;
    const translated: ApplyBatch = {
      ...batch,
      transactions: this.#transactions(batch.transactions),
      ...(unsettled !== undefined && { unsettled: this.#unsettled(unsettled) }),
    };
    return this.#sink.apply(translated);
  };

  /** What is all there stays so: the sink may go through it again. */
  #transactions(transactions: ApplyBatch['transactions']): ApplyBatch['transactions'] {
    return Array.isArray(transactions)
      ? (transactions as readonly ChangeTransaction[]).map((transaction) => this.#transaction(transaction))
      : this.#stream(transactions);
  }

  async *#stream(
    transactions: ApplyBatch['transactions'],
  ): AsyncGenerator<ChangeTransaction, void, undefined> {
    for await (const transaction of transactions) yield this.#transaction(transaction);
  }

  #transaction(transaction: ChangeTransaction): ChangeTransaction {
    return { ...transaction, changes: transaction.changes.map((change) => this.#change(change)) };
  }

  #change(change: Change): Change {
    switch (change.kind) {
      case 'insert':
        return { ...change, values: this.#values(change.map, change.values) };
      case 'update':
        return {
          ...change,
          values: this.#values(change.map, change.values),
          oldKey: change.oldKey === null ? null : this.#key(change.map, change.oldKey),
        };
      case 'delete':
        return { ...change, key: this.#key(change.map, change.key) };
      case 'truncate':
        return change;
    }
  }

  #reader(map: RelationMap, reader: ChunkReader): ChunkReader {
    const translate = (rows: readonly (readonly Value[])[]) => rows.map((row) => this.#values(map, row));
    async function* translated(): AsyncGenerator<readonly (readonly Value[])[], void, undefined> {
      for await (const piece of reader.data) {
        if (Buffer.isBuffer(piece)) throw new TypeError('a chunk between engines is rows, not bytes');
        yield translate(piece);
      }
    }
    return {
      format: reader.format,
      data: translated(),
      finish: () => reader.finish(),
      cancel: () => reader.cancel(),
    };
  }

  #keySet(set: KeySet): KeySet {
    return {
      size: () => set.size(),
      take: async (map, limit) => (await set.take(map, limit)).map((key) => this.#keyBack(map, key)),
      remove: (map, keys) => set.remove(map, this.#keys(map, keys)),
    };
  }

  #unsettled(keys: UnsettledKeys): UnsettledKeys {
    return {
      has: (map, key) => keys.has(map, this.#keyBack(map, key)),
      add: (map, added) =>
        keys.add(
          map,
          added.map((key) => this.#keyBack(map, key)),
        ),
    };
  }

  #values(map: RelationMap, values: readonly Value[]): readonly Value[] {
    const { values: translators } = this.#translation(map);
    return values.map((value, i) => {
      const translate = translators[i] ?? null;
      if (translate === null || value === null || value === UNCHANGED) return value;
      return this.#translated(map, map.columns[i]?.name ?? '', value, translate);
    });
  }

  #keys(map: RelationMap, keys: readonly Key[]): readonly Key[] {
    return keys.map((key) => this.#key(map, key));
  }

  #key(map: RelationMap, key: Key): Key {
    return this.#keyParts(map, key, this.#translation(map).key);
  }

  #keyBack(map: RelationMap, key: Key): Key {
    return this.#keyParts(map, key, this.#translation(map).keyBack);
  }

  #keyParts(map: RelationMap, key: Key, translators: Translators): Key {
    return key.map((part, i) => {
      const translate = translators[i] ?? null;
      return translate === null ? part : this.#translated(map, map.key[i] ?? '', part, translate);
    });
  }

  #translated(map: RelationMap, column: string, value: string, translate: Translate): string {
    try {
      return translate(value);
    } catch (error) {
      if (!(error instanceof ValueRefusal)) throw error;
      throw new RefusedError({
        code: 'DBPS_E360',
        message: `a value of ${map.source}.${column} ${error.what}: ${this.#to} cannot hold it`,
        hint: 'change the value in the source, or keep the engine for this service',
      });
    }
  }

  #translation(map: RelationMap): MapTranslation {
    const known = this.#translations.get(map);
    if (known !== undefined) return known;
    const there = (name: string) => {
      const column = map.columns.find((candidate) => candidate.name === name);
      if (column === undefined) throw new RangeError(`${map.source} has no column ${name}`);
      const [from, to] = [
        { engine: this.#from, type: column.sourceType },
        { engine: this.#to, type: column.targetType },
      ];
      return { forth: valueTranslation(from, to), back: valueTranslation(to, from) };
    };
    const translation: MapTranslation = {
      values: map.columns.map((column) => there(column.name).forth),
      key: map.key.map((name) => there(name).forth),
      keyBack: map.key.map((name) => there(name).back),
    };
    this.#translations.set(map, translation);
    return translation;
  }
}
