/**
 * Does the data say that a column refers to a relation? A bounded sample of its distinct values, from the oldest and the newest rows (there is no
 * random sample that does not read everything), is looked up in the parent. Each question under a time limit.
 */
import { parseRelationId } from '../../model/relation-id.js';
import type { ProbeOptions, ReferenceCandidate, ReferenceProbe, ReferenceProbed } from '../usage.js';
import { queryable, type MysqlPool } from './mysql-connection.js';
import { flavorOf } from './mysql-flavor.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

/** Rows read for each distinct value wanted. */
const ROWS_A_VALUE = 10;

/** What makes a question unanswerable without being a failure. */
const UNANSWERED: Readonly<Record<number, string>> = {
  1142: 'it may not be read by this account',
  1143: 'it may not be read by this account',
  1146: 'it is gone',
  1054: 'it is gone',
  1267: 'its collation cannot be compared with that of the other column',
  1969: 'it took too long',
  3024: 'it took too long',
};

export class MysqlReferenceProbe implements ReferenceProbe {
  constructor(private readonly pool: MysqlPool) {}

  async hitRates(
    candidates: readonly ReferenceCandidate[],
    options: ProbeOptions,
  ): Promise<readonly ReferenceProbed[]> {
    const [version] = await this.pool.query('SELECT version() AS version');
    const { limitSql, unlimitSql } = flavorOf(version?.['version'] ?? '').statementTimeout(options.timeoutMs);
    const probed: ReferenceProbed[] = [];
    for (const candidate of candidates) {
      options.signal?.throwIfAborted();
      probed.push(
        await this.pool.use(async (connection) => {
          await connection.query(limitSql);
          try {
            return await this.#probe(candidate, options, (sql, values) =>
              queryable(connection).query({ sql, values }),
            );
          } catch (error) {
            const reason = UNANSWERED[(error as { errno?: number }).errno ?? 0];
            if (reason === undefined) throw error;
            return { values: 0, hitRate: null, reason };
          } finally {
            await connection.query(unlimitSql).catch(() => undefined);
          }
        }),
      );
    }
    return probed;
  }

  async #probe(
    candidate: ReferenceCandidate,
    { sampleValues }: ProbeOptions,
    query: (
      sql: string,
      values: readonly unknown[],
    ) => Promise<readonly Readonly<Record<string, string | null>>[]>,
  ): Promise<ReferenceProbed> {
    const { schema, name } = parseRelationId(candidate.child);
    const keys = await query(
      `SELECT column_name FROM information_schema.statistics
        WHERE table_schema = ? AND table_name = ? AND index_name = 'PRIMARY' ORDER BY seq_in_index`,
      [schema, name],
    );
    const column = quoteIdentifier(candidate.column);
    const rows = `SELECT ${column} AS v FROM ${quoteRelation(candidate.child)} WHERE ${column} IS NOT NULL`;
    const newestFirst = keys.map((row) => `${quoteIdentifier(row['column_name'] ?? '')} DESC`).join(', ');
    const half = Math.ceil((sampleValues * ROWS_A_VALUE) / 2);
    const sampled =
      newestFirst === ''
        ? `${rows} LIMIT ${2 * half}`
        : `(${rows} ORDER BY ${newestFirst.replaceAll(' DESC', '')} LIMIT ${half}) UNION (${rows} ORDER BY ${newestFirst} LIMIT ${half})`;
    const [found] = await query(
      `SELECT COUNT(*) AS looked_up, SUM(EXISTS (SELECT 1 FROM ${quoteRelation(candidate.parent)} p WHERE p.${quoteIdentifier(candidate.parentColumn)} = sample.v)) AS hits
         FROM (SELECT DISTINCT v FROM (${sampled}) sampled LIMIT ${sampleValues}) sample`,
      [],
    );
    const values = Number(found?.['looked_up'] ?? 0);
    return values === 0
      ? { values, hitRate: null, reason: 'it has no values' }
      : { values, hitRate: Number(found?.['hits'] ?? 0) / values };
  }
}
