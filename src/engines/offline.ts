/** Roles that need no server, loaded without any driver: `analyze --from-sql` works where no database client is installed. */
import type { EngineName } from '../model/database-schema.js';
import type { DumpReader, StatementReader } from './engine.js';

export interface OfflineRoles {
  readonly dumpReader: DumpReader;
  readonly statementReader: StatementReader;
  /** Schema of a name that a statement wrote without one. */
  readonly defaultSchema: (database: string) => string;
}

const LOADERS = {
  postgres: async (): Promise<OfflineRoles> => ({
    dumpReader: (await import('./postgres/postgres-dump-reader.js')).postgresDumpReader,
    statementReader: (await import('./postgres/postgres-statement-reader.js')).postgresStatementReader,
    defaultSchema: () => 'public',
  }),
  mysql: async (): Promise<OfflineRoles> => ({
    dumpReader: (await import('./mysql/mysql-dump-reader.js')).mysqlDumpReader,
    statementReader: (await import('./mysql/mysql-statement-reader.js')).mysqlStatementReader,
    defaultSchema: (database) => database,
  }),
} as const satisfies Record<EngineName, () => Promise<OfflineRoles>>;

export function loadOfflineRoles(engine: EngineName): Promise<OfflineRoles> {
  return LOADERS[engine]();
}

/** Marks that only one family of dump tools and dialects writes, each with how much it says. */
const MARKS: readonly (readonly [engine: EngineName, weight: number, pattern: RegExp])[] = [
  ['postgres', 10, /^-- PostgreSQL database (?:cluster )?dump/m],
  ['postgres', 10, /^-- Dumped (?:from database|by pg_dump) version/m],
  ['mysql', 10, /^-- (?:MySQL|MariaDB) dump |^-- phpMyAdmin SQL Dump/m],
  ['mysql', 6, /\/\*M?!\d{5,6}/],
  ['mysql', 5, /\bENGINE\s*=\s*(?:InnoDB|MyISAM|Aria|MEMORY)\b/i],
  ['mysql', 4, /`[^`\n]+`/],
  ['mysql', 4, /\bAUTO_INCREMENT\b/i],
  ['mysql', 2, /\b(?:tinyint|mediumint|mediumtext|longtext|datetime)\b|\bunsigned\b/i],
  ['mysql', 3, /\/\*!\s/],
  ['postgres', 4, /^COPY [^;]+ FROM stdin;/im],
  ['postgres', 4, /\bSET\s+(?:search_path|standard_conforming_strings)\b|\bset_config\('search_path'/i],
  ['postgres', 4, /::[a-z_]+|\$\$|\blanguage\s+plpgsql\b/i],
  [
    'postgres',
    3,
    /\b(?:timestamptz|bigserial|jsonb|bytea|timestamp with(?:out)? time zone|character varying|nextval\()/i,
  ],
  ['postgres', 2, /\bOWNER TO\b|\bALTER TABLE ONLY\b/i],
  ['postgres', 4, /\bAS IDENTITY\b|\bCREATE EXTENSION\b|\bAS ENUM\b|\bUSING (?:gin|gist|brin)\b/i],
  ['postgres', 3, /\b(?:TABLE|EXISTS|REFERENCES|ONLY)\s+"/i],
  ['postgres', 2, /\b(?:small)?serial\b|\b(?:text|integer|varchar)\[\]|\bint[48]\b/i],
  ['mysql', 4, /\bON UPDATE CURRENT_TIMESTAMP\b|\bCHARSET\b|\bCHARACTER SET\b/i],
  ['mysql', 2, /^\s*(?:UNIQUE |FULLTEXT )?KEY\s+\w+\s*\(/im],
];

/** From the beginning of a script; null when nothing tells. */
export function detectDialect(head: string): EngineName | null {
  const score = { postgres: 0, mysql: 0 };
  for (const [engine, weight, pattern] of MARKS) if (pattern.test(head)) score[engine] += weight;
  return score.postgres === score.mysql ? null : score.postgres > score.mysql ? 'postgres' : 'mysql';
}
