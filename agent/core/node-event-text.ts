/** A node's event as the Event that people read in `kubectl describe node`. Pure. */

import type { NodeEvent } from './node-event.ts';
import { toReadableSize } from './readable-size.ts';
import { toShortText } from './short-text.ts';

export interface ClusterEvent {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, of a closed list. */
  readonly reason: string;
  /** CamelCase: what was done. */
  readonly action: string;
  /** At most 1,024 bytes; longer ones are shortened. */
  readonly note: string;
}

/** The API server takes no more (events.k8s.io/v1). */
const maxNoteBytes = 1_024;
/** Of a list, before it says how many more there are. */
const listedAtMost = 5;

export function toClusterEvent(event: NodeEvent): ClusterEvent {
  const text = toText(event);
  return { ...text, note: toShortText(text.note, maxNoteBytes) };
}

/** What the event is about, apart from its reason: two of one subject are told once in a while, two of different ones each. */
export function toEventSubject(event: NodeEvent): string {
  switch (event.kind) {
    case 'image_set_ready':
    case 'image_set_failed':
      return event.imageSet;
    case 'image_refused':
      return `${event.imageSet} ${event.reference}`;
    case 'images_lost':
    case 'prune_target_missed':
      return '';
    case 'configuration_refused':
      // Another mistake is news, however soon it comes.
      return `${event.source} ${event.mistakes}`;
    case 'gate_released':
    case 'gate_deadline_passed':
      return event.taint;
  }
}

function toText(event: NodeEvent): ClusterEvent {
  switch (event.kind) {
    case 'image_set_ready':
      return {
        type: 'Normal',
        reason: 'ImageSetReady',
        action: 'PrefetchImages',
        note: `image set ${event.imageSet}: ${toCount(event.images, 'image')} present`,
      };
    case 'image_set_failed':
      return {
        type: 'Warning',
        reason: 'ImageSetFailed',
        action: 'PrefetchImages',
        note: `image set ${event.imageSet}: ${event.reference}: ${event.code}: ${event.message}`,
      };
    case 'image_refused':
      return {
        type: 'Warning',
        reason: 'ImageRefused',
        action: 'PrefetchImages',
        note: `image set ${event.imageSet}: ${event.reference} is present, and its registry does not give it out any more: ${event.message}`,
      };
    case 'images_lost':
      return {
        type: 'Warning',
        reason: 'ImagesLost',
        action: 'PrefetchImages',
        note: `${toCount(event.references.length, 'desired image')} vanished and will be pulled again: ${toList(event.references)}`,
      };
    case 'prune_target_missed':
      return {
        type: 'Warning',
        reason: 'PruneTargetMissed',
        action: 'PruneImages',
        note: `${toReadableSize(event.targetBytes)} were to be freed, and ${toReadableSize(event.shortfallBytes)} of it could not be: everything else is in use, desired or kept by a rule`,
      };
    case 'configuration_refused':
      return {
        type: 'Warning',
        reason: 'ConfigurationRefused',
        action: 'LoadConfiguration',
        note: `${event.source} is refused: ${event.mistakes}`,
      };
    case 'gate_released':
      return {
        type: 'Normal',
        reason: 'GateReleased',
        action: 'RemoveTaint',
        note: `taint ${event.taint} removed after ${Math.round(event.heldSeconds)} s`,
      };
    case 'gate_deadline_passed':
      return {
        type: 'Warning',
        reason: 'GateDeadlinePassed',
        action: 'RemoveTaint',
        note: `taint ${event.taint} removed as gate.deadline passed, without: ${toList(event.missing)}`,
      };
  }
}

function toCount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function toList(names: readonly string[]): string {
  const listed = names.slice(0, listedAtMost).join(', ');
  const more = names.length - listedAtMost;
  return more > 0 ? `${listed} and ${more} more` : listed;
}
