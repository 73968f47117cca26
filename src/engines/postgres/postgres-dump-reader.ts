/**
 * Reads a PostgreSQL script (pg_dump, structure.sql) into the model that the introspector gives for a live
 * database. Statements are cut out of the stream and parsed one at a time, so that a dump with data in it needs no
 * memory for the data. What cannot be read is listed with its line, never fatal.
 */
import path from 'node:path';
import { parseSync, type Node, type TypeName } from 'libpg-query';
import type { DatabaseSchema, UserType } from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import type { DumpReader, DumpSource } from '../engine.js';
import { readPlainConstraint } from './postgres-dump-constraint.js';
import {
  alterSequence,
  comment,
  createPolicy,
  createRoutine,
  createRule,
  createSequence,
  createTableAs,
  createTrigger,
  createView,
  drop,
  grant,
  nameOf,
  rename,
} from './postgres-dump-objects.js';
import { DumpSchema, type DumpHeader } from './postgres-dump-schema.js';
import { StatementText } from './postgres-dump-source.js';
import { isCommand, PostgresSplitter, type ScriptItem } from './postgres-dump-splitter.js';
import { alterTable, createIndex, createTable, strings } from './postgres-dump-tables.js';
import { prepareGrammar } from './postgres-statement-reader.js';
import { writtenType } from './postgres-type-names.js';

export const postgresDumpReader: DumpReader = {
  async read(source) {
    await prepareGrammar();
    return new PostgresDump(source).read();
  },
};

const DUMP_HEADER = /^-- PostgreSQL database dump\s*$/m;
const DUMP_TRAILER = /^-- PostgreSQL database dump complete\s*$/m;

/** Statements that say nothing about shape: settings, data, ownership, and session control. */
const SILENT =
  /^(?:VariableSetStmt|VariableShowStmt|TransactionStmt|AlterOwnerStmt|InsertStmt|UpdateStmt|DeleteStmt|MergeStmt|TruncateStmt|CopyStmt|SelectStmt|AlterDefaultPrivilegesStmt|DefineStmt|CreateCastStmt|CreatedbStmt|AlterDatabaseStmt|AlterDatabaseSetStmt|AlterRoleStmt|AlterRoleSetStmt|CreateRoleStmt|DropRoleStmt|GrantRoleStmt|DropdbStmt|AlterFunctionStmt|AlterObjectDependsStmt|AlterExtensionStmt|AlterExtensionContentsStmt|AlterTSConfigurationStmt|AlterTSDictionaryStmt|CreateStatsStmt|AlterStatsStmt|CreateOpClassStmt|CreateOpFamilyStmt|AlterOpFamilyStmt|AlterOperatorStmt|CreateTransformStmt|CreateConversionStmt|CreatePLangStmt|CreateAmStmt|CreateForeignServerStmt|CreateFdwStmt|CreateUserMappingStmt|SecLabelStmt|VacuumStmt|RefreshMatViewStmt|DiscardStmt|LockStmt|CheckPointStmt|NotifyStmt|ReindexStmt|ClusterStmt|CreateEventTrigStmt|AlterEventTrigStmt|CreatePublicationStmt|AlterPublicationStmt|CreateSubscriptionStmt|AlterSubscriptionStmt|AlterPolicyStmt|AlterDomainStmt|AlterTypeStmt|AlterCollationStmt|AlterTableSpaceOptionsStmt|CreateTableSpaceStmt)$/;

class PostgresDump {
  private readonly schema: DumpSchema;
  private database: string;
  private isConnected = false;
  /** Set when the script turns to another database: one analysis looks at one. */
  private isOtherDatabase = false;
  private header: DumpHeader = { product: 'PostgreSQL', version: 0 };

  constructor(private readonly source: DumpSource) {
    this.schema = new DumpSchema(source.defaultSchema ?? 'public');
    this.database = path.basename(source.name).replace(/\.[^.]*$/, '');
  }

