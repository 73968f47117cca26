/** Traffic for a schema that nobody described: some loops, each with tables of its own, until told to stop; then the comparison. */
import { withShopConnection, type ShopConnection } from '../../src/demo/shop-connection.js';
import type { ShopEngine } from '../../src/demo/shop-engines.js';
import type { Router } from '../../src/router/index.js';
import { readShapes, type TableShape } from './table-shape.js';
import { asText, quoteOn } from './dialect.js';
import { referenceName, TableWriter, type KeyRow } from './table-writer.js';

const LOOPS = 3;
const THINK_MS = 12;
const SAMPLES = 200;

export class GenericTraffic {
  readonly #writers: readonly TableWriter[];
  readonly #loadedRows: ReadonlyMap<string, number>;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[];
  readonly failures: string[] = [];
  acknowledged = 0;

  private constructor(writers: readonly TableWriter[], loadedRows: ReadonlyMap<string, number>) {
    this.#writers = writers;
    this.#loadedRows = loadedRows;
    this.#loops = Array.from({ length: LOOPS }, (_, loop) =>
      this.#run(writers.filter((_writer, n) => n % LOOPS === loop)),
    );
  }

  static start(
    legacy: TrafficPlace,
    services: Readonly<Record<string, readonly string[]>>,
    router: Router,
    { seed, moments, isMixed, derived }: TrafficOptions,
  ): Promise<GenericTraffic> {
    return withShopConnection(legacy.engine, legacy.url, async (client) => {
      const random = mulberry(seed);
      const writers: TableWriter[] = [];
      const loadedRows = new Map<string, number>();
      for (const shape of await readShapes(client)) {
        const service = Object.keys(services).find((name) => services[name]?.includes(shape.name));
        if (service === undefined || shape.key.length === 0 || derived.includes(shape.name)) continue;
        loadedRows.set(shape.name, await count(client, shape));
        const prefix = `t${writers.length}-`;
        const parents = new Map<string, readonly (readonly string[])[]>();
        for (const { columns, parent, parentColumns } of shape.references)
          parents.set(referenceName(columns), await sample(client, parent, parentColumns));
        const samples = (await sample(client, shape.name, shape.key)).map(
          (values) => Object.fromEntries(shape.key.map((name, n) => [name, values[n]])) as KeyRow,
        );
        writers.push(
          new TableWriter({
            router,
            service,
            shape,
            samples,
            parents,
            highest: await highestKeys(client, shape),
            prefix,
            random,
            moments,
            engine: legacy.engine,
            isMixed,
          }),
        );
      }
      return new GenericTraffic(writers, loadedRows);
    });
  }

  get tables(): number {
    return this.#writers.length;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  /** What was acknowledged against the databases that own it now. @returns what does not agree. */
  async compare(placeOf: (service: string) => TrafficPlace): Promise<string[]> {
    const wrong: string[] = [];
    for (const writer of this.#writers) {
      const { engine, url } = placeOf(writer.service);
      await withShopConnection(engine, url, async (client) => {
        wrong.push(...(await this.#compareTable(client, writer)));
      });
    }
    return wrong;
  }

  async #compareTable(client: ShopConnection, { shape, mark, mine, marked }: TableWriter): Promise<string[]> {
    const wrong: string[] = [];
    const loaded = this.#loadedRows.get(shape.name) ?? 0;
    const rows = await count(client, shape);
    // A rule's rows are in the children: those are counted with their parent.
    const own = this.#writers.filter((w) => w.shape === shape || w.shape.inherits === shape.name);
    const acknowledged = own.reduce((sum, w) => sum + w.mine.size + w.throughRule, 0);
    if (shape.inherits === null && rows !== loaded + acknowledged)
      wrong.push(`${shape.name}: ${rows} rows, ${loaded} loaded and ${acknowledged} acknowledged`);
    const { engine } = client;
    const text = (name: string) => asText(engine, quoteOn(engine, name));
    const parts = shape.key.map((name, n) => `${text(name)} AS k${n}`);
    const found = await client.query(
      `SELECT ${parts.join(', ')}, ${mark === undefined ? 'NULL' : text(mark.name)} AS mark FROM ${only(engine)} ${quoteOn(engine, shape.name)}`,
    );
    const there = new Map(
      found.map((row) => [JSON.stringify(shape.key.map((_name, n) => row[`k${n}`])), row['mark']]),
    );
    for (const [id, expected] of [...mine, ...marked]) {
      if (!there.has(id)) wrong.push(`${shape.name} ${id}: acknowledged and not there`);
      else if (mark !== undefined && expected !== null && there.get(id)?.trimEnd() !== expected)
        wrong.push(`${shape.name} ${id}: acknowledged ${expected}, found ${there.get(id)}`);
    }
    return wrong;
  }

  async #run(writers: readonly TableWriter[]): Promise<void> {
    for (let n = 0; !this.#stop.signal.aborted && writers.length > 0; n += 1) {
      const writer = writers[n % writers.length] as TableWriter;
      try {
        await writer.step();
        this.acknowledged += 1;
      } catch (error) {
        this.failures.push(`${writer.shape.name}: ${error instanceof Error ? error.message : String(error)}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, THINK_MS));
    }
  }
}

export interface TrafficPlace {
  readonly engine: ShopEngine;
  readonly url: string;
}

export interface TrafficOptions {
  readonly seed: number;
  readonly moments: readonly string[];
  /** Tables that only triggers write. */
  readonly derived: readonly string[];
  /** Some service moves to the other engine: a statement is written when its database is known. */
  readonly isMixed: boolean;
}

/** Rows of inheritance children are not the table's own. */
const only = (engine: ShopEngine): string => (engine === 'postgres' ? 'ONLY' : '');

/** With the rows of inheritance children. */
async function count(client: ShopConnection, shape: TableShape): Promise<number> {
  const [row] = await client.query(`SELECT count(*) AS n FROM ${quoteOn(client.engine, shape.name)}`);
  return Number(row?.['n']);
}

async function sample(
  client: ShopConnection,
  table: string,
  columns: readonly string[],
): Promise<string[][]> {
  const { engine } = client;
  const list = columns.map((name, n) => `${asText(engine, quoteOn(engine, name))} AS c${n}`).join(', ');
  const rows = await client.query(
    `SELECT ${list} FROM ${only(engine)} ${quoteOn(engine, table)} ORDER BY 1 LIMIT ${SAMPLES}`,
  );
  return rows.map((row) => columns.map((_name, n) => row[`c${n}`] ?? ''));
}

async function highestKeys(client: ShopConnection, shape: TableShape): Promise<Record<string, bigint>> {
  const highest: Record<string, bigint> = {};
  for (const column of shape.columns) {
    if (column.category !== 'N') continue;
    const name = quoteOn(client.engine, column.name);
    const [row] = await client.query(
      `SELECT CAST(coalesce(max(ceil(${name})), 0) AS decimal(38, 0)) AS n FROM ${quoteOn(client.engine, shape.name)}`,
    );
    highest[column.name] = BigInt(row?.['n'] ?? 0);
  }
  return highest;
}

/** The same seed, the same choices. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
