/** What the texts of a database are made of, and how they compare where a column does not say so itself. */

export interface TextRules {
  /** As PostgreSQL names encodings: `UTF8` where every text can be stored and is compared as such. */
  readonly encoding: string;
  /** By which texts sort and change case; null: each column has its own. */
  readonly locale: DatabaseLocale | null;
}

export interface DatabaseLocale {
  readonly provider: 'libc' | 'icu' | 'builtin';
  /** LC_COLLATE and LC_CTYPE, as the operating system calls them. */
  readonly collate: string;
  readonly ctype: string;
  /** Of ICU or the server's own; null with the operating system's. */
  readonly name: string | null;
}

/** The operating system takes `en_US.utf8` and `en_US.UTF-8` for one. */
const plain = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll('-', '')
    .replace(/^posix$/, 'c');

export function sameLocale(a: DatabaseLocale, b: DatabaseLocale): boolean {
  if (a.provider !== b.provider || plain(a.ctype) !== plain(b.ctype)) return false;
  return a.provider === 'libc' ? plain(a.collate) === plain(b.collate) : a.name === b.name;
}

/** `en_US.UTF-8`, `icu de-DE`, `C, case by en_US.UTF-8`. */
export function showLocale({ provider, collate, ctype, name }: DatabaseLocale): string {
  const order = provider === 'libc' ? collate : `${provider} ${name ?? ''}`;
  return plain(ctype) === plain(collate) || provider !== 'libc' ? order : `${order}, case by ${ctype}`;
}
