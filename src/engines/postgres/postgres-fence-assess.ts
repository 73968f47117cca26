/** What could stop a fence, or let writers round it. Facts are read by `readFenceRisks`; `assessFenceRisks` judges them and is pure. */
import type { Finding } from '../../model/finding.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { FenceRequest } from '../engine.js';
import { readTree, type Queryable } from './postgres-fence-tree.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';

export interface FenceRisks {
  readonly service: string;
  readonly self: string;
  /** Relations and sequences of which this role is not (a member of) the owner. */
  readonly notOwned: readonly {
    readonly id: RelationId;
    readonly owner: string;
    readonly ownerIsSuperuser: boolean;
  }[];
  readonly notTables: readonly RelationId[];
  /** Login roles, not superusers, that are (members of) an owner or may set the replica role. */
  readonly canDisable: readonly { readonly role: string; readonly how: string }[];
  /** Sequences of the service from which a relation that stays draws. */
  readonly sharedSequences: readonly { readonly sequence: RelationId; readonly user: string }[];
}

const OWNERS = `
SELECT n.nspname AS schema, c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
       (SELECT rolsuper FROM pg_roles WHERE oid = c.relowner) AS super
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE (c.oid = ANY ($1::oid[])
        OR (n.nspname, c.relname) IN (SELECT * FROM unnest($2::text[], $3::text[])))
   AND NOT pg_has_role(c.relowner, 'USAGE')
 ORDER BY c.oid`;

const OWNING_ROLES = `
SELECT r.rolname AS role, string_agg(DISTINCT pg_get_userbyid(c.relowner), ', ') AS owners
  FROM pg_class c
  JOIN pg_roles r ON r.rolcanlogin AND NOT r.rolsuper AND r.rolname <> current_user AND pg_has_role(r.oid, c.relowner, 'MEMBER')
 WHERE c.oid = ANY ($1::oid[])
 GROUP BY r.rolname ORDER BY r.rolname`;

const REPLICA_ROLES = `
SELECT r.rolname AS role FROM pg_roles r
 WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname <> current_user
   AND has_parameter_privilege(r.oid, 'session_replication_role', 'SET')
 ORDER BY r.rolname`;

const SHARED_SEQUENCES = `
SELECT sn.nspname AS seq_schema, s.relname AS seq_name, n.nspname AS schema, c.relname AS name, a.attname AS column
  FROM unnest($2::text[], $3::text[]) AS given (schema, name)
  JOIN pg_namespace sn ON sn.nspname = given.schema
  JOIN pg_class s ON s.relnamespace = sn.oid AND s.relname = given.name
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid AND d.classid = 'pg_attrdef'::regclass
  JOIN pg_attrdef f ON f.oid = d.objid
  JOIN pg_class c ON c.oid = f.adrelid AND c.oid <> ALL ($1::oid[])
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = f.adnum
 ORDER BY 1, 2, 3, 4`;

export async function readFenceRisks(client: Queryable, request: FenceRequest): Promise<FenceRisks> {
  const tree = await readTree(client, request.relations);
  const oids = tree.map((r) => r.oid);
  const sequences = request.sequences.map((id) => parseRelationId(id));
  const names = [sequences.map((s) => s.schema), sequences.map((s) => s.name)];
  const { rows: me } = await client.query<{ self: string; version: string }>(
    "SELECT current_user AS self, current_setting('server_version_num') AS version",
  );
  const owners = await client.query<{ schema: string; name: string; owner: string; super: string }>(OWNERS, [
    oids,
    ...names,
  ]);
  const owning = await client.query<{ role: string; owners: string }>(OWNING_ROLES, [oids]);
  const replica =
    Number(me[0]?.version) >= 150000 ? (await client.query<{ role: string }>(REPLICA_ROLES)).rows : [];
  const shared = await client.query<{
    seq_schema: string;
    seq_name: string;
    schema: string;
    name: string;
    column: string;
  }>(SHARED_SEQUENCES, [oids, ...names]);
  return {
    service: request.service,
    self: me[0]?.self ?? '',
    notOwned: owners.rows.map((row) => ({
      id: relationId(row.schema, row.name),
      owner: row.owner,
      ownerIsSuperuser: row.super === 't',
    })),
    notTables: tree.filter((r) => r.kind !== 'table' && r.kind !== 'partitioned').map((r) => r.id),
    canDisable: [
      ...owning.rows.map((row) => ({ role: row.role, how: `owns them (as ${row.owners})` })),
      ...replica.map((row) => ({ role: row.role, how: 'may set session_replication_role' })),
    ],
    sharedSequences: shared.rows.map((row) => ({
      sequence: relationId(row.seq_schema, row.seq_name),
      user: `${relationId(row.schema, row.name)}.${row.column}`,
    })),
  };
}

