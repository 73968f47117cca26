/**
 * Where everything that is not a table belongs: views, routines, triggers and rules go where all that they touch goes. What touches
 * two services belongs to none: it is left out of both and told.
 */
import type { DatabaseSchema, Relation, Routine } from '../model/database-schema.js';
import { relationId, type RelationId } from '../model/relation-id.js';
import type { Assignment } from './assignment.js';
import { qualifiedNames } from '../model/sql-names.js';

/** `null` stands for the shared database: what is excluded stays there. */
export type Home = string | null;

export class ObjectGraph {
  readonly byId: ReadonlyMap<RelationId, Relation>;
  readonly routinesByName: ReadonlyMap<string, readonly Routine[]>;
  private readonly homes = new Map<string, ReadonlySet<Home>>();

  constructor(
    readonly schema: DatabaseSchema,
    readonly assignment: Assignment,
  ) {
    this.byId = new Map(schema.relations.map((relation) => [relation.id, relation]));
    const routines = new Map<string, Routine[]>();
    for (const routine of schema.routines) {
      const name = relationId(routine.schema, routine.name);
      routines.set(name, [...(routines.get(name) ?? []), routine]);
    }
    this.routinesByName = routines;
  }

  /** Services whose rows a relation shows: one for a table, any number for a view. */
  homesOfRelation(id: RelationId): ReadonlySet<Home> {
    return this.memo(`relation ${id}`, () => {
      const relation = this.byId.get(id);
      if (relation === undefined) return [];
      if (relation.kind !== 'view' && relation.kind !== 'materialized-view')
        return [this.assignment.serviceOf.get(id) ?? null];
      return [
        ...relation.reads.flatMap((read) => [...this.homesOfRelation(read)]),
        ...relation.calls.flatMap((call) => [...this.homesOfRoutine(call)]),
      ];
    });
  }

  /** Services that a routine (all overloads of `schema.name`) touches, itself and through what it calls. */
  homesOfRoutine(name: string): ReadonlySet<Home> {
    return this.memo(`routine ${name}`, () =>
      (this.routinesByName.get(name) ?? []).flatMap((routine) => [
        ...[
          ...routine.reads,
          ...routine.writes,
          ...this.relationsIn(`${routine.signature} ${routine.returns ?? ''}`),
        ].flatMap((id) => [...this.homesOfRelation(id)]),
        ...this.routinesCalledBy(routine).flatMap((call) => [...this.homesOfRoutine(call)]),
      ]),
    );
  }

  /** Relations and routines named in SQL that the server deparsed (every name in full). */
  homesOfText(sql: string): ReadonlySet<Home> {
    const homes = new Set<Home>();
    for (const id of this.relationsIn(sql)) for (const home of this.homesOfRelation(id)) homes.add(home);
    for (const name of this.routinesIn(sql)) for (const home of this.homesOfRoutine(name)) homes.add(home);
    return homes;
  }

  relationsIn(sql: string): readonly RelationId[] {
    return [...new Set(qualifiedNames(sql))].filter((id) => this.byId.has(id));
  }

  routinesIn(sql: string): readonly string[] {
    return [...new Set(qualifiedNames(sql))].filter((name) => this.routinesByName.has(name));
  }

  routinesCalledBy(routine: Routine): readonly string[] {
    const self = relationId(routine.schema, routine.name);
    const named = routine.kind === 'aggregate' ? this.routinesIn(routine.definition) : [];
    return [...routine.calls, ...named].filter((name) => name !== self);
  }

  private memo(key: string, compute: () => Iterable<Home>): ReadonlySet<Home> {
    const known = this.homes.get(key);
    if (known !== undefined) return known;
    // A cycle (functions that call each other) sees what is known so far: nothing.
    this.homes.set(key, new Set());
    const found: ReadonlySet<Home> = new Set(compute());
    this.homes.set(key, found);
    return found;
  }
}
