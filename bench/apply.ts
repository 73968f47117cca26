/**
 * Applying a backlog of changes, against the server's own logical replication: small transactions (three updates and an insert each, as
 * pgbench's) and large ones (a thousand updates each). Both read a slot of their own that was made before the changes, both write to a
 * database of their own that began equal; the clock runs until a marker row behind the last change is there.
 */
import { postgresEngine } from '../src/engines/postgres/postgres-engine.js';
import type { RelationMap } from '../src/engines/engine.js';
import { measure } from './measure.js';
import { Replay } from './replay.js';
import { emptyDatabase, query, startServers, targetOf } from './servers.js';

const SERVICE = 'bank';

export const BANK_SCHEMA = `
  CREATE TABLE accounts (id int PRIMARY KEY, branch int, balance int, filler char(84));
  CREATE TABLE tellers (id int PRIMARY KEY, branch int, balance int, filler char(84));
  CREATE TABLE branches (id int PRIMARY KEY, balance int, filler char(88));
  CREATE TABLE history (id bigint PRIMARY KEY, teller int, branch int, account int, delta int, at timestamp, filler char(22));`;
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  accounts: ['id integer', 'branch integer', 'balance integer', 'filler character(84)'],
  tellers: ['id integer', 'branch integer', 'balance integer', 'filler character(84)'],
  branches: ['id integer', 'balance integer', 'filler character(88)'],
  history: [
    'id bigint',
    'teller integer',
    'branch integer',
    'account integer',
    'delta integer',
    'at timestamp without time zone',
    'filler character(22)',
  ],
};
export const BANK_ROWS = `
  INSERT INTO accounts SELECT g, 1 + g % 10, 0, '' FROM generate_series(1, 400000) g;
  INSERT INTO tellers SELECT g, 1 + g % 10, 0, '' FROM generate_series(1, 100) g;
  INSERT INTO branches SELECT g, 0, '' FROM generate_series(1, 10) g;`;

export const BANK_MAPS: readonly RelationMap[] = Object.entries(COLUMNS).map(([name, columns]) => ({
  source: `public.${name}`,
  target: `public.${name}`,
  columns: columns.map((column) => {
    const [first, ...type] = column.split(' ') as [string, ...string[]];
    return { name: first, target: first, sourceType: type.join(' '), targetType: type.join(' ') };
  }),
  key: ['id'],
  leaves: [`public.${name}`],
  hasOtherUniqueness: false,
}));

const SMALL_TRANSACTIONS = (transactions: number) => `
  DO $$ DECLARE a int; t int; b int; base bigint := (SELECT coalesce(max(id), 0) FROM history); BEGIN
    SET synchronous_commit = off;
    FOR i IN 1..${transactions} LOOP
      a := 1 + random() * 399999; t := 1 + random() * 99; b := 1 + random() * 9;
      UPDATE accounts SET balance = balance + i WHERE id = a;
      UPDATE tellers SET balance = balance + i WHERE id = t;
      UPDATE branches SET balance = balance + i WHERE id = b;
      INSERT INTO history VALUES (base + i, t, b, a, i, clock_timestamp(), '');
      COMMIT;
    END LOOP; END $$`;
const LARGE = (transactions: number) => `
  DO $$ BEGIN
    SET synchronous_commit = off;
    FOR i IN 0..${transactions - 1} LOOP
      UPDATE accounts SET balance = balance + 1 WHERE id > i % 400 * 1000 AND id <= (i % 400 + 1) * 1000;
      COMMIT;
    END LOOP; END $$`;

export interface ApplyOptions {
  readonly scale: number;
  readonly rounds: number;
}

/** One way of bringing changes from the source to a database of its own. */
interface Side {
  readonly name: string;
  readonly database: string;
  makeSlot(): Promise<void>;
  apply(): Promise<Record<string, unknown>>;
  dropSlot(): Promise<void>;
}

