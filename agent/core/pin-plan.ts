/** Which desired images carry a pin against the kubelet's garbage collection. Pure. */

import type { PinBudget } from './configuration.ts';
import type { DesiredImage } from './desired-images.ts';
import { isRefused } from './held-image.ts';
import { type ImagePart, PartCounts } from './image-parts.ts';
import type { RuntimeImage } from './node-images.ts';
import { namesOf } from './prune-protection.ts';

export interface PinWorld {
  readonly desired: readonly DesiredImage[];
  readonly images: readonly RuntimeImage[];
  /** By image id; an image without parts counts with its nominal size. */
  readonly parts: ReadonlyMap<string, readonly ImagePart[]>;
  /** Undefined: not known; then nothing more is pinned, and what is no longer desired still loses its pin. */
  readonly budgetBytes: number | undefined;
}

export interface PinPlan {
  /** Names that get a pin. */
  readonly pin: readonly string[];
  /** Names that lose ours. */
  readonly unpin: readonly string[];
  /** Desired images that are here and have a pin when this is done, by name. */
  readonly pinned: readonly string[];
  /** Desired images that are here and find no room in the budget. */
  readonly overBudget: readonly string[];
}

/** Undefined: the filesystem is not known, and a share of it is not either. */
export function toPinBudgetBytes(budget: PinBudget, filesystemBytes: number | undefined): number | undefined {
  if (budget.kind === 'bytes') return budget.bytes;
  return filesystemBytes === undefined ? undefined : Math.floor(filesystemBytes * budget.ratio);
}

/**
 * By priority, then gated before others, then in the configuration's order; an image that does not fit is left out, and smaller
 * ones after it still get in. Layers that pinned images share count once.
 */
export function planPins({ desired, images, parts, budgetBytes }: PinWorld): PinPlan {
  const whole = new Map(
    images.filter((image) => image.whole).flatMap((image) => namesOf(image).map((name) => [name, image])),
  );
  const ours = new Set(images.flatMap(({ pinnedNames }) => pinnedNames));
  const counted = new Set<string>();
  const pinned: string[] = [];
  const overBudget: string[] = [];
  let leftBytes = budgetBytes ?? Number.POSITIVE_INFINITY;
  for (const one of desired.toSorted((a, b) => b.priority - a.priority || Number(b.gate) - Number(a.gate))) {
    const { reference } = one;
    const image = whole.get(reference);
    if (image === undefined || (budgetBytes === undefined && !ours.has(reference))) continue;
    // What its registry does not give out any more is nothing to hold on to.
    if (isRefused(one, image)) continue;
    const own = parts.get(image.id) ?? [{ key: image.id, store: 'layer', bytes: image.sizeBytes, inodes: 0 }];
    const added = own.filter(({ key }) => !counted.has(key));
    const { bytes } = new PartCounts([added]).freedBy(added);
    if (bytes > leftBytes) {
      overBudget.push(reference);
      continue;
    }
    leftBytes -= bytes;
    for (const { key } of added) counted.add(key);
    pinned.push(reference);
  }
  const wanted = new Set(pinned);
  return {
    // Somebody else's pin shields the whole image already.
    pin: pinned.filter((name) => !ours.has(name) && whole.get(name)?.pinnedByOthers !== true),
    unpin: [...ours].filter((name) => !wanted.has(name)),
    pinned,
    overBudget,
  };
}
