/** Rows for a MySQL schema that comes without any: made from its columns and keys, the same each time. */
import type { ShopConnection } from '../../src/demo/shop-connection.js';
import { quoteOn } from './dialect.js';
import { readShapes, type ColumnShape, type TableShape } from './table-shape.js';

const BATCH = 200;

/** @param rows how many, by table; a table that is not named is filled by triggers. */
export async function generateRows(
  connection: ShopConnection,
  rows: Readonly<Record<string, number>>,
): Promise<void> {
  const shapes = (await readShapes(connection)).filter(({ name }) => rows[name] !== undefined);
  // Tables refer to each other in circles.
  await connection.query('SET SESSION foreign_key_checks = 0');
  for (const shape of shapes) {
    const written = shape.columns.filter((column) => !column.isGenerated);
    const count = rows[shape.name] ?? 0;
    for (let first = 1; first <= count; first += BATCH) {
      const values = Array.from({ length: Math.min(BATCH, count - first + 1) }, (_, n) =>
        written.map((column) => value(shape, column, first + n, rows)).join(', '),
      );
      await connection.query(
        `INSERT INTO ${quoteOn('mysql', shape.name)} (${written.map(({ name }) => quoteOn('mysql', name)).join(', ')}) VALUES (${values.join('), (')})`,
      );
    }
  }
  await connection.query('SET SESSION foreign_key_checks = 1');
}

/** As SQL, of the n-th row from 1 on. */
function value(
  shape: TableShape,
  column: ColumnShape,
  n: number,
  rows: Readonly<Record<string, number>>,
): string {
  const reference = shape.references.find(({ columns }) => columns.includes(column.name));
  if (reference !== undefined) {
    const parents = rows[reference.parent] ?? 1;
    const place = shape.key.indexOf(column.name);
    // Where the key is made of references: every pair once.
    if (place > 0) return String(1 + ((Math.floor((n - 1) / parentsOf(shape, rows)) + n) % parents));
    return String(1 + ((n - 1) % parents));
  }
  if (shape.key.includes(column.name)) return String(n);
  const type = column.type.toLowerCase();
  const labels = [...type.matchAll(/'((?:[^']|'')*)'/g)].map(([, label]) => label ?? '');
  if (type.startsWith('enum')) return text(labels[n % labels.length] ?? '');
  if (type.startsWith('set')) return text(labels.filter((_label, bit) => (n >> bit) % 2 === 1).join(','));
  if (type.startsWith('year')) return String(1990 + (n % 30));
  if (type.includes('blob') || type.includes('binary'))
    return `X'${n.toString(16).padStart(8, '0').repeat(4)}'`;
  if (type === 'tinyint(1)') return String(n % 2);
  switch (column.category) {
    case 'D':
      return `timestamp '2024-01-01 00:00:00' + INTERVAL ${n} MINUTE`;
    case 'N':
      return type.startsWith('decimal') ? (0.99 + (n % 9)).toFixed(2) : String(n % 100);
    case 'S':
      return text(`${column.name} ${n} ğ`.slice(0, column.maxLength ?? 200));
    default:
      return 'NULL';
  }
}

const parentsOf = (shape: TableShape, rows: Readonly<Record<string, number>>): number => {
  const first = shape.references.find(({ columns }) => columns.includes(shape.key[0] ?? ''));
  return rows[first?.parent ?? ''] ?? 1;
};

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