export async function benchApply(options: ApplyOptions): Promise<void> {
  const servers = await startServers();
  try {
    const { source, target } = servers;
    const from = await emptyDatabase(source, 'bank');
    await query(from, BANK_SCHEMA + BANK_ROWS + 'ANALYZE');
    await query(from, 'CREATE TABLE marker (id int PRIMARY KEY)');
    for (const name of ['native', 'dbps']) {
      const url = await emptyDatabase(target, name);
      await query(url, `${BANK_SCHEMA} ${BANK_ROWS} CREATE TABLE marker (id int PRIMARY KEY); ANALYZE`);
    }
    await query(from, `CREATE PUBLICATION native FOR TABLE ${Object.keys(COLUMNS).join(', ')}, marker`);
    const native = nativeSide(from, target.url('native'), source.url('bank'));
    const legacy = await postgresEngine.open(targetOf(source, 'bank'), { applicationName: 'dbps bench' });
    const service = await postgresEngine.open(targetOf(target, 'dbps'), { applicationName: 'dbps bench' });
    const own = new Replay(legacy, service, BANK_MAPS, SERVICE);
    await own.install();
    const total = Math.round(200_000 * options.scale);
    const check = async () => {
      const hash = `SELECT (SELECT sum(hash_record_extended(a, 0)) FROM accounts a) AS a, (SELECT sum(hash_record_extended(h, 0)) FROM history h) AS h`;
      const [there] = await query(target.url('dbps'), hash);
      const [here] = await query(from, hash);
      if (JSON.stringify(there) !== JSON.stringify(here)) throw new Error('dbps and the source differ');
    };
    for (const [name, sql] of [
      ['small transactions', SMALL_TRANSACTIONS(total / 4)],
      ['large transactions', LARGE(total / 1000)],
    ] as const) {
      await measure({
        bench: 'apply',
        measure: name,
        rows: total,
        rounds: options.rounds,
        peer: 'native',
        contenders: [
          {
            name: 'native',
            prepare: async () => {
              await native.makeSlot();
              await own.prepare();
              await query(from, sql);
            },
            run: () => native.apply(),
          },
          { name: 'dbps', run: async () => ({ ...(await own.apply()) }), check },
        ],
      });
      await native.dropSlot();
      await own.teardown();
    }
    const huge = Math.round(5_000_000 * options.scale);
    await measure({
      bench: 'apply',
      measure: 'one transaction',
      rows: huge,
      rounds: 1,
      peer: 'dbps',
      contenders: [
        {
          name: 'dbps',
          prepare: async () => {
            await own.prepare();
            await query(
              from,
              `INSERT INTO history SELECT 1000000000 + g, 1, 1, 1, g, now(), '' FROM generate_series(1, ${huge}) g`,
            );
          },
          run: async () => ({ ...(await own.apply()) }),
          check,
        },
      ],
    });
    await own.teardown();
    await Promise.all([legacy.close(), service.close()]);
  } finally {
    await servers.stop();
  }
}

function nativeSide(from: string, to: string, connection: string): Side {
  let marker = 0;
  let isMade = false;
  return {
    name: 'native',
    database: 'native',
    makeSlot: async () => {
      if (isMade) return;
      isMade = true;
      await query(from, "SELECT pg_create_logical_replication_slot('native', 'pgoutput')");
      await query(
        to,
        `CREATE SUBSCRIPTION native CONNECTION '${connection}' PUBLICATION native
           WITH (copy_data = false, create_slot = false, enabled = false, slot_name = 'native')`,
      );
    },
    apply: async () => {
      marker++;
      await query(from, `INSERT INTO marker VALUES (${marker})`);
      await query(to, 'ALTER SUBSCRIPTION native ENABLE');
      while ((await query(to, `SELECT FROM marker WHERE id = ${marker}`)).length === 0)
        await new Promise((resolve) => setTimeout(resolve, 10));
      await query(to, 'ALTER SUBSCRIPTION native DISABLE');
      return {};
    },
    dropSlot: async () => {
      isMade = false;
      await query(to, 'ALTER SUBSCRIPTION native SET (slot_name = NONE)');
      await query(to, 'DROP SUBSCRIPTION native');
      for (let tries = 0; ; tries++) {
        try {
          await query(from, "SELECT pg_drop_replication_slot('native')");
          return;
        } catch (error) {
          if (tries > 100) throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    },
  };
}
