/**
 * Where everything that is not a table belongs: views, routines, triggers and rules go where all that they touch goes. What touches
 * two services belongs to none: it is left out of both and told.
 */
import type { DatabaseSchema, Relation, Routine, Trigger } from '../model/database-schema.js';
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
    return this.reached({ relation: id });
  }

  /** Services that a routine (all overloads of `schema.name`) touches, itself and through what it calls. */
  homesOfRoutine(name: string): ReadonlySet<Home> {
    return this.reached({ routine: name });
  }

  /** A trigger calls a routine, or has a body of its own. */
  homesOfTrigger({ routine, reads, writes, calls = [] }: Trigger): ReadonlySet<Home> {
    if (routine !== undefined) return this.homesOfRoutine(routine);
    return new Set([
      ...[...reads, ...writes].flatMap((id) => [...this.homesOfRelation(id)]),
      ...calls.flatMap((call) => [...this.homesOfRoutine(call)]),
    ]);
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

  /** Everything is followed to its tables, each object once: routines may call each other in a circle, and then all touch the same. */
  private reached(start: Node): ReadonlySet<Home> {
    const known = this.homes.get(keyOf(start));
    if (known !== undefined) return known;
    const homes = new Set<Home>();
    const seen = new Set<string>();
    const ahead = [start];
    for (let node = ahead.pop(); node !== undefined; node = ahead.pop()) {
      const key = keyOf(node);
      if (seen.has(key)) continue;
      seen.add(key);
      const done = this.homes.get(key);
      if (done !== undefined) done.forEach((home) => homes.add(home));
      else if (node.routine !== undefined) ahead.push(...this.behindRoutine(node.routine));
      else {
        const relation = this.byId.get(node.relation);
        if (relation?.kind === 'view' || relation?.kind === 'materialized-view')
          ahead.push(...relation.reads.map(toRelation), ...relation.calls.map(toRoutine));
        else if (relation !== undefined) homes.add(this.assignment.serviceOf.get(node.relation) ?? null);
      }
    }
    this.homes.set(keyOf(start), homes);
    return homes;
  }

  private behindRoutine(name: string): readonly Node[] {
    return (this.routinesByName.get(name) ?? []).flatMap((routine) => [
      ...[
        ...routine.reads,
        ...routine.writes,
        ...this.relationsIn(`${routine.signature} ${routine.returns ?? ''}`),
      ].map(toRelation),
      ...this.routinesCalledBy(routine).map(toRoutine),
    ]);
  }
}

type Node = { readonly relation: RelationId; readonly routine?: undefined } | { readonly routine: string };

const keyOf = (node: Node): string =>
  node.routine === undefined ? `relation ${node.relation}` : `routine ${node.routine}`;
const toRelation = (relation: RelationId): Node => ({ relation });
const toRoutine = (routine: string): Node => ({ routine });
