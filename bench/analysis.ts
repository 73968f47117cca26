/** A live read of a schema of 1,000 relations against `pg_dump -s` of the same database. One JSON line; the target is a ratio of at most 2. */
import os from 'node:os';
import { openReadOnly } from '../src/app/databases.js';
import { startEmbeddedPostgres } from '../src/demo/embedded-postgres.js';
import { largeSchema } from './large-schema.js';
import { cpuSecondsOfAll, median, print } from './measure.js';
import { emptyDatabase, has, query, run, targetOf } from './servers.js';

const RELATIONS = 1000;
const REFERENCES = 2000;
const TARGET = 2;

interface Turn {
  readonly seconds: number;
  readonly cpu: number;
}

async function timed(work: () => Promise<void>): Promise<Turn> {
  const cpu = cpuSecondsOfAll();
  const started = performance.now();
  await work();
  return { seconds: (performance.now() - started) / 1000, cpu: cpuSecondsOfAll() - cpu };
}

/** Contenders take turns, so that both meet the same load; the reader connects anew each time, as pg_dump does. */
export async function benchAnalysis({ rounds }: { readonly rounds: number }): Promise<void> {
  if (!(await has('pg_dump', 'apt-get install postgresql-client'))) return;
  const server = await startEmbeddedPostgres({ package: 'embedded-postgres-15' });
  try {
    const url = await emptyDatabase(server, 'shop');
    await query(url, largeSchema(RELATIONS, REFERENCES));
    const target = targetOf(server, 'shop');
    const read = async (): Promise<void> => {
      const database = await openReadOnly(target, undefined);
      try {
        const { relations } = await database.introspector.read({});
        if (relations.length !== RELATIONS) throw new Error(`${relations.length} relations were read`);
        const references = relations.reduce((sum, relation) => sum + relation.foreignKeys.length, 0);
        if (references !== REFERENCES) throw new Error(`${references} references were read`);
      } finally {
        await database.close();
      }
    };
    const dump = () => run('pg_dump', ['-s', '-f', os.devNull, url]);
    const [ours, peers]: [Turn[], Turn[]] = [[], []];
    // Neither pays for what is only done once: a cold catalogue, modules that are loaded.
    await read();
    await dump();
    for (let turn = 0; turn < rounds; turn++) {
      ours.push(await timed(read));
      peers.push(await timed(dump));
    }
    const round = (value: number): number => Math.round(value * 1000) / 1000;
    const seconds = (turns: readonly Turn[]) => round(median(turns.map((turn) => turn.seconds)));
    const cpu = (turns: readonly Turn[]) => round(median(turns.map((turn) => turn.cpu)));
    const ratio = round(median(ours.map((turn, at) => turn.seconds / (peers[at]?.seconds ?? Number.NaN))));
    print({
      bench: 'live read',
      relations: RELATIONS,
      references: REFERENCES,
      peer: 'pg_dump -s',
      seconds: seconds(ours),
      peerSeconds: seconds(peers),
      ratio,
      target: TARGET,
      isReached: ratio <= TARGET,
      cpuSeconds: cpu(ours),
      peerCpuSeconds: cpu(peers),
      rounds,
      load: Math.round((os.loadavg()[0] ?? 0) * 10) / 10,
    });
  } finally {
    await server.stop();
  }
}
