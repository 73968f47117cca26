/** Every rule on boundaries, in the order of their codes. */
import { cascadeAcross } from './bnd101-cascade-across.js';
import { weakEntityApart } from './bnd102-weak-entity-apart.js';
import { objectAcross } from './bnd103-object-across.js';
import { manyServices } from './bnd110-many-services.js';
import { neverWritten } from './bnd112-never-written.js';
import { hub } from './bnd113-hub.js';
import { notApart } from './bnd114-not-apart.js';
import { tinyService } from './bnd115-tiny-service.js';
import { connections } from './bnd116-connections.js';
import { undeclared } from './bnd120-undeclared.js';
import { personalDataAcross } from './bnd130-personal-data-across.js';
import { unknownPin } from './bnd140-unknown-pin.js';
import { notRead } from './bnd150-not-read.js';
import { workload } from './bnd160-workload.js';
import type { Rule } from './rule.js';

export const RULES: readonly Rule[] = [
  cascadeAcross,
  weakEntityApart,
  objectAcross,
  manyServices,
  neverWritten,
  hub,
  notApart,
  tinyService,
  connections,
  undeclared,
  personalDataAcross,
  unknownPin,
  notRead,
  workload,
];
