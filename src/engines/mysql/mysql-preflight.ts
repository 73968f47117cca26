/** Can this run here? Facts are read one group at a time: a group that cannot be read is "could not check", not a problem found. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import { parseRelationId } from '../../model/relation-id.js';
import type { TextRules } from '../../model/text-rules.js';
import type { CaptureMethod, Preflight, PreflightCheck, PreflightRequest } from '../engine.js';
import { readCascades } from './mysql-cascades.js';
import { openMysqlSession, queryable, type MysqlPool, type MysqlQueryable } from './mysql-connection.js';
import { assessTriggerCapture, readCaptureBypasses } from './mysql-preflight-triggers.js';
import { missingPrivileges, readOwnGrants, type Grant } from './mysql-grants.js';
import {
  readConnection,
  readMissingDigests,
  readRelations,
  readServer,
  readTransactions,
  readCodeInside,
} from './mysql-preflight-facts.js';
import {
  assessConnection,
  assessDigests,
  assessOtherEncoding,
  assessServer,
  assessTransactions,
  assessTriggerCreation,
} from './mysql-preflight-judgement.js';
import {
  assessEngineCascades,
  assessPrivileges,
  assessRelations,
  assessCodeInside,
} from './mysql-preflight-relations.js';
import { assessSequenceDefaults, readSequenceDefaults } from './mysql-preflight-sequences.js';

export class MysqlPreflight implements Preflight {
  constructor(
    private readonly pool: MysqlPool,
    private readonly target: ConnectionTarget,
    private readonly capture: CaptureMethod = 'log',
  ) {}

  /** Each column has its own, made with the table; texts come and go as UTF-8. */
  textRules(): Promise<TextRules> {
    return Promise.resolve({ encoding: 'UTF8', locale: null });
  }

  async checks(request: PreflightRequest): Promise<readonly PreflightCheck[]> {
    const scope = request.service === undefined ? {} : { service: request.service };
    const { role, relations } = request;
    const ask = <T>(look: (session: MysqlQueryable) => Promise<T>): Promise<T> =>
      this.pool.use((connection) => look(queryable(connection)));
    const server = await ask(readServer);
    const checks: PreflightCheck[] = [
      ...assessServer(server, role, scope, this.capture),
      ...assessOtherEncoding(request, scope),
    ];
    const group = async (name: string, look: () => Promise<readonly PreflightCheck[]>) => {
      request.signal?.throwIfAborted();
      try {
        checks.push(...(await look()));
      } catch (error) {
        checks.push({
          name,
          outcome: 'unknown',
          detail: error instanceof Error ? error.message : String(error),
        });
      }
    };
    await group('direct connection', async () => {
      const connection = await openMysqlSession(this.target, { applicationName: 'dbps preflight' });
      try {
        return [assessConnection(await readConnection(connection), server, scope)];
      } finally {
        await connection.end();
      }
    });
    await group('digests', async () => [assessDigests(await ask(readMissingDigests), scope)]);
    let grants: readonly Grant[] = [];
    await group('privileges', async () => {
      grants = await ask(readOwnGrants);
      return [
        ...assessPrivileges(grants, server, { role, capture: this.capture }, relations, scope),
        assessTriggerCreation(server, missingPrivileges(grants, ['SUPER'], null).length === 0, scope),
      ];
    });
    await group('open transactions', async () =>
      missingPrivileges(grants, ['PROCESS'], null).length === 0
        ? assessTransactions(await ask(readTransactions), scope)
        : // Not a second complaint: the privilege is a finding of its own, with its grant.
          [
            {
              name: 'open transactions',
              outcome: 'skipped',
              detail: 'of other sessions: PROCESS is missing (SEC214)',
            },
          ],
    );
    if (relations.length > 0) {
      await group('relations', async () =>
        assessRelations(await ask((s) => readRelations(s, relations)), server, scope),
      );
      await group('cascades', async () =>
        assessEngineCascades(await ask((s) => readCascades(s, relations, this.capture)), scope),
      );
      if (this.capture === 'trigger')
        await group('capture by triggers', async () => [
          assessTriggerCapture(await ask((s) => readCaptureBypasses(s, relations)), relations, scope),
        ]);
      if (role === 'source')
        await group('sequences', async () =>
          assessSequenceDefaults(await ask((s) => readSequenceDefaults(s, relations)), scope),
        );
      if (role === 'source')
        await group('code in the database', async () =>
          assessCodeInside(
            await ask((s) => readCodeInside(s, relations)),
            server,
            grants,
            [...new Set(relations.map((id) => parseRelationId(id).schema))],
            scope,
          ),
        );
    }
    return checks;
  }
}
