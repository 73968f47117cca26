/** What a service loses because its database is of another engine. */
import type { AdoptionNote } from '../../engines/engine.js';
import type { Finding } from '../../model/finding.js';
import { finding } from './finding.js';

export function adoptionFindings(service: string, notes: readonly AdoptionNote[]): readonly Finding[] {
  return notes.map((note) =>
    finding(note.kind === 'loss' ? 'TYP402' : 'TYP403', {
      subject: note.subject,
      service,
      ...(note.relation !== undefined && { relation: note.relation }),
      message: note.what,
      remedy:
        note.kind === 'loss'
          ? 'check that the application can live with it; or keep the engine for this service'
          : 'make its counterpart on the service database yourself where it is needed',
    }),
  );
}
