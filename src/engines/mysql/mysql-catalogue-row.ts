/** A row of information_schema as the connection hands it out: every value as text. */
export type Row = Readonly<Record<string, string | null>>;

export const text = (row: Row, name: string): string => row[name] ?? '';
export const optional = (row: Row, name: string): string | undefined => row[name] ?? undefined;

/** Drops undefined members, so that a model compares equal however it was read. */
export function present<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
