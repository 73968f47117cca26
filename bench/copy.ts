/** Copying a service: rows alone against the psql pipe and pgcopydb, and everything against pgcopydb clone. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Database } from '../src/engines/engine.js';
import { postgresEngine } from '../src/engines/postgres/postgres-engine.js';
import { copyRelations } from '../src/migration/copier.js';
import type { Plan } from '../src/model/plan.js';
import { makePlan } from '../src/planning/make-plan.js';
import { relationMaps } from '../src/planning/relation-maps.js';
import { measure, type Contender } from './measure.js';
import { emptyDatabase, has, parallel, query, run, startServers, targetOf } from './servers.js';
import { CREATE, fill, FOREIGN_KEYS, TABLES } from './shop.js';

const JOBS = 2;
const OWNER = { service: 'shop', epoch: 1 } as const;
const OPTIONS = { applicationName: 'dbps bench', poolSize: 4 } as const;

export interface CopyOptions {
  readonly scale: number;
  readonly rounds: number;
  readonly chunkRows: number;
}

export async function benchCopy(options: CopyOptions): Promise<void> {
  const servers = await startServers();
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-bench-'));
  try {
    const { source, target } = servers;
    const from = await emptyDatabase(source, 'shop');
    const { sql, rows } = fill(options.scale);
    await query(from, CREATE);
    for (const statement of sql.split(';\n').filter((s) => s.trim() !== '')) await query(from, statement);
    const total = Object.values(rows).reduce((a, b) => a + b, 0);
    const to = target.url('t1');
    const legacy = await postgresEngine.open(targetOf(source, 'shop'), OPTIONS);
    const plan = await planOf(legacy);
    const empty = async () => void (await emptyDatabase(target, 't1'));
    const bare = async () => {
      await empty();
      await query(to, CREATE);
    };
    const check = async () => {
      const [found] = await query<{ n: string }>(
        to,
        `SELECT ${TABLES.map((table) => `(SELECT count(*) FROM ${table})`).join(' + ')} AS n`,
      );
      if (Number(found?.n) !== total) throw new Error(`${found?.n} rows arrived, not ${total}`);
    };
    const shapeOf = async (url: string) => {
      const [found] = await query<{ n: string }>(
        url,
        `SELECT (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace AND indisvalid)
              + (SELECT count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND convalidated) AS n`,
      );
      return Number(found?.n);
    };
    const objects = await shapeOf(from);
    const checkWhole = async () => {
      await check();
      const found = await shapeOf(to);
      if (found !== objects) throw new Error(`${found} indexes and constraints arrived, not ${objects}`);
    };
    const hasPeer = await has('pgcopydb', 'apt-get install pgcopydb');
    const pgcopydb = (...args: string[]) => {
      const directory = path.join(scratch, 'pgcopydb');
      fs.rmSync(directory, { recursive: true, force: true });
      return run('pgcopydb', [
        ...args,
        '--dir',
        directory,
        '--table-jobs',
        String(JOBS),
        '--source',
        from,
        '--target',
        to,
      ]);
    };

    const dataOnly: Contender[] = [
      {
        name: 'psql binary pipe',
        prepare: bare,
        run: () =>
          parallel(
            JOBS,
            TABLES.map((table) => () => pipe(from, to, table)),
          ),
        check,
      },
      {
        name: 'dbps',
        prepare: bare,
        run: () => copyWithDbps(legacy, plan, targetOf(target, 't1'), options, false),
        check,
      },
    ];
    if (hasPeer)
      dataOnly.push({ name: 'pgcopydb', prepare: bare, run: () => pgcopydb('copy', 'table-data'), check });
    await measure({
      bench: 'copy',
      measure: 'data only',
      rows: total,
      rounds: options.rounds,
      peer: hasPeer ? 'pgcopydb' : 'psql binary pipe',
      contenders: dataOnly,
    });

    const whole: Contender[] = [
      {
        name: 'dbps',
        prepare: empty,
        run: () => copyWithDbps(legacy, plan, targetOf(target, 't1'), options, true),
        check: checkWhole,
      },
    ];
    if (hasPeer)
      whole.unshift({
        name: 'pgcopydb clone',
        prepare: empty,
        run: () => pgcopydb('clone', '--index-jobs', String(JOBS)),
        check: checkWhole,
      });
    await measure({
      bench: 'copy',
      measure: 'schema, data, indexes, keys',
      rows: total,
      rounds: options.rounds,
      peer: whole[0]!.name,
      contenders: whole,
    });
    await legacy.close();
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
    await servers.stop();
  }
}

function pipe(from: string, to: string, table: string): Promise<void> {
  return run(
    'bash',
    [
      '-c',
      'set -o pipefail; psql -Xq "$FROM" -c "COPY $T TO STDOUT (FORMAT binary)" | psql -Xq "$TO" -c "COPY $T FROM STDIN (FORMAT binary)"',
    ],
    { FROM: from, TO: to, T: table },
  );
}

/** The very plan that `dbps plan` would make of one service with all four relations. */
async function planOf(legacy: Database): Promise<Plan> {
  const schema = await legacy.introspector.read({ schemas: ['public'] });
  const location = { file: 'dbps.yaml', line: 1, column: 1 };
  return makePlan(
    schema,
    {
      defaultSchema: 'public',
      exclude: [],
      services: [
        {
          name: OWNER.service,
          location,
          relations: TABLES.map((table) => ({ id: `public.${table}`, location })),
          targetEngine: 'postgres',
          targetSchema: null,
        },
      ],
      shared: [],
      references: [],
    } as unknown as Parameters<typeof makePlan>[1],
    '2026-01-01T00:00:00Z',
  );
}

