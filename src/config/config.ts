/**
 * dbps.yaml: one zod schema is the truth for validation, for the types below and for the JSON Schema that editors read
 * (schema/dbps.yaml.json). `Config` is what the use cases take: names resolved to relation ids, units to numbers, and every
 * service and relation with the place where it stands in the file, so that planning can name the line that is wrong.
 */
import { z } from 'zod';
import type { ConnectionTarget } from '../model/connection-target.js';
import type { EngineName } from '../model/database-schema.js';
import type { Finding } from '../model/finding.js';
import type { OnParentDelete } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';
import { parseDuration, parseSize } from './units.js';

export interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface LocatedRelation {
  readonly id: RelationId;
  readonly location: Location;
}

export interface Config {
  /** Absolute path of dbps.yaml. */
  readonly file: string;
  /** Where relative paths in it start. */
  readonly directory: string;
  readonly source: SourceConfig;
  /** In the order of the file. */
  readonly services: readonly ServiceConfig[];
  readonly shared: readonly SharedConfig[];
  readonly references: readonly ReferenceConfig[];
  readonly together: readonly (readonly LocatedRelation[])[];
  readonly apart: readonly (readonly [LocatedRelation, LocatedRelation])[];
  readonly analysis: AnalysisConfig;
  readonly migration: MigrationConfig;
  readonly suppress: readonly SuppressConfig[];
  /** Such as a password in clear. */
  readonly warnings: readonly Finding[];
}

/** A connection is made from the environment only when it is asked for: `plan show` needs no password. */
export interface ConnectionConfig {
  readonly engine: EngineName;
  readonly location: Location;
  /** @throws ConfigError naming the line: a variable is unset, the URL is not valid. */
  target(): ConnectionTarget;
}

export interface SourceConfig extends ConnectionConfig {
  /** undefined: every schema that is not the server's own. */
  readonly schemas: readonly string[] | undefined;
  readonly defaultSchema: string;
  /** Globs over relation names. */
  readonly exclude: readonly string[];
}

export interface ServiceConfig {
  readonly name: string;
  readonly location: Location;
  readonly relations: readonly LocatedRelation[];
  /** null: not said yet; enough for analyze and plan, not for migrate. */
  readonly target: TargetConfig | null;
}

export interface TargetConfig extends ConnectionConfig {
  /** Schema in the service database for relations of the source's default schema; null: keep the source's names. */
  readonly schema: string | null;
}

export interface SharedConfig {
  readonly relations: readonly LocatedRelation[];
  readonly owner: string | null;
  /** Services that read them, beside those that refer to them. */
  readonly readers: readonly string[];
  readonly location: Location;
}

export interface ReferenceConfig {
  readonly child: RelationId;
  readonly childColumns: readonly string[];
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
  readonly onDelete: OnParentDelete;
  /** Column kept here → column of the parent. */
  readonly copy: Readonly<Record<string, string>>;
  readonly location: Location;
}

export interface SuppressConfig {
  readonly code: string;
  /** undefined: every subject. */
  readonly subject: string | undefined;
  readonly reason: string;
  /** ISO date after which it no longer counts. */
  readonly until: string | undefined;
  readonly location: Location;
}

/** What no schema says, and analysis reckons with. null: not said. */
export interface AnalysisConfig {
  /** Connections that all processes of one service hold together. */
  readonly pool: number | null;
  /** What the server gives, where it cannot be asked or will be another. */
  readonly maxConnections: number | null;
}

export interface MigrationConfig {
  readonly capture: 'auto' | 'log' | 'trigger';
  readonly walBudgetBytes: number;
  readonly chunkRows: number;
  /** Parallel chunk streams and index builds. */
  readonly jobs: number;
  readonly throttleMaxLagMs: number;
  readonly readCutover: { readonly verify: GateVerify; readonly maxLagMs: number };
  readonly writeCutover: {
    readonly verify: GateVerify;
    readonly maxLagMs: number;
    readonly fenceTimeoutMs: number;
  };
  readonly decommission: { readonly verify: GateVerify; readonly soakMs: number; readonly graceMs: number };
  readonly archive: { readonly directory: string } | { readonly attested: string };
  readonly routeHook: HookConfig | null;
}

export type GateVerify = 'counts' | 'changed' | 'full';

export type HookConfig = {
  readonly timeoutMs: number;
  readonly onFailure: 'block' | 'warn';
} & (
  | { readonly kind: 'command'; readonly command: string; readonly directory: string }
  | { readonly kind: 'url'; readonly url: () => string }
);

// ---------------------------------------------------------------- the file

const duration = z
  .union([z.string(), z.literal(0)], 'write a duration such as 500ms, 5s, 10m, 2h or 7d')
  .refine(
    (value) => parseDuration(String(value)) !== null,
    'write a duration such as 500ms, 5s, 10m, 2h or 7d',
  )
  .transform((value) => parseDuration(String(value)) as number);
const size = z
  .string()
  .refine((text) => parseSize(text) !== null, 'write a size such as 512MB or 10GB')
  .transform((text) => parseSize(text) as number);
const relation = z
  .string()
  .regex(
    /^(?:"(?:[^"]|"")+"|[^".]+)(?:\.(?:"(?:[^"]|"")+"|[^".]+))?$/,
    'write a relation as name or schema.name',
  );
