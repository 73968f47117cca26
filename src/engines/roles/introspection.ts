/** Reading a schema, from the server or from a script, and statements of applications. */
import type { DatabaseSchema } from '../../model/database-schema.js';
import type { RelationId } from '../../model/relation-id.js';
import type { StatementText } from '../statement-splitter.js';

export interface Introspector {
  /** @param schemas undefined: every schema that is not the server's or dbps's own. */
  read(options: IntrospectOptions): Promise<DatabaseSchema>;
  /** Only the named relations with all partitions and inheritance children, and only what a fingerprint is made of: fast. */
  readRelations(relations: readonly RelationId[]): Promise<DatabaseSchema>;
}

export interface IntrospectOptions {
  readonly schemas?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface DumpReader {
  /** Never throws for a statement it cannot read: that becomes `unsupported` with its line. */
  read(source: DumpSource): Promise<DatabaseSchema>;
}

export interface DumpSource {
  /** What the script is called in findings; without its folder and extension, the database where nothing in it names one. */
  readonly name: string;
  readonly text: AsyncIterable<string>;
  /** Of relations that the script does not qualify, where it names no database of its own. */
  readonly defaultSchema?: string;
  readonly signal?: AbortSignal;
}

/** Reads statements of applications with the engine's grammar; connects to nothing. */
export interface StatementReader {
  /** A script into its statements, as they stand. Never fails: what is no statement is found by reading it. */
  split(text: string): readonly StatementText[];
  /** One entry a text, null where it could not be read (cut off, another dialect). A text may hold several statements. */
  read(texts: readonly string[]): Promise<readonly (StatementUse | null)[]>;
}

/** A name as the statement wrote it: `schema` undefined where the search path decides. */
export interface WrittenName {
  readonly schema?: string;
  readonly name: string;
}

/** What a statement touches, before names are resolved against a schema. */
export interface StatementUse {
  readonly reads: readonly WrittenName[];
  readonly writes: readonly WrittenName[];
  /** Columns compared for equality across two relations. */
  readonly joins: readonly {
    readonly left: WrittenName;
    readonly leftColumn: string;
    readonly right: WrittenName;
    readonly rightColumn: string;
  }[];
  /** Columns read, `*` for all. A bare name is listed for each relation in its scope: the schema tells which one has it. */
  readonly columns: readonly { readonly relation: WrittenName; readonly column: string }[];
  readonly calls: readonly WrittenName[];
  /** True when the text opens, commits or rolls back a transaction. */
  readonly isTransactionControl: boolean;
}
