import { expect, test } from 'vitest';
import type { NodeEvent } from '../../../agent/core/node-event.ts';
import { toClusterEvent, toEventSubject } from '../../../agent/core/node-event-text.ts';

const events: readonly NodeEvent[] = [
  { kind: 'image_set_ready', imageSet: 'gpu', images: 1 },
  { kind: 'image_set_failed', imageSet: 'gpu', reference: 'r/a:1', code: 'auth', message: 'no rights' },
  { kind: 'images_lost', references: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] },
  { kind: 'prune_target_missed', targetBytes: 3 * 2 ** 30, shortfallBytes: 2 ** 30 },
  { kind: 'configuration_refused', source: 'configmap a/b', mistakes: 'configmap a/b:3: prune.keep: not a list' },
  { kind: 'gate_released', taint: 'k', heldSeconds: 12.4 },
  { kind: 'gate_deadline_passed', taint: 'k', missing: ['r/a:1'] },
];

test('each kind of event in words', () => {
  expect(
    events.map(toClusterEvent).map(({ type, reason, action, note }) => `${type} ${reason} ${action}: ${note}`),
  ).toEqual([
    'Normal ImageSetReady PrefetchImages: image set gpu: 1 image present',
    'Warning ImageSetFailed PrefetchImages: image set gpu: r/a:1: auth: no rights',
    'Warning ImagesLost PrefetchImages: 7 desired images vanished and will be pulled again: a, b, c, d, e and 2 more',
    'Warning PruneTargetMissed PruneImages: 3.0 GiB were to be freed, and 1.0 GiB of it could not be: everything else is in use, desired or kept by a rule',
    'Warning ConfigurationRefused LoadConfiguration: configmap a/b is refused: configmap a/b:3: prune.keep: not a list',
    'Normal GateReleased RemoveTaint: taint k removed after 12 s',
    'Warning GateDeadlinePassed RemoveTaint: taint k removed as gate.deadline passed, without: r/a:1',
  ]);
});

test.each([1_500, 1_501, 1_502, 1_503])('a note has at most 1,024 bytes and no half character (%i)', (length) => {
  const mistakes = 'x'.repeat(length - 1_500) + '𝛑é'.repeat(length);
  const { note } = toClusterEvent({ kind: 'configuration_refused', source: 's', mistakes });
  expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1_024);
  expect(Buffer.byteLength(note)).toBeGreaterThan(1_015);
  expect(Buffer.from(note).toString()).toBe(note);
  expect(note.isWellFormed()).toBe(true);
  expect(note.endsWith('…')).toBe(true);
});

test('another mistake in the same configuration is another subject', () => {
  const refused = (mistakes: string): NodeEvent => ({ kind: 'configuration_refused', source: 's', mistakes });
  expect(toEventSubject(refused('a'))).not.toBe(toEventSubject(refused('b')));
});