const engine = z.enum(['postgres', 'mysql']);
const verify = z.enum(['counts', 'changed', 'full']);

const tls = z.union([
  z.boolean(),
  z.strictObject({
    ca: z.string().optional().describe('file with the certificate authority, PEM'),
    cert: z.string().optional(),
    key: z.string().optional(),
    verify: z.boolean().optional().describe('false: encrypt without checking the certificate'),
  }),
]);

/** A URL, or the same in parts. */
const connection = {
  url: z
    .string()
    .optional()
    .describe('postgres://user:password@host:5432/database; ${VAR} and ${VAR|urlencode} are replaced'),
  host: z.string().optional(),
  port: z.union([z.number().int(), z.string()]).optional(),
  user: z.string().optional(),
  password: z.string().optional().describe('${VAR} or ${file:/run/secrets/x}; in clear it is a warning'),
  passwordCommand: z
    .string()
    .optional()
    .describe('prints the password; run for each new connection, for expiring tokens'),
  database: z.string().optional(),
  tls: tls.optional(),
};

const serviceName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,39}$/,
    'a service name is lower case letters, digits, - and _, at most 40, a letter first',
  );

const hook = z.strictObject({
  run: z.string().optional().describe('a command; the change of the route is its standard input, as JSON'),
  url: z.string().optional().describe('the change of the route is posted to it, as JSON'),
  timeout: duration.default(5000),
  onFailure: z.enum(['block', 'warn']).default('block'),
});

export const FileSchema = z
  .strictObject({
    version: z.literal(1),
    source: z
      .strictObject({
        engine: engine.default('postgres'),
        ...connection,
        schemas: z.array(z.string()).min(1).optional(),
        exclude: z.array(z.string()).default([]).describe('globs; these relations are left out'),
      })
      .describe('the shared database'),
    services: z
      .record(
        serviceName,
        z.strictObject({
          relations: z.array(relation).min(1).describe('what the service will own'),
          target: z
            .strictObject({ engine: engine.optional(), ...connection, schema: z.string().optional() })
            .optional()
            .describe('its own database'),
        }),
      )
      .default({}),
    shared: z
      .array(
        z.strictObject({
          relations: z.array(relation).min(1),
          owner: z.string().optional().describe('the one service that writes them'),
          readers: z
            .array(z.string())
            .default([])
            .describe('services that read them, beside those that refer to them'),
        }),
      )
      .default([])
      .describe('reference data: one owner, read-only copies for every other service that uses it'),
    references: z
      .array(
        z.strictObject({
          from: z.string().describe('orders.user_id, or orders.(a, b)'),
          to: z.string(),
          onDelete: z.enum(['keep', 'nullify', 'delete', 'restrict']).default('keep'),
          copy: z.record(z.string(), z.string()).default({}),
        }),
      )
      .default([])
      .describe('what replaces a foreign key that the boundaries cut'),
    together: z.array(z.array(relation).min(2)).default([]).describe('relations that stay in one service'),
    apart: z
      .array(z.tuple([relation, relation]))
      .default([])
      .describe('pairs that never share a service'),
    analysis: z
      .strictObject({
        pool: z
          .number()
          .int()
          .min(1)
          .max(100_000)
          .optional()
          .describe(
            'connections that all processes of one service hold together; services × pool is held against what the server gives',
          ),
        maxConnections: z
          .number()
          .int()
          .min(1)
          .max(1_000_000)
          .optional()
          .describe('what the server gives; asked of a live one'),
      })
      .prefault({}),
    migration: z
      .strictObject({
        capture: z.enum(['auto', 'log', 'trigger']).default('auto'),
        walBudget: size
          .default(10 * 1024 ** 3)
          .describe('stop and say so before the retained log exceeds it'),
        chunk: z.strictObject({ rows: z.number().int().min(1).default(50_000) }).prefault({}),
        jobs: z.number().int().min(1).max(64).default(2),
        throttle: z.strictObject({ maxLag: duration.default(5000) }).prefault({}),
        gates: z
          .strictObject({
            readCutover: z
              .strictObject({ verify: verify.default('full'), maxLag: duration.default(2000) })
              .prefault({}),
            writeCutover: z
              .strictObject({
                verify: verify.default('changed'),
                maxLag: duration.default(500),
                fenceTimeout: duration.default(10_000),
              })
              .prefault({}),
            decommission: z
              .strictObject({
                verify: verify.default('full'),
                soak: duration.default(7 * 86_400_000),
                grace: duration
                  .default(5_000)
                  .describe('between renaming the legacy relations and dropping them'),
              })
              .prefault({}),
          })
          .prefault({}),
        archive: z
          .union([z.string(), z.strictObject({ attested: z.string().min(1) })])
          .default('./dbps/archive'),
        hooks: z.strictObject({ route: hook.optional() }).prefault({}),
      })
      .prefault({}),
    suppress: z
      .array(
        z.strictObject({
          code: z.string().regex(/^[A-Z]{3}\d{3}$/, 'a finding code is three letters and three digits'),
          subject: z.string().optional(),
          reason: z.string().min(1),
          until: z.iso.date().optional(),
        }),
      )
      .default([])
      .describe('findings accepted, each with its reason; still listed in every report'),
  })
  .meta({ title: 'dbps.yaml' });

export type ConfigFile = z.output<typeof FileSchema>;
