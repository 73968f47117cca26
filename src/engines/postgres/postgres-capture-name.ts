/** Names of publications and slots. Slots are cluster-wide, so the name says which database it belongs to. */
import { createHash } from 'node:crypto';
import type { StreamIdentity } from '../engine.js';

/** Server limit for identifiers, and slots allow only these characters. */
const LONGEST = 63;

/** `dbps_<service>_<hash of database and service>_<fwd|rev>`; publication and slot share it. */
export function captureName(stream: StreamIdentity, database: string): string {
  const suffix = `_${createHash('sha256').update(`${database}\0${stream.service}`).digest('hex').slice(0, 8)}_${stream.direction === 'forward' ? 'fwd' : 'rev'}`;
  const service = stream.service.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_');
  return `dbps_${service.slice(0, LONGEST - suffix.length - 5)}${suffix}`;
}
