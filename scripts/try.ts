/**
 * npm run try -- <folder>: real databases of other people through every phase, under writes made up from their schemas. The folder holds
 * sakila, chinook, northwind and pagila as their authors published them (docs/try.md says where from).
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { Dbps } from '../src/demo/dbps-process.js';
import type { ShopEngine } from '../src/demo/shop-engines.js';
import { createRouter } from '../src/router/index.js';
import { DATA_SETS, SCHEMA_ONLY, type DataSet } from './try/data-sets.js';
import { quoteOn } from './try/dialect.js';
import { generateRows } from './try/generated-rows.js';
import { GenericTraffic, type TrafficPlace } from './try/generic-traffic.js';
import { loadMysqlFile } from './try/mysql-file.js';
import { loadSqlFile } from './try/sql-file.js';
import { as, grantToApplication, OWNER, TryServers, type TryRole } from './try/try-servers.js';

const [folder, ...only] = process.argv.slice(2);
const began = Date.now();
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

async function tryAll(from: string): Promise<boolean> {
  const sets = [...DATA_SETS, SCHEMA_ONLY].filter(({ name }) => only.length === 0 || only.includes(name));
  let isGood = true;
  for (const set of sets) {
    // Servers of its own: what dbps keeps on a server of the MySQL family is keyed by service, and the sets name theirs alike.
    const servers = await TryServers.start([
      ...new Set([engineOf(set), ...Object.values(set.targets ?? {})]),
    ]);
    const trial = new Trial(set, from, servers);
    try {
      if (set === SCHEMA_ONLY) await trial.schemaOnly();
      else await trial.journey();
    } catch (error) {
      isGood = false;
      trial.say(`FAILED  ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await trial.close();
      await servers.stop();
    }
    if (stop.signal.aborted) break;
  }
  return isGood;
}

/** A trigger stands on a line of its own: its body has semicolons. */
const statementsOf = (remedy: string): readonly string[] =>
  remedy
    .split('\n')
    .flatMap((line) => (line.startsWith('CREATE TRIGGER') ? [line] : line.split(/;\s*/)))
    .filter((text) => text.trim() !== '');

class Trial {
  readonly #directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-try-'));
  readonly #dbps: Dbps;
  #traffic: GenericTraffic | undefined;
  #run: ReturnType<Dbps['startRun']> | undefined;
  #closers: (() => Promise<void>)[] = [];

  constructor(
    private readonly set: DataSet,
    private readonly folder: string,
    private readonly servers: TryServers,
  ) {
    const env: Record<string, string> = { SHARED_DATABASE_URL: this.#shared().url };
    for (const service of Object.keys(set.services)) env[variable(service)] = this.#service(service).url;
    this.#dbps = new Dbps({ directory: this.#directory, env, signal: stop.signal });
  }

  #shared(role?: TryRole): TrafficPlace {
    return this.servers.place('shared', engineOf(this.set), sharedDatabase(this.set), role);
  }

