/** A schema script of many relations, made the same each time: modules of tables with words of their own, most references inside, some to hubs. */
import { seededRandom } from '../src/analysis/modularity.js';

const SYLLABLES = 'ba co di fu ga he jo ka li mo na pe ri so tu va wi xo ya zu'.split(' ');

export function largeSchema(relations: number, references: number): string {
  const random = seededRandom(7);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const word = (): string => pick(SYLLABLES) + pick(SYLLABLES) + pick(SYLLABLES);
  const modules = Array.from({ length: Math.ceil(relations / 40) }, word);
  const names = new Set<string>();
  const module: number[] = [];
  while (names.size < relations) {
    const at = Math.floor(random() * modules.length);
    const before = names.size;
    names.add(`${random() < 0.6 ? `${modules[at] ?? ''}_` : ''}${word()}_${word()}`);
    if (names.size > before) module.push(at);
  }
  const all = [...names];
  const members = modules.map(() => [] as number[]);
  module.forEach((at, relation) => members[at]?.push(relation));
  const keys = all.map(() => [] as string[]);
  const columns = all.map(() => [] as string[]);
  for (let number = 0; number < references; number += 1) {
    const child = Math.floor(random() * relations);
    const parent =
      random() < 0.7
        ? pick(members[module[child] as number] as number[])
        : random() < 0.5
          ? Math.floor(random() * 20)
          : Math.floor(random() * relations);
    const column = `${all[parent] ?? ''}_id_${columns[child]?.length ?? 0}`;
    columns[child]?.push(`    ${column} bigint${random() < 0.4 ? ' NOT NULL' : ''}`);
    keys[child]?.push(
      `ALTER TABLE ONLY public.${all[child] ?? ''}\n    ADD CONSTRAINT fk_${number} FOREIGN KEY (${column}) REFERENCES public.${all[parent] ?? ''}(id);\n`,
    );
  }
  const tables = all.map((name, at) => {
    const own = Array.from(
      { length: 4 + Math.floor(random() * 6) },
      (_, i) =>
        `    ${word()}_${i} ${pick(['text', 'integer', 'timestamp with time zone', 'numeric(10,2)', 'boolean'])}`,
    );
    return `CREATE TABLE public.${name} (\n${['    id bigint NOT NULL', ...(columns[at] ?? []), ...own].join(',\n')}\n);\n`;
  });
  const primary = all.map(
    (name) => `ALTER TABLE ONLY public.${name}\n    ADD CONSTRAINT ${name}_pkey PRIMARY KEY (id);\n`,
  );
  return [
    "-- PostgreSQL database dump\n-- Dumped from database version 17.2\nSET search_path = '';\n",
    ...tables,
    ...primary,
    ...keys.flat(),
    '-- PostgreSQL database dump complete\n',
  ].join('\n');
}
