/**
 * Databases for tests: a fresh one for each call, on one of the two private clusters of this worker, owned by a role that is not a
 * superuser. `drop` fails the test when anything of dbps's was left behind: a slot, a connection, a lock, a prepared transaction.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { ConnectionTarget } from '../../src/model/connection-target.js';
import { ADMIN, APPLICATION } from './global-setup.js';

export interface TestDatabase {
  readonly name: string;
  /** As the role that dbps runs as. */
  readonly target: ConnectionTarget;
  readonly url: string;
  /** As the application. */
  readonly applicationUrl: string;
  readonly superuserUrl: string;
  /** One statement or script as the owner. */
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<R[]>;
  /** A connection of its own as the owner, closed by `drop`. */
  connect(url?: string): Promise<pg.Client>;
  drop(): Promise<void>;
}

function urlFor(server: string, database: string, user: string, password: string): string {
  const url = new URL(server);
  return `postgres://${user}:${encodeURIComponent(password)}@${url.host}/${database}`;
}

export async function createTestDatabase(
  where: 'legacy' | 'service' = 'legacy',
  sql?: string,
  encoding = 'UTF8',
): Promise<TestDatabase> {
  const pair = inject('clusters')[Number(process.env['VITEST_POOL_ID']) - 1];
  if (pair === undefined) throw new Error(`no clusters for worker ${process.env['VITEST_POOL_ID']}`);
  const server = pair[where];
  const name = `t_${randomBytes(6).toString('hex')}`;
  const root = new pg.Client({ connectionString: server });
  await root.connect();
  const as = encoding === 'UTF8' ? '' : ` ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`;
  await root.query(`CREATE DATABASE ${name} OWNER ${ADMIN.user}${as}`);
  await root.end();

  const superuserUrl = server.replace(/\/[^/]*$/, `/${name}`);
  const url = urlFor(server, name, ADMIN.user, ADMIN.password);
  const { hostname, port } = new URL(server);
  const open: pg.Client[] = [];
  const connect = async (to = url) => {
    const client = new pg.Client({ connectionString: to });
    client.on('error', () => undefined);
    await client.connect();
    open.push(client);
    return client;
  };
  const owner = await connect();
  if (sql !== undefined) await owner.query(sql);

  return {
    name,
    url,
    superuserUrl,
    applicationUrl: urlFor(server, name, APPLICATION.user, APPLICATION.password),
    target: new ConnectionTarget({
      engine: 'postgres',
      host: hostname,
      port: Number(port),
      user: ADMIN.user,
      database: name,
      password: async () => ADMIN.password,
      tls: false,
      parameters: {},
    }),
    connect,
    query: async <R extends pg.QueryResultRow>(text: string, values?: unknown[]) =>
      (await owner.query<R>(text, values)).rows,
    drop: async () => {
      await Promise.all(open.map((client) => client.end().catch(() => undefined)));
      const admin = new pg.Client({ connectionString: server });
      await admin.connect();
      try {
        const left = await leftovers(admin, name);
        await dropSlots(admin, left.slots);
        await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
        const found = [
          ...left.slots.map((s) => `slot ${s.slot_name}${s.reader === null ? '' : ` (${s.reader})`}`),
          ...left.sessions.map((s) => `session ${s.application_name} (${s.state}): ${s.query}`),
          ...left.prepared.map((p) => `prepared transaction ${p.gid}`),
        ];
        if (found.length > 0) throw new Error(`left behind in ${name}: ${found.join('; ')}`);
      } finally {
        await admin.end();
      }
    },
  };
}

/** Whoever still reads one is ended first: a slot in use keeps its database from being dropped, and hides what was left behind. */
async function dropSlots(admin: pg.Client, slots: Leftovers['slots']): Promise<void> {
  for (const { slot_name } of slots) {
    for (let attempt = 0; attempt < 50; attempt++) {
      await admin.query(
        'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL',
        [slot_name],
      );
      const dropped = await admin.query('SELECT pg_drop_replication_slot($1)', [slot_name]).then(
        () => true,
        () => false,
      );
      if (dropped) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

interface Leftovers {
  slots: { slot_name: string; reader: string | null }[];
  sessions: { application_name: string; state: string; query: string }[];
  prepared: { gid: string }[];
}

async function leftovers(admin: pg.Client, database: string): Promise<Leftovers> {
  // A closed socket's backend needs a moment to go; anything still there after that is a leak.
  const deadline = Date.now() + 3000;
  for (;;) {
    const sessions = await admin.query<Leftovers['sessions'][number]>(
      `SELECT application_name, state, left(query, 80) AS query FROM pg_stat_activity
        WHERE datname = $1 AND backend_type IN ('client backend', 'walsender')`,
      [database],
    );
    if (sessions.rows.length === 0 || Date.now() > deadline) {
      const slots = await admin.query<Leftovers['slots'][number]>(
        // Whoever makes a slot may wait for a transaction anywhere in the cluster: told with what it waits for.
        `SELECT s.slot_name, a.application_name || ': ' || left(a.query, 60) || coalesce(' waits for ' || string_agg(concat_ws(' ', b.datname,
                  b.application_name, b.state, b.wait_event, left(b.query, 120)), ', '), '') AS reader
           FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
                LEFT JOIN pg_stat_activity b ON b.pid = ANY (pg_blocking_pids(s.active_pid))
          WHERE s.database = $1 GROUP BY s.slot_name, a.application_name, a.query`,
        [database],
      );
      const prepared = await admin.query<Leftovers['prepared'][number]>(
        'SELECT gid FROM pg_prepared_xacts WHERE database = $1',
        [database],
      );
      return { slots: slots.rows, sessions: sessions.rows, prepared: prepared.rows };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
