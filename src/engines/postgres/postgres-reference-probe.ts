/**
 * Does the data say that a column refers to a relation? A bounded sample of its distinct values is looked up in the parent, whose column has a unique
 * index. Read-only, each question under a statement timeout. Row security is asked to fail: rows that are filtered away would look like orphans.
 */
import type { ProbeOptions, ReferenceCandidate, ReferenceProbe, ReferenceProbed } from '../usage.js';
import type { SessionPool } from './postgres-connection.js';
import { sqlState } from './postgres-errors.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';

/** Rows read for each distinct value wanted. */
const ROWS_A_VALUE = 10;

/** What makes a question unanswerable without being a failure: not comparable, not readable, too slow. */
const UNANSWERED: Readonly<Record<string, string>> = {
  '22P02': 'its values do not have the type of the other column',
  '22003': 'its values do not fit the type of the other column',
  '22007': 'its values do not have the type of the other column',
  '42846': 'its type cannot be turned into that of the other column',
  '42883': 'its type cannot be compared with that of the other column',
  '42501': 'it may not be read by this role, or row security hides rows',
  '42P01': 'it is gone',
  '57014': 'it took too long',
};

export class PostgresReferenceProbe implements ReferenceProbe {
  constructor(private readonly pool: SessionPool) {}

  async hitRates(
    candidates: readonly ReferenceCandidate[],
    options: ProbeOptions,
  ): Promise<readonly ReferenceProbed[]> {
    const probed: ReferenceProbed[] = [];
    for (const candidate of candidates) {
      options.signal?.throwIfAborted();
      probed.push(await this.#probe(candidate, options));
    }
    return probed;
  }

  async #probe(candidate: ReferenceCandidate, options: ProbeOptions): Promise<ReferenceProbed> {
    const child = quoteRelation(candidate.child);
    const parent = quoteRelation(candidate.parent);
    const column = quoteIdentifier(candidate.column);
    const key = quoteIdentifier(candidate.parentColumn);
    const rows = options.sampleValues * ROWS_A_VALUE;
    try {
      return await this.pool.transaction(async (client) => {
        await client.query(
          `SET LOCAL statement_timeout = ${Math.ceil(options.timeoutMs)}; SET LOCAL row_security = off`,
        );
        const { rows: known } = await client.query<{ estimate: string; type: string | null }>(
          `SELECT (SELECT reltuples FROM pg_class WHERE oid = to_regclass(${quoteLiteral(child)})) AS estimate,
                  (SELECT format_type(atttypid, NULL) FROM pg_attribute
                    WHERE attrelid = to_regclass(${quoteLiteral(parent)}) AND attname = $1 AND NOT attisdropped) AS type`,
          [candidate.parentColumn],
        );
        const [{ estimate = '-1', type = null } = {}] = known;
        if (type === null) return { values: 0, hitRate: null, reason: 'it is gone' };
        // The same pages each time: the same database gives the same answer.
        const share = (100 * rows) / Math.max(1, Number(estimate));
        const sample = share < 100 ? ` TABLESAMPLE SYSTEM (${Math.max(share, 0.0001)}) REPEATABLE (1)` : '';
        const { rows: found } = await client.query<{ values: string; hits: string }>(
          `WITH sample AS MATERIALIZED (
             SELECT DISTINCT CAST(v AS ${type}) AS v
               FROM (SELECT ${column} AS v FROM ${child}${sample} WHERE ${column} IS NOT NULL LIMIT ${rows}) rows
              LIMIT ${options.sampleValues})
           SELECT count(*) AS values, count(*) FILTER (WHERE EXISTS (SELECT FROM ${parent} p WHERE p.${key} = sample.v)) AS hits
             FROM sample`,
        );
        const values = Number(found[0]?.values ?? 0);
        return values === 0
          ? { values, hitRate: null, reason: 'it has no values' }
          : { values, hitRate: Number(found[0]?.hits) / values };
      }, 'BEGIN READ ONLY');
    } catch (error) {
      const reason = UNANSWERED[sqlState(error) ?? ''];
      if (reason === undefined) throw error;
      return { values: 0, hitRate: null, reason };
    }
  }
}
