/** Words of ChecksumMethod.columns[].as that every engine understands: a kind of value, and how it is hashed. */
import type { CanonicalKind } from '../model/canonical-kinds.js';

export interface CanonicalForm {
  readonly kind: CanonicalKind;
  readonly isLong: boolean;
  readonly isStrict: boolean;
}

const WORD = /^canonical:(.+?)( long)?( strict)?$/;

export function formWord({ kind, isLong, isStrict }: CanonicalForm): string {
  return `canonical:${kind}${isLong ? ' long' : ''}${isStrict ? ' strict' : ''}`;
}

/** null for a word of one engine's own. */
export function canonicalForm(as: string): CanonicalForm | null {
  const match = WORD.exec(as);
  if (match === null) return null;
  return {
    kind: match[1] as CanonicalKind,
    isLong: match[2] !== undefined,
    isStrict: match[3] !== undefined,
  };
}