  #service(service: string, role?: TryRole): TrafficPlace {
    return this.servers.place('services', targetOf(this.set, service), database(this.set, service), role);
  }

  say(text: string): void {
    const seconds = ((Date.now() - began) / 1000).toFixed(1).padStart(6);
    console.log(`${seconds}  ${this.set.name.padEnd(19)}  ${text}`);
  }

  async journey(): Promise<void> {
    const { set } = this;
    const services = Object.keys(set.services);
    await this.#load();
    await this.#prepareServices();
    fs.writeFileSync(path.join(this.#directory, 'dbps.yaml'), config(set));
    await this.#replaceCascades();
    const router = await createRouter({
      legacy: pool(this.#shared('app')),
      services: Object.fromEntries(services.map((service) => [service, pool(this.#service(service, 'app'))])),
    });
    this.#closers.push(() => router.close());
    this.#traffic = await GenericTraffic.start(this.#shared('app'), set.services, router, {
      seed: set.name.length,
      moments: set.moments ?? [],
      derived: Object.keys(set.derived ?? {}),
      isMixed: set.targets !== undefined,
    });
    this.say(`writes go to ${this.#traffic.tables} tables`);

    await this.#do('analyze', '--url', this.#shared().url, '--fail-on', 'never');
    await this.#do('plan');
    await this.#do('generate');
    this.#run = this.#dbps.startRun();
    for (const service of services)
      for (const phase of ['provisioned', 'dual-write', 'read-cutover', 'write-cutover', 'sync']) {
        await this.#advance(service, phase);
        // What accounts may do does not cross engines (TYP403 says so): the operator grants it.
        if (phase === 'provisioned' && targetOf(set, service) !== engineOf(set))
          await as(this.#service(service), grantToApplication);
      }
    await this.#do('rollback', set.rollBack, '--yes');
    await this.#advance(set.rollBack, 'write-cutover');
    await this.#advance(set.rollBack, 'sync');
    await this.#do('verify', '--mode', 'full');
    await this.#decommission(set.decommission);
    await this.#traffic.stop();
    const wrong = [
      ...(await this.#traffic.compare((service) => this.#service(service))),
      ...(await this.#compareDerived()),
    ];
    if (wrong.length > 0) throw new Error(`${wrong.length} differences\n${wrong.slice(0, 10).join('\n')}`);
    await this.#do('verify', '--mode', 'full');
    this.say(`passed: ${this.#traffic.acknowledged} acknowledged writes, none lost, none made twice`);
  }

  /** What triggers wrote, in whichever database they were at work. */
  async #compareDerived(): Promise<string[]> {
    const wrong: string[] = [];
    for (const [table, [from, columns]] of Object.entries(this.set.derived ?? {})) {
      const owner = Object.entries(this.set.services).find(([, tables]) => tables.includes(table))?.[0] ?? '';
      await as(this.#service(owner), async (client) => {
        const rows = (name: string) =>
          `SELECT ${columns.map((column) => quoteOn(client.engine, column)).join(', ')} FROM ${quoteOn(client.engine, name)}`;
        for (const [one, other] of [
          [table, from],
          [from, table],
        ] as const) {
          const [row] = await client.query(
            `SELECT count(*) AS n FROM (${rows(one)} EXCEPT ${rows(other)}) AS d`,
          );
          if (row?.['n'] !== '0') wrong.push(`${row?.['n']} rows of ${one} are not in ${other}`);
        }
      });
    }
    return wrong;
  }

  async schemaOnly(): Promise<void> {
    await this.#load();
    await this.#prepareServices();
    fs.writeFileSync(path.join(this.#directory, 'dbps.yaml'), config(this.set));
    await this.#do('plan');
    await this.#do('generate', '--out', 'generated');
    const loaded: string[] = [];
    for (const service of Object.keys(this.set.services)) {
      const file = findSql(path.join(this.#directory, 'generated'), service);
      await as(this.#service(service), (client) => client.query(fs.readFileSync(file, 'utf8')));
      loaded.push(service);
    }
    this.say(`passed: planned, generated, and ${loaded.join(', ')} loaded on empty databases`);
  }

  async #load(): Promise<void> {
    const { set, servers } = this;
    await servers.create('shared', engineOf(set), sharedDatabase(set));
    await (engineOf(set) === 'postgres' ? this.#loadPostgres() : this.#loadMysql());
    const rows = await as(this.#shared(), async (client) => {
      for (const statement of set.prepare ?? []) await client.query(statement);
      await grantToApplication(client);
      const counts = Object.values(set.services)
        .flat()
        .map((table) => `(SELECT count(*) FROM ${quoteOn(client.engine, table)})`);
      const [counted] = await client.query(`SELECT ${counts.join(' + ')} AS n`);
      return Number(counted?.['n']);
    });
    this.say(
      `loaded ${rows.toLocaleString('en')} rows${set.prepare ? `; ${set.prepare.length} keys added` : ''}`,
    );
  }

  async #loadPostgres(): Promise<void> {
    const { set } = this;
    for (const file of set.files) {
      // Dumped rows come between DISABLE TRIGGER ALL and ENABLE TRIGGER ALL, which only a superuser may say.
      const client = new pg.Client({
        connectionString: this.#shared(file.endsWith('-data.sql') ? 'superuser' : 'dbps').url,
      });
      await client.connect();
      await loadSqlFile(client, path.join(this.folder, file), {
        owner: OWNER,
        leaveOut: set.leaveOut ?? [],
        replace: set.replace ?? [],
      }).finally(() => client.end());
    }
    for (const place of [
      this.#shared('superuser'),
      this.servers.place('services', 'postgres', 'postgres', 'superuser'),
    ])
      await as(place, async (client) => {
        for (const statement of set.prepareAsSuperuser ?? []) await client.query(statement);
      });
    await as(this.#shared(), (client) => client.query('ANALYZE'));
  }

  async #loadMysql(): Promise<void> {
    const { set } = this;
    await as(this.#shared(), async (client) => {
      for (const file of set.files)
        await loadMysqlFile(client, path.join(this.folder, file), set.leaveOut ?? []);
      if (set.rows !== undefined) await generateRows(client, set.rows);
    });
  }

  async #prepareServices(): Promise<void> {
    for (const service of Object.keys(this.set.services))
      await this.servers.create('services', targetOf(this.set, service), database(this.set, service));
  }

  /** Keys whose actions the storage engine would carry out unseen: their owner replaces them, with the statements that doctor gives. */
  async #replaceCascades(): Promise<void> {
    if (engineOf(this.set) !== 'mysql') return;
    const { envelope } = await this.#dbps.command(['doctor'], [0, 1]);
    const remedies = new Set(
      (envelope?.findings ?? []).flatMap(({ code, remedy }) => (code === 'TRG312' ? [remedy ?? ''] : [])),
    );
    await as(this.#shared(), async (client) => {
      for (const remedy of remedies)
        for (const statement of statementsOf(remedy)) await client.query(statement);
    });
    if (remedies.size > 0)
      this.say(`${remedies.size} keys with unseen actions replaced, as dbps doctor says`);
  }

  async #advance(service: string, phase: string): Promise<void> {
    const share = phase === 'read-cutover' ? ['--reads', '100'] : [];
    await this.#do('migrate', 'advance', service, '--to', phase, ...share, '--yes', '--wait');
  }

  async #decommission(service: string): Promise<void> {
    const advance = ['migrate', 'advance', service, '--to', 'decommissioned'];
    let rehearsal = await this.#dbps.command([...advance, '--dry-run']);
    // What stays in the shared database and uses what leaves: its owner takes it away first, with the statement that the finding gives.
    const drops = new Set(
      (rehearsal.envelope?.findings ?? []).flatMap(({ code, data }) =>
        code === 'BND401' && typeof data?.['drop'] === 'string' ? [data['drop']] : [],
      ),
    );
    if (drops.size > 0) {
      await as(this.#shared(), async (client) => {
        // In the order found; a view on a view goes with the one below it.
        for (const drop of drops)
          await client.query(
            drop
              .replace(/^DROP (\S+(?: VIEW)?) /, 'DROP $1 IF EXISTS ')
              .replace(/;$/, client.engine === 'postgres' ? ' CASCADE' : ''),
          );
      });
      this.say(`dropped, as dbps says: ${[...drops].join(' ')}`);
      rehearsal = await this.#dbps.command([...advance, '--dry-run']);
    }
    const token = /--confirm[ =]([^\s"']+)/.exec(rehearsal.stdout)?.[1];
    if (token === undefined) {
      const said = (rehearsal.envelope?.findings ?? [])
        .filter(({ severity }) => severity === 'error')
        .map(({ code, message }) => `${code} ${message}`);
      const { guards } = (rehearsal.envelope?.result ?? {}) as {
        readonly guards?: readonly { readonly outcome: string }[];
      };
      throw new Error(
        [
          `the dry run of decommissioning ${service} printed no token`,
          ...said,
          ...(guards ?? []).filter(({ outcome }) => outcome !== 'ok').map((guard) => JSON.stringify(guard)),
        ].join('\n'),
      );
    }
    await this.#do(...advance, '--confirm', token);
  }

  async #do(...args: string[]): Promise<void> {
    this.#assertHealthy();
    const result = await this.#dbps.command(args).catch((error: unknown) => {
      if (this.#run !== undefined) console.log(`dbps run said:\n${this.#run.log.slice(-2000)}`);
      throw error;
    });
    const worst = result.envelope?.findings.filter(({ severity }) => severity === 'error') ?? [];
    this.say(
      `${result.shown}   ${((result.endedAt - result.startedAt) / 1000).toFixed(1)} s${worst.length > 0 ? `, ${worst.length} errors: ${worst.map(({ code }) => code).join(' ')}` : ''}`,
    );
    this.#assertHealthy();
  }

  #assertHealthy(): void {
    const failures = this.#traffic?.failures ?? [];
    if (failures.length > 0) throw new Error(`the traffic failed: ${failures.join('; ')}`);
    if (this.#run?.hasFailed === true) throw new Error(`dbps run ended:\n${this.#run.log.slice(-2000)}`);
  }

  async close(): Promise<void> {
    await this.#traffic?.stop();
    for (const closer of this.#closers) await closer();
    await this.#dbps.close();
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}

const variable = (service: string): string => `${service.toUpperCase()}_DATABASE_URL`;
const engineOf = (set: DataSet): ShopEngine => set.engine ?? 'postgres';
const targetOf = (set: DataSet, service: string): ShopEngine => set.targets?.[service] ?? engineOf(set);
const plain = (name: string): string => name.replaceAll('-', '_');
const sharedDatabase = (set: DataSet): string => set.database ?? plain(set.name);
const database = (set: DataSet, service: string): string => `${plain(set.name)}_${service}`;
const pool = ({ engine, url }: TrafficPlace) => ({
  client: engine === 'mysql' ? 'mysql2' : 'pg',
  connection: url,
  pool: { min: 0, max: 4 },
});

function config(set: DataSet): string {
  const services = Object.entries(set.services).map(
    ([service, relations]) =>
      `  ${service}:\n    relations: [${relations.join(', ')}]\n    target: { engine: ${targetOf(set, service)}, url: "\${${variable(service)}}" }\n`,
  );
  return `version: 1
source: { engine: ${engineOf(set)}, url: "\${SHARED_DATABASE_URL}"${engineOf(set) === 'postgres' ? ', schemas: [public]' : ''} }
services:
${services.join('')}migration:
  gates:
    decommission: { verify: full, soak: 1s }
  archive: ./dbps/archive
`;
}

function findSql(directory: string, service: string): string {
  const files = fs
    .readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.split(path.sep).includes(service) && path.basename(file) === 'schema.sql');
  const [file] = files;
  if (file === undefined) throw new Error(`generate wrote no schema.sql for ${service}`);
  return path.join(directory, file);
}

// Last, when the class above is there.
if (folder === undefined || !fs.existsSync(folder)) {
  console.log(
    `try needs a folder with ${[...DATA_SETS, SCHEMA_ONLY].map(({ name }) => name).join(', ')}: npm run try -- <folder>   (docs/try.md says where they come from)`,
  );
} else {
  const missing = [...DATA_SETS, SCHEMA_ONLY].flatMap(({ files }) =>
    files.filter((file) => !fs.existsSync(path.join(folder, file))),
  );
  if (missing.length > 0) {
    console.log(`not in ${folder}: ${missing.join(', ')}; nothing tried`);
  } else {
    process.exitCode = (await tryAll(folder)) ? 0 : 1;
  }
}
