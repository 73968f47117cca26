/**
 * Three of four statements of a large pg_dump add a key: always in the same words. They are read here without the server's grammar, which
 * takes most of the time of reading such a script, into the tree that it would give. Whatever is written in any other way (quotes, capitals,
 * comments, key words, further clauses) is left to the grammar.
 */
import type { Node } from 'libpg-query';
import { KEY_WORDS } from './postgres-key-words.js';

const NAME = '([a-z_][a-z0-9_]{0,62})';
const LIST = '\\(([a-z0-9_]+(?:, [a-z0-9_]+)*)\\)';
const ACTION = '(NO ACTION|RESTRICT|CASCADE|SET NULL|SET DEFAULT)';
const ADD = `^ALTER TABLE (ONLY )?${NAME}\\.${NAME}\\s+ADD CONSTRAINT ${NAME} `;
const KEY = new RegExp(`${ADD}(PRIMARY KEY|UNIQUE) ${LIST}$`);
const FOREIGN_KEY = new RegExp(
  `${ADD}FOREIGN KEY ${LIST} REFERENCES ${NAME}\\.${NAME}${LIST}(?: ON UPDATE ${ACTION})?(?: ON DELETE ${ACTION})?$`,
);
const WHOLE_NAME = new RegExp(`^${NAME}$`);

const ACTIONS: Readonly<Record<string, string>> = {
  'NO ACTION': 'a',
  RESTRICT: 'r',
  CASCADE: 'c',
  'SET NULL': 'n',
  'SET DEFAULT': 'd',
};

/** The statement's tree without its places; undefined: ask the grammar. */
export function readPlainConstraint(text: string): Node | undefined {
  if (!text.startsWith('ALTER TABLE ')) return undefined;
  const key = KEY.exec(text);
  if (key !== null) {
    const [, only, schema, table, name, kind, list] = key as unknown as string[];
    const keys = namesIn(list);
    if (keys === undefined || !areNames([schema, table, name])) return undefined;
    const contype = kind === 'UNIQUE' ? 'CONSTR_UNIQUE' : 'CONSTR_PRIMARY';
    return added(range(schema, table, only === undefined), { contype, conname: name, keys });
  }
  const foreign = FOREIGN_KEY.exec(text);
  if (foreign === null) return undefined;
  const [, only, schema, table, name, own, otherSchema, other, others, onUpdate, onDelete] =
    foreign as unknown as string[];
  const columns = namesIn(own);
  const parentColumns = namesIn(others);
  if (columns === undefined || parentColumns === undefined) return undefined;
  if (!areNames([schema, table, name, otherSchema, other])) return undefined;
  return added(range(schema, table, only === undefined), {
    contype: 'CONSTR_FOREIGN',
    conname: name,
    is_enforced: true,
    initially_valid: true,
    pktable: range(otherSchema, other, true),
    fk_attrs: columns,
    pk_attrs: parentColumns,
    fk_matchtype: 's',
    fk_upd_action: ACTIONS[onUpdate ?? 'NO ACTION'],
    fk_del_action: ACTIONS[onDelete ?? 'NO ACTION'],
  });
}

const areNames = (names: readonly (string | undefined)[]): boolean =>
  names.every((name) => name !== undefined && !KEY_WORDS.has(name));

function namesIn(list: string | undefined): readonly Node[] | undefined {
  const names = (list ?? '').split(', ');
  return names.every((name) => WHOLE_NAME.test(name)) && areNames(names)
    ? names.map((sval) => ({ String: { sval } }))
    : undefined;
}

const range = (schemaname: string | undefined, relname: string | undefined, inh: boolean): object => ({
  schemaname,
  relname,
  ...(inh && { inh }),
  relpersistence: 'p',
});

const added = (relation: object, constraint: object): Node =>
  ({
    AlterTableStmt: {
      relation,
      cmds: [
        {
          AlterTableCmd: {
            subtype: 'AT_AddConstraint',
            def: { Constraint: constraint },
            behavior: 'DROP_RESTRICT',
          },
        },
      ],
      objtype: 'OBJECT_TABLE',
    },
  }) as unknown as Node;
