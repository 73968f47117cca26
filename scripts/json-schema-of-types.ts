/**
 * JSON Schema of TypeScript types, as `JSON.stringify` would print their values: so that the types that the compiler holds the code to are
 * the only description of the output. Comments become descriptions; `@pattern` is taken over. What JSON cannot carry (a Map, a class) is an error.
 */
import ts from 'typescript';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface TypeSchemas {
  /** Schema of each property of the named interface. */
  readonly properties: Readonly<Record<string, JsonSchema>>;
  /** What the schemas refer to as `#/$defs/<name>`. */
  readonly definitions: Readonly<Record<string, JsonSchema>>;
}

export function schemasOf(file: string, interfaceName: string, options: ts.CompilerOptions): TypeSchemas {
  const program = ts.createProgram([file], { ...options, noEmit: true, skipLibCheck: true });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  const symbol = module && checker.getExportsOfModule(module).find(({ name }) => name === interfaceName);
  if (symbol === undefined) throw new Error(`${file} exports no ${interfaceName}`);
  const writer = new SchemaWriter(checker);
  const properties = Object.fromEntries(
    checker
      .getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))
      .map((property) => [property.name, writer.schema(checker.getTypeOfSymbol(property), property.name)]),
  );
  return { properties, definitions: writer.definitions() };
}

class SchemaWriter {
  readonly #checker: ts.TypeChecker;
  readonly #named = new Map<ts.Type, string>();
  readonly #definitions = new Map<string, JsonSchema>();

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  definitions(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries([...this.#definitions].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** @param at for messages: the path that led here. */
  schema(type: ts.Type, at: string): JsonSchema {
    const { flags } = type;
    if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return {};
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (flags & ts.TypeFlags.BooleanLiteral) return { const: this.#checker.typeToString(type) === 'true' };
    if (flags & ts.TypeFlags.Null) return { type: 'null' };
    if (flags & ts.TypeFlags.StringLike) return { type: 'string' };
    if (flags & ts.TypeFlags.NumberLike) return { type: 'number' };
    if (flags & ts.TypeFlags.BooleanLike) return { type: 'boolean' };
    // Exact as a number where that can be, as text otherwise.
    if (flags & ts.TypeFlags.BigIntLike) return { type: ['integer', 'string'] };
    if (type.isUnion()) return this.#named_(type, at, () => this.#union(type, at));
    if (type.isIntersection() && type.types.some((part) => part.flags & ts.TypeFlags.StringLike))
      return { type: 'string' };
    return this.#object(type, at);
  }

  #union(type: ts.UnionType, at: string): JsonSchema {
    const parts = type.types
      .filter((part) => !(part.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Void)))
      .map((part) => this.schema(part, at));
    const unique = [...new Map(parts.map((part) => [JSON.stringify(part), part])).values()];
    const constants = unique.flatMap((part) => ('const' in part ? [part['const']] : []));
    const others = unique.filter((part) => !('const' in part));
    const isBoolean = constants.includes(true) && constants.includes(false);
    const literals = constants.filter((value) => !isBoolean || typeof value !== 'boolean');
    const all: JsonSchema[] = [
      ...(isBoolean ? [{ type: 'boolean' }] : []),
      ...(literals.length === 0
        ? []
        : [literals.length === 1 ? { const: literals[0] } : { enum: literals.toSorted() }]),
      ...others,
    ];
    if (all.length === 1) return all[0] as JsonSchema;
    // `string | null` reads better as one type of two names.
    const simple = all.map((part) => (Object.keys(part).join() === 'type' ? part['type'] : undefined));
    if (simple.every((name) => typeof name === 'string')) return { type: simple.toSorted() };
    return { anyOf: all.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) };
  }

  #object(type: ts.Type, at: string): JsonSchema {
    const checker = this.#checker;
    if (checker.isArrayType(type) || checker.isTupleType(type)) {
      const parts = checker.getTypeArguments(type as ts.TypeReference);
      if (!checker.isTupleType(type))
        return { type: 'array', items: this.schema(parts[0] as ts.Type, `${at}[]`) };
      return {
        type: 'array',
        prefixItems: parts.map((part, i) => this.schema(part, `${at}[${i}]`)),
        minItems: parts.length,
        maxItems: parts.length,
      };
    }
    if (type.getCallSignatures().length > 0 || type.isClass())
      throw new Error(`${at}: ${checker.typeToString(type)} cannot be written as JSON`);
    return this.#named_(type, at, () => {
      const index = checker.getIndexTypeOfType(type, ts.IndexKind.String);
      const properties = checker.getPropertiesOfType(type);
      const shown = properties.map((property) => {
        const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
        return { property, isOptional, schema: this.#property(property, `${at}.${property.name}`) };
      });
      if (shown.some(({ property }) => property.name.startsWith('__@')))
        throw new Error(`${at}: ${checker.typeToString(type)} cannot be written as JSON`);
      return {
        type: 'object',
        ...(shown.length > 0 && {
          required: shown.filter(({ isOptional }) => !isOptional).map(({ property }) => property.name),
          properties: Object.fromEntries(shown.map(({ property, schema }) => [property.name, schema])),
        }),
        ...(index !== undefined && { additionalProperties: this.schema(index, `${at}.*`) }),
      };
    });
  }

  #property(property: ts.Symbol, at: string): JsonSchema {
    const checker = this.#checker;
    const schema = this.schema(checker.getTypeOfSymbol(property), at);
    const description = ts
      .displayPartsToString(property.getDocumentationComment(checker))
      .replaceAll('\n', ' ');
    const pattern = property
      .getJsDocTags(checker)
      .find(({ name }) => name === 'pattern')
      ?.text?.map(({ text }) => text)
      .join('');
    return {
      ...(pattern !== undefined && schema['type'] === 'array'
        ? { ...schema, items: { ...(schema['items'] as object), pattern } }
        : { ...schema, ...(pattern !== undefined && { pattern }) }),
      ...(description !== '' && { description }),
    };
  }

  /** An interface or alias that has a name and no parameters is written once and referred to: recursion ends there. */
  #named_(type: ts.Type, at: string, write: () => JsonSchema): JsonSchema {
    const known = this.#named.get(type);
    if (known !== undefined) return { $ref: `#/$defs/${known}` };
    const symbol = type.aliasSymbol ?? (type.isClassOrInterface() ? type.symbol : undefined);
    const hasParameters = (type.aliasTypeArguments ?? []).length > 0;
    if (symbol === undefined || hasParameters || symbol.name.startsWith('__')) return write();
    let name = symbol.name;
    for (let n = 2; this.#definitions.has(name); n++) name = `${symbol.name}${n}`;
    this.#named.set(type, name);
    this.#definitions.set(name, {});
    this.#definitions.set(name, write());
    return { $ref: `#/$defs/${name}`, ...(at === '' && {}) };
  }
}
