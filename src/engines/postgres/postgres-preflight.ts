/** Can this run here? Facts are read one group at a time: a group that cannot be read is "could not check", not a problem found. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { RelationId } from '../../model/relation-id.js';
import type { TextRules } from '../../model/text-rules.js';
import type { CaptureMethod, Preflight, PreflightCheck, PreflightRequest } from '../engine.js';
import { openSession, type SessionPool } from './postgres-connection.js';
import {
  readBackends,
  readRelations,
  readRuled,
  readServer,
  readSlots,
  readSubscriptions,
  readTransactions,
  tryReplicaRole,
  type ServerFacts,
} from './postgres-preflight-facts.js';
import {
  assessText,
  assessLog,
  assessLogBudget,
  assessPooler,
  assessRelations,
  assessReplicaRole,
  assessReplicationConnection,
  assessRules,
  assessServer,
  assessSlots,
  assessTransactions,
  assessTriggerCapture,
} from './postgres-preflight-judgement.js';
import { readTextRules } from './postgres-text-rules.js';

export class PostgresPreflight implements Preflight {
  constructor(
    private readonly pool: SessionPool,
    private readonly target: ConnectionTarget,
    private readonly capture: CaptureMethod = 'log',
  ) {}

  async checks(request: PreflightRequest): Promise<readonly PreflightCheck[]> {
    const scope = request.service === undefined ? {} : { service: request.service };
    const server = await this.pool.use(readServer);
    const slots = await this.pool.use(readSlots);
    const checks: PreflightCheck[] = [
      ...assessServer(server, scope),
      ...(this.capture === 'log'
        ? [...assessLog(server, slots, scope), assessLogBudget(server, request.walBudgetBytes ?? null, scope)]
        : []),
      ...assessSlots(slots, server.database, scope),
      ...assessText(await this.textRules(), request, server, scope),
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
    await group('direct connection', async () => [assessPooler(await this.pool.use(readBackends), scope)]);
    await group('replication connection', async () =>
      // Without the privilege the refusal is known, and already said.
      server.mayReplicate && this.capture === 'log'
        ? [assessReplicationConnection(await this.#replicationError(), server, scope)]
        : [],
    );
    await group('replica role', async () => {
      const refusal = await this.pool.use(tryReplicaRole);
      return [
        assessReplicaRole(refusal, server, scope),
        ...assessRules(request.ruled ?? [], refusal, server, scope),
      ];
    });
    await group('open transactions', async () =>
      assessTransactions(await this.pool.use(readTransactions), scope),
    );
    if (this.capture === 'trigger')
      await group('capture by triggers', async () => [
        assessTriggerCapture(await this.pool.use(readSubscriptions), server, scope),
      ]);
    if (request.role === 'source' && request.relations.length > 0)
      await group('relations', async () => this.#relations(request, server, scope));
    return checks;
  }

  textRules(): Promise<TextRules> {
    return this.pool.use((client) => readTextRules(client));
  }

  async ruled(relations: readonly RelationId[]): Promise<readonly RelationId[]> {
    return this.pool.use((client) => readRuled(client, relations));
  }

  async #relations(
    request: PreflightRequest,
    server: ServerFacts,
    scope: { readonly service?: string },
  ): Promise<readonly PreflightCheck[]> {
    const facts = await this.pool.use((client) => readRelations(client, request.relations));
    return assessRelations(facts, server, scope);
  }

  async #replicationError(): Promise<Error | null> {
    try {
      const session = await openSession(this.target, {
        applicationName: 'dbps preflight',
        replication: true,
      });
      await session.end();
      return null;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}
