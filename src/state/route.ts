/**
 * Where a service's traffic goes: one row of dbps.route, in legacy (the truth) and, from the cutover on, in the service database too.
 * Stands alone, because the router in an application reads it and needs nothing else of the state store.
 */
import type { Knex } from 'knex';

export interface Route {
  readonly service: string;
  readonly owner: 'legacy' | 'service';
  /** 0..100 */
  readonly readShare: number;
  /** Relations whose reads go to the service first, before the share counts. */
  readonly readRelations: readonly string[];
  readonly epoch: number;
  /** Rises with every change of the route. */
  readonly revision: number;
}

/** The owner changes in the cutover's own transaction (the fence's commit point), never here. */
export interface RouteChange {
  readonly readShare?: number;
  readonly readRelations?: readonly string[];
}

interface RouteRow {
  service: string;
  owner: 'legacy' | 'service';
  read_share: number;
  read_relations: readonly string[] | string;
  epoch: string | number;
  revision: string | number;
}

/** @returns null when the service has no route yet: everything goes to legacy. @throws the driver's error when dbps.route does not exist. */
export async function readRoute(database: Knex, service: string): Promise<Route | null> {
  const row = (await database.withSchema('dbps').table('route').where({ service }).first()) as
    RouteRow | undefined;
  return row === undefined ? null : toRoute(row);
}

export function toRoute(row: RouteRow): Route {
  const relations =
    typeof row.read_relations === 'string'
      ? (JSON.parse(row.read_relations) as string[])
      : row.read_relations;
  return {
    service: row.service,
    owner: row.owner,
    readShare: Number(row.read_share),
    readRelations: relations,
    epoch: Number(row.epoch),
    revision: Number(row.revision),
  };
}
