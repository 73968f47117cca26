/** True when `name` occurs as a word of its own in SQL. */
export function isPartOf(sql: string, name: string): boolean {
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(String.raw`(?<![\w$])${escaped}(?![\w$])`).test(sql);
}
