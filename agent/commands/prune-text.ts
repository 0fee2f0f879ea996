import type { PruneRoundEvent, Reclaimed } from '../core/prune-round.ts';
import { toImageNames } from './image-names.ts';
import { outcomeWords } from './outcome-words.ts';
import { toReadableSize } from '../core/readable-size.ts';

type Planned = Extract<PruneRoundEvent, { kind: 'planned' }>;
type Leftover = Extract<PruneRoundEvent, { kind: 'leftover' }>;
type Done = Extract<PruneRoundEvent, { kind: 'done' }>;

/** For people: mostly one line an event. `dryRunOrdered`: the user asked for a dry run, so it needs no explanation. */
export function toPruneEventText(event: PruneRoundEvent, dryRunOrdered: boolean): string {
  switch (event.kind) {
    case 'planned':
      return toPlannedText(event, dryRunOrdered);
    case 'would_remove':
      return `would remove ${toImageNames(event)}: ${event.reason}, frees ${toReadableSize(event.freesBytes)}`;
    case 'removed':
      return `removed ${toImageNames(event)}: ${event.reason}, ${toReadableSize(event.reclaimedBytes)} reclaimed in ${event.seconds.toFixed(1)} s`;
    case 'skipped':
      return `skipped ${toImageNames(event)}: now ${event.reason}`;
    case 'failed':
      return `failed ${toImageNames(event)}: ${event.message}`;
    case 'leftover':
      return toLeftoverText(event);
    case 'done':
      return toDoneText(event);
  }
}

function toPlannedText(
  { dryRun, images, bytes, targetBytes, shortfallBytes }: Planned,
  dryRunOrdered: boolean,
): string {
  const because = dryRunOrdered ? '' : ', as prune.dryRun in the configuration says';
  const lines = dryRun ? [`dry run${because}: nothing is removed`] : [];
  const frees = images === 0 ? '' : `, which frees ${toReadableSize(bytes)}`;
  const target = targetBytes > 0 ? `, ${toReadableSize(targetBytes)} wanted` : '';
  lines.push(`${toImageCount(images)} to remove${frees}${target}`);
  if (shortfallBytes > 0) lines.push(`nothing more may go: ${toReadableSize(shortfallBytes)} will be missing`);
  return lines.join('\n');
}

function toLeftoverText({ leftover, name, bytes, outcome }: Leftover): string {
  const words = { removed: 'removed', would_remove: 'would remove', skipped: 'skipped', failed: 'failed' } as const;
  const size = bytes === undefined ? '' : `, ${toReadableSize(bytes)}`;
  return `${words[outcome]} ${leftover} ${name}${size}`;
}

function toDoneText(done: Done): string {
  const { outcome, dryRun, removed, skipped, failed, shortfallBytes, shortfallInodes } = done;
  const lines = dryRun
    ? // Nothing to do would be wrong where something would be removed.
      [`${outcomeWords[outcome === 'error' ? 'error' : 'success']}: dry run, nothing removed`]
    : [
        `${outcomeWords[outcome]}: ${removed} removed, ${skipped} skipped, ${failed} failed`,
        ...(outcome === 'noop' ? [] : toFigures(done)),
      ];
  if (shortfallBytes > 0) lines.push(`target not met: ${toReadableSize(shortfallBytes)} missing`);
  if (shortfallInodes > 0) lines.push(`target not met: ${shortfallInodes} inodes missing`);
  return lines.join('\n');
}

/** They answer different questions, so each says what it counts. */
function toFigures({ reclaimedBytes, filesystemFreedBytes, nominalBytes }: Reclaimed): string[] {
  return [
    figure('reclaimed', reclaimedBytes, 'freed on disk by these removals'),
    figure('filesystem gain', filesystemFreedBytes, 'more free than before, other writers included'),
    figure('nominal size', nominalBytes, 'as the runtime lists the images, shared layers each time'),
  ];
}

function figure(name: string, bytes: number, meaning: string): string {
  return `  ${name.padEnd(16)}${toReadableSize(bytes).padStart(9)}  (${meaning})`;
}

function toImageCount(images: number): string {
  if (images === 0) return 'no image';
  return `${images} ${images === 1 ? 'image' : 'images'}`;
}
