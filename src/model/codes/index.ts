/** Every finding and error code, for `dbps explain`, the docs and the tests that hold messages and codes together. */
import { BND } from './bnd.js';
import type { CodeEntry, FindingEntry } from './catalogue.js';
import { DRF } from './drf.js';
import { ERRORS } from './errors.js';
import { IDX } from './idx.js';
import { PLANNING } from './planning.js';
import { PREFLIGHT } from './preflight.js';
import { PREFLIGHT_MYSQL } from './preflight-mysql.js';
import { RPL } from './rpl.js';
import { SEC } from './sec.js';
import { SEQ } from './seq.js';
import { TRG } from './trg.js';
import { TYP } from './typ.js';
import { VRF } from './vrf.js';

export const FINDING_CODES: Readonly<Record<string, FindingEntry>> = {
  ...BND,
  ...RPL,
  ...TYP,
  ...SEQ,
  ...IDX,
  ...TRG,
  ...SEC,
  ...VRF,
  ...DRF,
  ...PLANNING,
  ...PREFLIGHT,
  ...PREFLIGHT_MYSQL,
};

export const ERROR_CODES: Readonly<Record<string, CodeEntry>> = ERRORS;

export function explainCode(code: string): CodeEntry | undefined {
  return FINDING_CODES[code.toUpperCase()] ?? ERROR_CODES[code.toUpperCase()];
}
