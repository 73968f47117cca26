/** What the boundaries cut. */
import type { CrossingReference } from '../../model/plan.js';
import type { Finding } from '../../model/finding.js';
import { finding } from './finding.js';

const home = (service: string | null): string => (service === null ? 'the shared database' : service);

export function referenceFindings(crossings: readonly CrossingReference[]): readonly Finding[] {
  return crossings
    .filter((crossing) => crossing.origin === 'declared')
    .map((crossing) => {
      const { onDelete, onUpdate } = crossing.foreignKey ?? { onDelete: 'no action', onUpdate: 'no action' };
      const actions = [
        ...(['cascade', 'set null', 'set default'].includes(onDelete)
          ? [`ON DELETE ${onDelete.toUpperCase()}`]
          : []),
        ...(['cascade', 'set null', 'set default'].includes(onUpdate)
          ? [`ON UPDATE ${onUpdate.toUpperCase()}`]
          : []),
      ];
      return finding(actions.length > 0 ? 'BND401' : 'BND402', {
        subject: crossing.label,
        message:
          `from ${home(crossing.childService)} to ${home(crossing.parentService)}` +
          (actions.length > 0 ? `: ${actions.join(' and ')} is done by nobody across two databases` : ''),
        remedy:
          actions.length > 0
            ? `references: [{ from: ${crossing.label.replace(' -> ', ', to: ')}, onDelete: delete }] says what shall happen; or keep both in one service`
            : 'verify looks for orphans; the application checks the rest',
        relation: crossing.child,
        ...(crossing.childService !== null && { service: crossing.childService }),
        data: {
          child: crossing.child,
          parent: crossing.parent,
          childService: crossing.childService,
          parentService: crossing.parentService,
          actions,
        },
      });
    });
}
