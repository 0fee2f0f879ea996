import type { UninstallEvent, UninstallStep } from '../core/uninstall-round.ts';
import { outcomeWords } from './outcome-words.ts';

/** What there was, one and several. */
const things: Readonly<Record<UninstallStep, readonly [one: string, several: string]>> = {
  runtime: ['runtime', 'runtimes'],
  removals: ['image got its names back, of a removal that was cut off', 'images got their names back'],
  pins: ['pin taken back', 'pins taken back'],
  leases: ['lease of pulls and removals taken back', 'leases of pulls and removals taken back'],
  ties: ['snapshot lost the labels of a removal', 'snapshots lost the labels of removals'],
  guards: ['tag of a removal taken back', 'tags of removals taken back'],
  node: ['label or condition removed from the Node', 'labels and conditions removed from the Node'],
  slots: ['Lease of the cluster given back', 'Leases of the cluster given back'],
  state: ['file removed from the state folder', 'files removed from the state folder'],
};

/** One line for people; undefined: nothing worth a line. */
export function toUninstallText(event: UninstallEvent): string | undefined {
  switch (event.kind) {
    case 'done_step': {
      if (event.count === 0) return undefined;
      const [one, several] = things[event.step];
      return `${event.count} ${event.count === 1 ? one : several}`;
    }
    case 'failed_step':
      return `${event.step}: failed: ${event.message}`;
    case 'done':
      return event.failed === 0
        ? `${outcomeWords[event.outcome]}: nothing of Stevedore is left on this node`
        : `${outcomeWords[event.outcome]}: ${event.failed} ${event.failed === 1 ? 'step' : 'steps'} failed, run it again`;
  }
}