  async read(): Promise<DatabaseSchema> {
    const splitter = new PostgresSplitter();
    let head = '';
    let tail = '';
    let lastLine = 1;
    const take = (items: readonly ScriptItem[]): void => {
      for (const item of items) {
        lastLine = item.line;
        this.item(item);
      }
    };
    for await (const piece of this.source.text) {
      this.source.signal?.throwIfAborted();
      if (head.length < 4000) head += piece.slice(0, 4000);
      tail = (tail + piece).slice(-400);
      take(splitter.push(piece));
    }
    take(splitter.end());
    if (DUMP_HEADER.test(head) && !DUMP_TRAILER.test(tail))
      this.unsupported(
        'truncated dump',
        path.basename(this.source.name),
        lastLine,
        'pg_dump writes "database dump complete" last; this file ends before it, so relations may be missing',
      );
    const version = /^-- Dumped from database version (\d+)(?:\.(\d+))?/m.exec(head);
    if (version !== null)
      this.header = {
        product: `PostgreSQL ${version[1]}${version[2] === undefined ? '' : `.${version[2]}`}`,
        version: Number(version[1]) * 10_000 + Number(version[2] ?? 0),
      };
    return this.schema.finish(this.header, this.database);
  }

  private unsupported(kind: string, name: string, line: number, reason: string, relation?: RelationId): void {
    this.schema.unsupported.push({
      kind,
      name,
      line,
      reason,
      ...(relation === undefined ? {} : { relation }),
    });
  }

  private item(item: ScriptItem): void {
    if (isCommand(item)) {
      this.command(item.command, item.line);
      return;
    }
    if (this.isOtherDatabase) return;
    const text = item.text;
    const plain = item.isTruncated ? undefined : readPlainConstraint(text);
    let statements: readonly { readonly stmt?: Node }[];
    try {
      statements = plain === undefined ? (parseSync(text).stmts ?? []) : [{ stmt: plain }];
    } catch (error) {
      const first = text.trim().split('\n', 1)[0]?.slice(0, 80) ?? '';
      const why = error instanceof Error ? error.message : String(error);
      if (item.isTruncated) this.unsupported('truncated dump', first, item.line, `cut off: ${why}`);
      else this.unsupported('statement', first, item.line, why);
      return;
    }
    for (const { stmt } of statements) {
      if (stmt === undefined) continue;
      const kind = Object.keys(stmt)[0] ?? '';
      try {
        if (!this.statement(stmt, new StatementText(text)) && !SILENT.test(kind))
          this.unsupported(
            kind,
            text.trim().split('\n', 1)[0]?.slice(0, 80) ?? kind,
            item.line,
            'analysis has no use for this kind of statement, or it names something that the dump does not define',
          );
      } catch (error) {
        this.unsupported(kind, text.trim().split('\n', 1)[0]?.slice(0, 80) ?? kind, item.line, String(error));
      }
    }
  }

  private command(command: string, line: number): void {
    const [name, argument] = command.split(/\s+/);
    if (name === '\\connect' || name === '\\c') {
      const database = argument?.replaceAll('"', '') ?? '';
      if (this.schema.relations.size > 0 && this.isConnected && database !== this.database) {
        this.isOtherDatabase = true;
        this.unsupported(
          'database',
          database,
          line,
          'the script holds several databases; only the first one with relations was read',
        );
      } else {
        this.database = database;
        this.isConnected = true;
      }
    } else if (/^\\i(?:r|nclude|nclude_relative)?$/.test(name ?? '')) {
      this.unsupported(
        'include',
        command,
        line,
        'files included by psql are not followed; give one complete script',
      );
    }
  }

