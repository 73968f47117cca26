/** What a comparison found, as findings with codes and remedies. Pure. */
import { compareFindings, type Finding } from '../model/finding.js';
import { shellWord } from '../model/shell-word.js';
import type { VerifyResult } from '../model/verification.js';

type Facts = Pick<VerifyResult, 'service' | 'relations' | 'orphans' | 'sequences' | 'shape'>;

/** A sequence that has given this share of its values is told. */
const NEARLY_USED = 0.8;

export function findingsOf(facts: Facts): readonly Finding[] {
  const { service } = facts;
  const findings: Finding[] = [];
  for (const relation of facts.relations) {
    const about = { service, subject: relation.relation, relation: relation.relation } as const;
    if (relation.differing > 0)
      findings.push({
        ...about,
        code: 'VRF301',
        severity: 'error',
        message: `${relation.differing} ${relation.differing === 1 ? 'row differs' : 'rows differ'}, and neither lag nor a write in between explains it`,
        remedy: `dbps verify ${service} --only ${shellWord(relation.relation)} --repair-sql repair.sql`,
        data: { differing: relation.differing },
      });
    if (relation.unsettled > 0)
      findings.push({
        ...about,
        code: 'VRF302',
        severity: 'warning',
        message: `${relation.unsettled} ${relation.unsettled === 1 ? 'row was' : 'rows were'} changed again each time it was looked at: nothing can be said of ${relation.unsettled === 1 ? 'it' : 'them'}`,
        remedy: `dbps verify ${service} --only ${shellWord(relation.relation)} --mode changed`,
        data: { unsettled: relation.unsettled },
      });
  }
  for (const orphans of facts.orphans)
    findings.push({
      code: 'VRF201',
      severity: 'error',
      service,
      subject: orphans.label,
      relation: orphans.child,
      message: `${orphans.count} rows refer to a parent that is not there (${orphans.sample.map((key) => key.join(', ')).join('; ')})`,
      remedy: `dbps verify ${service} --only ${shellWord(orphans.parent)} --repair-sql repair.sql`,
      data: { count: orphans.count },
    });
  for (const sequence of facts.sequences)
    if (sequence.used >= NEARLY_USED)
      findings.push({
        code: 'VRF401',
        severity: 'warning',
        service,
        subject: sequence.sequence,
        message: `${Math.round(sequence.used * 100)} % of its values are used: ${sequence.left} left up to ${sequence.limit}`,
        remedy: 'widen the column and its sequence before the cutover',
        data: { left: sequence.left, used: sequence.used },
      });
  if (facts.shape.outcome === 'differs')
    findings.push({
      code: 'VRF101',
      severity: 'error',
      service,
      subject: service,
      message: `the service database is not as planned: ${facts.shape.detail}`,
      remedy: `dbps plan diff`,
    });
  return findings.sort(compareFindings);
}
