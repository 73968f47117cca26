/**
 * SQL of applications against the boundaries: what a statement, or a transaction, touches beyond one service will not work once the services have databases of
 * their own. Pure; the statements have been read with the engine's grammar.
 */
import type { StatementUse, WrittenName } from '../engines/engine.js';
import type { Finding } from '../model/finding.js';
import { relationId, type RelationId } from '../model/relation-id.js';

export interface LintedFile {
  /** As it is to be shown. */
  readonly file: string;
  readonly statements: readonly LintedStatement[];
}

export interface LintedStatement {
  readonly line: number;
  /** Without values. */
  readonly text: string;
  /** null: it could not be read. */
  readonly use: StatementUse | null;
  readonly opensTransaction: boolean;
}

export interface LintBoundaries {
  readonly defaultSchema: string;
  readonly serviceOf: ReadonlyMap<RelationId, string>;
  /** Shared relations that other services read from copies of their own. */
  readonly copied: ReadonlySet<RelationId>;
  /** The service whose SQL this is; null: any one. */
  readonly service: string | null;
}

export interface LintResult {
  readonly files: number;
  readonly statements: number;
  /** Statements that could not be read. */
  readonly unread: number;
  /** Names that no service has: temporary tables, what stays in the shared database, misspelt ones. */
  readonly unknown: readonly string[];
  readonly findings: readonly Finding[];
}

interface Touched {
  readonly reads: ReadonlySet<RelationId>;
  readonly writes: ReadonlySet<RelationId>;
}

export function lintStatements(files: readonly LintedFile[], boundaries: LintBoundaries): LintResult {
  const names = new Names(boundaries);
  const findings: Finding[] = [];
  let unread = 0;
  for (const { file, statements } of files) {
    let transaction: { readonly line: number; readonly writes: Set<RelationId>; isTold: boolean } | null =
      null;
    const endTransaction = () => {
      if (transaction !== null && !transaction.isTold)
        findings.push(...acrossInTransaction(file, transaction, boundaries));
      transaction = null;
    };
    for (const { line, text, use, opensTransaction } of statements) {
      if (use === null) {
        unread++;
        findings.push(couldNotRead(file, line, text));
        continue;
      }
      if (use.isTransactionControl) {
        endTransaction();
        if (opensTransaction) transaction = { line, writes: new Set(), isTold: false };
      }
      const touched = names.resolve(use);
      const found = across(file, line, text, touched, boundaries);
      findings.push(...found);
      if (transaction !== null) {
        const open = transaction as { writes: Set<RelationId>; isTold: boolean };
        for (const id of touched.writes) open.writes.add(id);
        open.isTold ||= found.some(({ code }) => code === 'BND602');
      }
    }
    endTransaction();
  }
  return {
    files: files.length,
    statements: files.reduce((sum, { statements }) => sum + statements.length, 0),
    unread,
    unknown: [...names.unknown].sort(),
    findings,
  };
}

class Names {
  readonly unknown = new Set<string>();
  private readonly byName = new Map<string, RelationId[]>();

  constructor(private readonly boundaries: LintBoundaries) {
    for (const id of boundaries.serviceOf.keys()) {
      const bare = id.slice(id.lastIndexOf('.') + 1);
      this.byName.set(bare, [...(this.byName.get(bare) ?? []), id]);
    }
  }

  resolve(use: StatementUse): Touched {
    const writes = new Set(use.writes.flatMap((name) => this.relation(name) ?? []));
    const reads = new Set(
      use.reads.flatMap((name) => this.relation(name) ?? []).filter((id) => !writes.has(id)),
    );
    return { reads, writes };
  }

