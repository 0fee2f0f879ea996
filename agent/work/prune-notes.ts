import { formatDuration } from '../core/units.ts';
import { nextAgeRunAt } from '../core/prune-schedule.ts';
import type { PruneSettings } from '../core/configuration.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import type { NodeHold } from '../core/node-holds.ts';
import type { UsageTracker } from './usage-tracker.ts';

/** What a reader of the prune plan has to know beside it, as sentences without a full stop. */
export function toPruneNotes(
  settings: PruneSettings,
  { problem, watchedMs }: Pick<UsageTracker, 'problem' | 'watchedMs'>,
  filesystem: ImageFilesystem | undefined,
  nodeName: string,
  now: number,
  hold?: NodeHold,
): string[] {
  const notes: string[] = [];
  if (hold !== undefined) notes.push(`nothing is pruned while ${hold.message}`);
  if (filesystem === undefined) {
    notes.push('the image filesystem cannot be seen (--image-filesystem): nothing is pruned for space');
  }
  if (problem !== undefined) {
    notes.push(`nothing is pruned by age, since last use is not kept: ${problem}`);
  } else if (watchedMs < settings.unusedForMs) {
    const watched = formatDuration(Math.floor(watchedMs / 60_000) * 60_000);
    notes.push(
      `last use has been watched for ${watched}: nothing is old before prune.unusedFor, ${formatDuration(settings.unusedForMs)}, has been watched`,
    );
  }
  const next = problem === undefined ? nextAgeRunAt(settings, nodeName, now) : undefined;
  if (next !== undefined) notes.push(`pruning by age runs next at ${new Date(next).toISOString()}`);
  return notes;
}