export function assessFenceRisks(risks: FenceRisks): Finding[] {
  const findings: Finding[] = [];
  const { service } = risks;
  const self = quoteIdentifier(risks.self);
  const byOwner = new Map<string, FenceRisks['notOwned'][number][]>();
  for (const found of risks.notOwned) byOwner.set(found.owner, [...(byOwner.get(found.owner) ?? []), found]);
  for (const [owner, owned] of byOwner) {
    const ids = owned.map(({ id }) => id);
    findings.push({
      code: 'SEC301',
      severity: 'error',
      subject: owner,
      service,
      message: `${risks.self} may not fence ${ids.join(', ')}: owned by ${owner}`,
      remedy: owned.some(({ ownerIsSuperuser }) => ownerIsSuperuser)
        ? ids.map((id) => `ALTER TABLE ${quoteRelation(id)} OWNER TO ${self};`).join(' ')
        : `GRANT ${quoteIdentifier(owner)} TO ${self};`,
      data: { relations: ids },
    });
  }
  for (const id of risks.notTables) {
    findings.push({
      code: 'TRG301',
      severity: 'error',
      subject: id,
      relation: id,
      service,
      message: `${id} is below a relation that moves, but is no table of this server: its writers cannot be made to wait`,
      remedy: `Detach ${id} from its parent, or leave the parent where it is.`,
    });
  }
  for (const { sequence, user } of risks.sharedSequences) {
    findings.push({
      code: 'SEQ301',
      severity: 'error',
      subject: sequence,
      service,
      message: `${sequence} moves with ${service}, but ${user}, which stays, draws from it too`,
      remedy: `Give ${user} a sequence of its own: CREATE SEQUENCE …; ALTER TABLE … ALTER COLUMN … SET DEFAULT nextval(…);`,
      data: { user },
    });
  }
  for (const { role, how } of risks.canDisable) {
    findings.push({
      code: 'SEC302',
      severity: 'warning',
      subject: role,
      service,
      message: `${role} could take the fence of ${service} away: it ${how}`,
      remedy: how.startsWith('may set')
        ? `REVOKE SET ON PARAMETER session_replication_role FROM ${quoteIdentifier(role)};`
        : `Give the relations to a role that no application logs in as: ALTER TABLE … OWNER TO …; GRANT SELECT, INSERT, UPDATE, DELETE ON … TO ${quoteIdentifier(role)};`,
    });
  }
  return findings;
}

const LOCKS = `
SELECT n.nspname AS schema, c.relname AS name, a.usename AS user,
       format('%s, pid %s, %s: %s', a.application_name, a.pid, a.state, left(a.query, 100)) AS detail
  FROM pg_locks l
  JOIN pg_stat_activity a USING (pid)
  JOIN pg_class c ON c.oid = l.relation
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE l.locktype = 'relation' AND l.relation = ANY ($1::oid[]) AND a.usename IS NOT NULL
   AND l.pid <> pg_backend_pid() AND a.application_name NOT LIKE 'dbps%'
 ORDER BY 1, 2, 3`;

/** Who holds a lock on the relations at this moment, readers included. */
export async function readAccess(
  client: Queryable,
  relations: readonly RelationId[],
): Promise<{ relation: RelationId; user: string; detail: string }[]> {
  const tree = await readTree(client, relations);
  const { rows } = await client.query<{ schema: string; name: string; user: string; detail: string }>(LOCKS, [
    tree.map((r) => r.oid),
  ]);
  return rows.map((row) => ({
    relation: relationId(row.schema, row.name),
    user: row.user,
    detail: row.detail,
  }));
}
