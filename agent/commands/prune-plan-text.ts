import type { LeftoverKind } from '../core/leftovers.ts';
import type { PlanLeftovers, PlanPrune, PlanPruneImage } from '../core/prune-document.ts';
import type { UsageSource } from '../core/usage.ts';
import { toImageName } from './image-names.ts';
import { toReadableSize } from '../core/readable-size.ts';
import { type Column, toTable } from './table.ts';

/** Narrower than a pull's: it leaves room for the other columns on a terminal of 80. */
const image: Column = { title: 'IMAGE', narrowest: 20 };
const removedColumns: readonly Column[] = [
  image,
  { title: 'WHY' },
  { title: 'LAST USED' },
  { title: 'FREES', align: 'right' },
  { title: 'TOTAL', align: 'right' },
];
const keptColumns: readonly Column[] = [
  image,
  { title: 'WHY' },
  { title: 'LAST USED' },
  { title: 'SIZE', align: 'right' },
];

/**
 * The prune plan for people: what goes, with the bytes that come back each time and in all; what stays, with the size that the runtime says.
 * @param at The moment of the plan, epoch ms.
 * @param width The terminal's; undefined when it is not for a terminal.
 */
export function toPrunePlanText(prune: PlanPrune, at: number, width: number | undefined): string {
  const { images, leftovers } = prune;
  const removed = images.filter(({ decision }) => decision.kind === 'remove');
  const kept = images.filter(({ decision }) => decision.kind === 'keep');
  const sections = [
    toHeadline(prune),
    removed.length === 0
      ? 'No image is to be removed.'
      : `To remove, in this order:\n${toTable(
          removedColumns,
          removed.map((one) => [
            ...toCells(one, at),
            toReadableSize(one.freesBytes),
            toReadableSize(one.cumulativeBytes),
          ]),
          width,
        )}`,
    kept.length === 0
      ? ''
      : `To keep:\n${toTable(
          keptColumns,
          kept.map((one) => [...toCells(one, at), toReadableSize(one.sizeBytes)]),
          width,
        )}`,
    leftovers.length === 0 ? '' : ['Beside images:', ...leftovers.map(toLeftoverLine)].join('\n'),
    toSummary(prune),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function toHeadline({ enabled, dryRun, notes }: PlanPrune): string {
  const state = ['Prune'];
  if (!enabled) state.push('off: nothing is removed');
  else if (dryRun) state.push('dry run: nothing is removed');
  return [state.join(', '), ...notes.map((note) => `  ${note}`)].join('\n');
}

function toCells(planned: PlanPruneImage, at: number): string[] {
  return [toImageName(planned), planned.decision.reason, toLastUse(planned, at)];
}

const sourceWords: Readonly<Record<UsageSource, string>> = {
  in_use: 'in use',
  container_exit: 'exit',
  container_start: 'start',
  pulled: 'pulled',
  first_seen: 'first seen',
};

/** `9d ago (exit)`: when, and how that is known. */
function toLastUse({ lastUsedAt, lastUsedFrom }: PlanPruneImage, at: number): string {
  if (lastUsedAt === undefined) return 'unknown';
  const source = lastUsedFrom === undefined ? '' : ` (${sourceWords[lastUsedFrom]})`;
  return `${toReadableAge(at - Date.parse(lastUsedAt))}${source}`;
}

/** `9d ago`, `5h ago`, `12m ago`, `now`; a clock that went back makes a use in the future: that is now, too. */
function toReadableAge(ageMs: number): string {
  const minutes = Math.floor(ageMs / 60_000);
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${minutes}m ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h ago` : `${Math.floor(hours / 24)}d ago`;
}

const leftoverWords: Readonly<Record<LeftoverKind, string>> = {
  stopped_container: 'stopped containers',
  build_cache: 'build cache records',
  network: 'unused networks',
  volume: 'anonymous volumes',
  ingest: 'unfinished downloads',
  snapshot: 'snapshots that nothing names',
  lease: 'leases',
  namespace: 'other namespaces',
};

function toLeftoverLine({ kind, count, bytes, unknownSizes }: PlanLeftovers): string {
  const unknown = unknownSizes === 0 ? '' : `, ${unknownSizes} of unknown size`;
  const size = unknownSizes === count ? 'size unknown' : `${toReadableSize(bytes)}${unknown}`;
  return `  ${leftoverWords[kind]}: ${count}, ${size}`;
}

function toSummary({ images, totals }: PlanPrune): string {
  const { remove, keep, freesBytes, reclaimableBytes, targetBytes, targetInodes, shortfallBytes, shortfallInodes } =
    totals;
  const target = targetBytes > 0 ? ` of ${toReadableSize(targetBytes)} wanted` : '';
  const lines = [
    `${images.length} ${images.length === 1 ? 'image' : 'images'} on this node: ${remove} to remove (frees ${toReadableSize(freesBytes)}${target}), ${keep} to keep`,
    `${toReadableSize(reclaimableBytes)} would come back if all went that nothing protects`,
  ];
  if (targetInodes > 0) lines.push(`${targetInodes} inodes have to come back, too`);
  if (shortfallBytes > 0) lines.push(`the target is missed by ${toReadableSize(shortfallBytes)}: nothing more may go`);
  if (shortfallInodes > 0) lines.push(`the target is missed by ${shortfallInodes} inodes: nothing more may go`);
  return lines.join('\n');
}