  /** @returns false when nothing was done with it. */
  private statement(stmt: Node, text: StatementText): boolean {
    const schema = this.schema;
    if ('CreateStmt' in stmt) createTable(schema, stmt.CreateStmt, text, 'table');
    else if ('AlterTableStmt' in stmt) return this.alter(stmt.AlterTableStmt, text);
    else if ('IndexStmt' in stmt) createIndex(schema, stmt.IndexStmt, text);
    else if ('CommentStmt' in stmt) comment(schema, stmt.CommentStmt);
    else if ('GrantStmt' in stmt) grant(schema, stmt.GrantStmt);
    else if ('CreateSeqStmt' in stmt) createSequence(schema, stmt.CreateSeqStmt);
    else if ('AlterSeqStmt' in stmt) {
      const draft = schema.sequences.get(schema.resolveRange(stmt.AlterSeqStmt.sequence));
      if (draft === undefined) return false;
      alterSequence(schema, draft, stmt.AlterSeqStmt.options);
    } else if ('ViewStmt' in stmt) createView(schema, stmt.ViewStmt, text);
    else if ('CreateTableAsStmt' in stmt) return createTableAs(schema, stmt.CreateTableAsStmt, text);
    else if ('CreateFunctionStmt' in stmt) createRoutine(schema, stmt.CreateFunctionStmt, text);
    else if ('CreateTrigStmt' in stmt) return createTrigger(schema, stmt.CreateTrigStmt, text);
    else if ('RuleStmt' in stmt) return createRule(schema, stmt.RuleStmt, text);
    else if ('CreatePolicyStmt' in stmt) return createPolicy(schema, stmt.CreatePolicyStmt, text);
    else if ('CreateForeignTableStmt' in stmt)
      createTable(schema, stmt.CreateForeignTableStmt.base ?? {}, text, 'foreign-table');
    else if ('CreateSchemaStmt' in stmt) {
      const { schemaname, authrole, schemaElts } = stmt.CreateSchemaStmt;
      schema.schemas.add(schemaname ?? authrole?.rolename ?? '');
      return schemaElts === undefined;
    } else if ('CreateExtensionStmt' in stmt) this.extension(stmt.CreateExtensionStmt);
    else if ('DropStmt' in stmt) drop(schema, stmt.DropStmt);
    else if ('RenameStmt' in stmt) rename(schema, stmt.RenameStmt);
    else if ('AlterObjectSchemaStmt' in stmt) {
      const { relation, newschema } = stmt.AlterObjectSchemaStmt;
      if (relation === undefined) return false;
      const id = schema.resolveRange(relation);
      if (schema.relations.has(id)) schema.rename(id, newschema ?? '', relation.relname ?? '');
    } else if ('VariableSetStmt' in stmt && stmt.VariableSetStmt.name === 'search_path')
      this.setPath(constants(stmt.VariableSetStmt.args));
    else if ('SelectStmt' in stmt) {
      const target = stmt.SelectStmt.targetList?.[0];
      const call = target !== undefined && 'ResTarget' in target ? target.ResTarget.val : undefined;
      if (call === undefined || !('FuncCall' in call)) return false;
      const args = constants(call.FuncCall.args);
      if (strings(call.FuncCall.funcname).at(-1) === 'set_config' && args[0] === 'search_path')
        this.setPath((args[1] ?? '').split(',').map((part) => part.trim().replaceAll('"', '')));
    } else return this.type(stmt);
    return true;
  }

  private alter(
    stmt: Extract<Node, { AlterTableStmt: unknown }>['AlterTableStmt'],
    text: StatementText,
  ): boolean {
    const id = this.schema.resolveRange(stmt.relation);
    const draft = this.schema.relations.get(id);
    // ALTER TABLE also serves sequences and indexes, of which only the owner or the partition changes.
    if (draft === undefined)
      return stmt.objtype === 'OBJECT_INDEX' || this.schema.sequences.has(id) || stmt.missing_ok === true;
    for (const node of stmt.cmds ?? [])
      if ('AlterTableCmd' in node) alterTable(this.schema, draft, node.AlterTableCmd, text);
    return true;
  }

  private setPath(names: readonly string[]): void {
    this.schema.searchPath = names.filter((name) => name !== '' && name !== '$user' && name !== 'pg_catalog');
  }

  private extension(stmt: Extract<Node, { CreateExtensionStmt: unknown }>['CreateExtensionStmt']): void {
    let schema = this.schema.creationSchema;
    let version = '';
    for (const node of stmt.options ?? []) {
      if (!('DefElem' in node) || node.DefElem.arg === undefined || !('String' in node.DefElem.arg)) continue;
      if (node.DefElem.defname === 'schema') schema = node.DefElem.arg.String.sval ?? schema;
      if (node.DefElem.defname === 'new_version') version = node.DefElem.arg.String.sval ?? '';
    }
    this.schema.extensions.push({ name: stmt.extname ?? '', schema, version });
  }

