/** Groups containerd's image records into images. Pure. */

import { toImageId, toStoredName } from '../cri/cri-calls.ts';
import type { RuntimeImage } from '../runtime.ts';
import type { ImageRecord } from './containerd-protocol.ts';
import { isPinnedByOthers, isPinnedByUs } from './pins.ts';
import type { ResolvedTarget, Targets } from './target-resolver.ts';

export interface StoreView {
  /** Targets whose documents are all there. */
  readonly resolved: ReadonlyMap<string, ResolvedTarget>;
  /** Committed snapshot → its parent, `''` at the base. */
  readonly snapshots: ReadonlyMap<string, string>;
  /** Image id → compressed bytes, where the CRI knows the image. */
  readonly sizes: ReadonlyMap<string, number>;
}

export interface RecordGroup {
  readonly imageId: string;
  readonly records: readonly ImageRecord[];
}

export interface ImageIdentities {
  /** Image id by record name. */
  readonly byName: ReadonlyMap<string, string>;
  /** Image ids by the chain id of the whole stack: images that differ in their configs alone share it. */
  readonly byTopChainId: ReadonlyMap<string, readonly string[]>;
  /** Images that the CRI plugin pinned itself. */
  readonly pinnedByCri: ReadonlySet<string>;
}

/** The CRI's own record of an image is named after the config digest. */
export function toTargets(records: readonly ImageRecord[]): Targets {
  const targets = new Map<string, string | undefined>();
  for (const { name, target } of records) {
    if (target === null) continue;
    const imageId = toImageId(name);
    if (imageId !== undefined || !targets.has(target.digest)) targets.set(target.digest, imageId);
  }
  return targets;
}

/**
 * Records by image id. The id of a target that cannot be read comes from the CRI's own record; where that is missing too the
 * target's digest stands in.
 */
export function groupRecords(
  records: readonly ImageRecord[],
  targets: Targets,
  resolved: ReadonlyMap<string, ResolvedTarget>,
): RecordGroup[] {
  const groups = new Map<string, ImageRecord[]>();
  for (const record of records) {
    if (record.target === null) continue;
    const { digest } = record.target;
    const id = resolved.get(digest)?.imageId ?? targets.get(digest) ?? digest;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [record]);
    else group.push(record);
  }
  return [...groups].map(([imageId, members]) => ({ imageId, records: members }));
}

export function toIdentities(
  records: readonly ImageRecord[],
  targets: Targets,
  resolved: ReadonlyMap<string, ResolvedTarget>,
): ImageIdentities {
  const byName = new Map<string, string>();
  const byTopChainId = new Map<string, string[]>();
  const pinnedByCri = new Set<string>();
  for (const { imageId, records: named } of groupRecords(records, targets, resolved)) {
    for (const { name, labels } of named) {
      byName.set(name, imageId);
      // Nobody else writes to the record that is named after the config digest.
      if (toImageId(name) !== undefined && isPinnedByOthers(labels)) pinnedByCri.add(imageId);
    }
    const tops = named.map(({ target }) => resolved.get(target?.digest ?? '')?.topChainId);
    for (const top of new Set(tops)) {
      if (top !== undefined) byTopChainId.set(top, [...(byTopChainId.get(top) ?? []), imageId]);
    }
  }
  return { byName, byTopChainId, pinnedByCri };
}

export function toRuntimeImages(groups: readonly RecordGroup[], view: StoreView): RuntimeImage[] {
  return groups.map((group) => toRuntimeImage(group, view));
}

function toRuntimeImage({ imageId, records }: RecordGroup, view: StoreView): RuntimeImage {
  const wholeRecords = records.filter((record) => isWhole(record, view));
  const whole = wholeRecords.length > 0;
  // A name whose own manifest is gone does not name this image any more; pulling it again repairs it.
  const naming = whole ? wholeRecords : records;
  const names = toNames(naming);
  return {
    id: imageId,
    tags: names.filter((name) => !name.includes('@')),
    digests: names.filter((name) => name.includes('@')),
    sizeBytes: view.sizes.get(imageId) ?? 0,
    pinnedNames: toNames(records.filter(({ labels }) => isPinnedByUs(labels))),
    pinnedByOthers: records.some(({ labels }) => isPinnedByOthers(labels)),
    whole,
  };
}

function toNames(records: readonly ImageRecord[]): string[] {
  return [...new Set(records.map(({ name }) => toStoredName(name)).filter((name) => name !== undefined))].sort();
}

function isWhole({ target }: ImageRecord, { resolved, snapshots }: StoreView): boolean {
  const image = resolved.get(target?.digest ?? '');
  return image !== undefined && isChainWhole(image.topChainId, snapshots);
}

function isChainWhole(top: string | undefined, snapshots: ReadonlyMap<string, string>): boolean {
  for (let name = top ?? ''; name !== ''; ) {
    const parent = snapshots.get(name);
    if (parent === undefined) return false;
    name = parent;
  }
  return true;
}