  private relation({ schema, name }: WrittenName): RelationId | undefined {
    const { serviceOf, defaultSchema } = this.boundaries;
    for (const written of [name, name.toLowerCase()]) {
      const id = relationId(schema ?? defaultSchema, written);
      if (serviceOf.has(id)) return id;
      const [only, second] = schema === undefined ? (this.byName.get(written) ?? []) : [];
      if (only !== undefined && second === undefined) return only;
    }
    if (schema !== 'information_schema' && schema !== 'pg_catalog' && schema !== 'mysql')
      this.unknown.add(schema === undefined ? name : `${schema}.${name}`);
    return undefined;
  }
}

const list = (names: readonly string[]): string =>
  names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;

/** `public.orders (orders) and public.users (users)`. */
const withService = (ids: readonly RelationId[], { serviceOf }: LintBoundaries): string =>
  list([...ids].sort().map((id) => `${id} (${serviceOf.get(id) ?? ''})`));

function across(
  file: string,
  line: number,
  text: string,
  { reads, writes }: Touched,
  boundaries: LintBoundaries,
): readonly Finding[] {
  const { serviceOf, copied, service } = boundaries;
  const of = (id: RelationId) => serviceOf.get(id) as string;
  // A copy is read where the reader is.
  const read = [...reads].filter((id) => !copied.has(id));
  const services = new Set([...read, ...writes].map(of));
  if (service !== null) services.add(service);
  if (services.size < 2) return [];
  const writers = new Set([...writes].map(of));
  const home = service ?? (writers.size === 1 ? [...writers][0] : undefined);
  const foreignWrites = [...writes].filter((id) => home === undefined || of(id) !== home);
  const data = {
    services: [...services].sort(),
    reads: read.sort(),
    writes: [...writes].sort(),
    statement: text.slice(0, 500),
  };
  const location = { file, line };
  if (foreignWrites.length > 0)
    return [
      {
        code: 'BND602',
        severity: 'error',
        subject: `${file}:${line}`,
        message:
          home === undefined
            ? `writes relations of ${writers.size} services in one statement: ${withService([...writes], boundaries)}`
            : `${home} writes ${withService(foreignWrites, boundaries)}`,
        remedy: `let ${list([...new Set(foreignWrites.map(of))].sort())} do it: a call or an event to ${foreignWrites.length === 1 ? 'it' : 'them'}, or move the relations together`,
        ...(home !== undefined && { service: home }),
        location,
        data,
      },
    ];
  const owners = [...new Set(read.map(of))].filter((name) => name !== home).sort();
  return [
    {
      code: 'BND601',
      severity: 'error',
      subject: `${file}:${line}`,
      message: `one statement needs ${data.services.length} services: ${withService([...read, ...writes], boundaries)}`,
      remedy: `read each service by itself and put the answers together; or list what is hardly ever written under shared:, so that its readers get copies${home === undefined ? '' : `; or let ${home} ask ${list(owners)}`}`,
      ...(home !== undefined && { service: home }),
      location,
      data,
    },
  ];
}

function acrossInTransaction(
  file: string,
  { line, writes }: { readonly line: number; readonly writes: ReadonlySet<RelationId> },
  boundaries: LintBoundaries,
): readonly Finding[] {
  const services = [...new Set([...writes].map((id) => boundaries.serviceOf.get(id) as string))].sort();
  if (services.length < 2) return [];
  return [
    {
      code: 'BND603',
      severity: 'error',
      subject: `${file}:${line}`,
      message: `one transaction writes relations of ${services.length} services: ${withService([...writes], boundaries)}`,
      remedy: `one of them commits first: let the others follow by an outbox and events, with what undoes it, or move the relations together`,
      location: { file, line },
      data: { services, reads: [], writes: [...writes].sort() },
    },
  ];
}

function couldNotRead(file: string, line: number, text: string): Finding {
  return {
    code: 'BND604',
    severity: 'warning',
    subject: `${file}:${line}`,
    message: 'could not be read, so nobody knows what it touches',
    remedy: 'mend it, or check it by hand; text put in by a template engine must be filled in first',
    location: { file, line },
    data: { statement: text.slice(0, 500) },
  };
}