  private type(stmt: Node): boolean {
    const type = readType(stmt, this.schema);
    if (type === undefined) return false;
    this.schema.types.set(relationId(type.schema, type.name), type);
    this.schema.schemas.add(type.schema);
    return true;
  }
}

function constants(nodes: readonly Node[] | undefined): string[] {
  return (nodes ?? []).flatMap((node) =>
    'A_Const' in node && node.A_Const.sval !== undefined ? [node.A_Const.sval.sval ?? ''] : [],
  );
}

function readType(stmt: Node, schema: DumpSchema): UserType | undefined {
  if ('CreateEnumStmt' in stmt)
    return {
      kind: 'enum',
      ...nameOf(stmt.CreateEnumStmt.typeName, schema),
      labels: strings(stmt.CreateEnumStmt.vals),
    };
  if ('AlterEnumStmt' in stmt) {
    const { schema: own, name } = nameOf(stmt.AlterEnumStmt.typeName, schema);
    const known = schema.types.get(relationId(own, name));
    const { newVal, newValNeighbor, newValIsAfter } = stmt.AlterEnumStmt;
    if (known?.kind !== 'enum' || newVal === undefined) return undefined;
    const labels = [...known.labels];
    const at = newValNeighbor === undefined ? -1 : labels.indexOf(newValNeighbor);
    labels.splice(at === -1 ? labels.length : at + (newValIsAfter === true ? 1 : 0), 0, newVal);
    return { ...known, labels };
  }
  const rowTypes = (types: readonly (TypeName | undefined)[]) => {
    const found = types.flatMap((type) => schema.rowTypeOf(writtenType(type ?? {})) ?? []);
    return found.length === 0 ? {} : { rowTypes: [...new Set(found)].sort() };
  };
  if ('CreateDomainStmt' in stmt) {
    const domain = stmt.CreateDomainStmt;
    const checks = (domain.constraints ?? []).flatMap((node) =>
      'Constraint' in node && node.Constraint.contype === 'CONSTR_CHECK'
        ? [{ name: node.Constraint.conname ?? '', expression: '' }]
        : [],
    );
    const isNullable = !(domain.constraints ?? []).some(
      (node) => 'Constraint' in node && node.Constraint.contype === 'CONSTR_NOTNULL',
    );
    const base = writtenType(domain.typeName ?? {});
    const named = nameOf(domain.domainname, schema);
    const under = schema.typeId(base.schema, base.name);
    schema.domainBases.set(
      relationId(named.schema, named.name),
      under === undefined ? base.name : schema.baseTypeOf(under),
    );
    return {
      kind: 'domain',
      ...named,
      baseType: base.display,
      isNullable,
      checks,
      ...rowTypes([domain.typeName]),
    };
  }
  if ('CompositeTypeStmt' in stmt) {
    const { typevar, coldeflist } = stmt.CompositeTypeStmt;
    const types = (coldeflist ?? []).map((node) =>
      'ColumnDef' in node ? node.ColumnDef.typeName : undefined,
    );
    const attributes = (coldeflist ?? []).flatMap((node) =>
      'ColumnDef' in node
        ? [{ name: node.ColumnDef.colname ?? '', type: writtenType(node.ColumnDef.typeName ?? {}).display }]
        : [],
    );
    return {
      kind: 'composite',
      schema: typevar?.schemaname ?? schema.creationSchema,
      name: typevar?.relname ?? '',
      attributes,
      ...rowTypes(types),
    };
  }
  if ('CreateRangeStmt' in stmt) {
    let subtype = '';
    for (const node of stmt.CreateRangeStmt.params ?? [])
      if ('DefElem' in node && node.DefElem.defname === 'subtype' && node.DefElem.arg !== undefined)
        if ('TypeName' in node.DefElem.arg) subtype = writtenType(node.DefElem.arg.TypeName).display;
    return { kind: 'range', ...nameOf(stmt.CreateRangeStmt.typeName, schema), subtype };
  }
  return undefined;
}