async function copyWithDbps(
  legacy: Database,
  plan: Plan,
  to: ReturnType<typeof targetOf>,
  options: CopyOptions,
  isWhole: boolean,
): Promise<Readonly<Record<string, unknown>>> {
  const service = plan.services[0]!;
  const maps = relationMaps(plan, service);
  const cpu = process.cpuUsage();
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const database = await postgresEngine.open(to, OPTIONS);
  try {
    await database.control.install(OWNER.service);
    await database.control.raiseEpoch(OWNER);
    const statements = isWhole ? postgresEngine.ddl.createService(service) : [];
    const stage = (...stages: string[]) => statements.filter((statement) => stages.includes(statement.stage));
    await database.ddlRunner.run(stage('base'), OWNER);
    const sink = await database.sink.open({
      stream: { service: OWNER.service, direction: 'forward' },
      owner: OWNER,
      maps,
    });
    await copyRelations({
      service: OWNER.service,
      owner: OWNER,
      maps,
      snapshot: legacy.snapshot,
      sink,
      ddlRunner: database.ddlRunner,
      statements,
      bytesOf: (map) =>
        service.schema.relations.find((relation) => relation.id === map.target)?.bytes ?? null,
      later: (a, b) => (legacy.changes.reached(a, b) ? a : b),
      chunkRows: options.chunkRows,
      jobs: JOBS,
      emit: () => undefined,
      signal: new AbortController().signal,
      now: () => Date.now(),
      at: async () => undefined,
    });
    await sink.close();
    await parallel(
      JOBS,
      stage('constraint').map((statement) => () => database.ddlRunner.run([statement], OWNER)),
    );
    await database.ddlRunner.run(stage('open'), OWNER);
    // Made without looking at the rows; in a move this comes after the cutover, beside the writers.
    const keys = isWhole ? FOREIGN_KEYS.map(validation) : [];
    await parallel(
      JOBS,
      keys.map((sql) => () => database.ddlRunner.run([{ sql, purpose: sql, undo: null, group: sql }], OWNER)),
    );
  } finally {
    clearInterval(watch);
    await database.close();
  }
  const used = process.cpuUsage(cpu);
  return {
    clientCpuSeconds: Number(((used.user + used.system) / 1e6).toFixed(2)),
    peakRssMb: Math.round(peak / 1048576),
    chunkRows: options.chunkRows,
  };
}

const validation = (statement: string): string =>
  statement.replace(/ADD CONSTRAINT (\w+) .*/, 'VALIDATE CONSTRAINT $1');
