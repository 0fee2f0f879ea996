/** From the whole state of a node to its prune plan: pure, synchronous, every image gets exactly one decision. */

import { bytesByStore, type ImagePart, PartCounts } from './image-parts.ts';
import { repositoryOf } from './image-reference.ts';
import type { ImageDetails, ImageFilesystem, RuntimeImage } from './node-images.ts';
import { type EvictionImage, orderForEviction } from './prune-order.ts';
import type { KeepReason, PlannedImage, PrunePlan, RemoveReason } from './prune-plan.ts';
import { findProtection, namesOf, type PruneProtection, toUsedImages } from './prune-protection.ts';
import type { PruneGoal, PrunePolicy } from './prune-goals.ts';
import type { LastUse } from './usage.ts';

export interface PruneWorld {
  /** Epoch ms. */
  readonly now: number;
  readonly images: readonly RuntimeImage[];
  /** By image id; an image without an entry is taken to free nothing. */
  readonly parts: ReadonlyMap<string, readonly ImagePart[]>;
  /** By image id; build times tell which image of a repository is the older one. */
  readonly details: ReadonlyMap<string, ImageDetails>;
  /** Undefined: unknown, and then nothing goes for space. */
  readonly filesystem: ImageFilesystem | undefined;
  /** By image id. */
  readonly lastUses: ReadonlyMap<string, LastUse>;
  readonly protection: PruneProtection;
  readonly policy: Pick<PrunePolicy, 'unusedForMs'>;
}

interface Candidate extends EvictionImage {
  readonly image: RuntimeImage;
  readonly lastUse: LastUse;
}

export function planPrune(world: PruneWorld, goals: readonly PruneGoal[]): PrunePlan {
  const { images, lastUses, policy, protection } = world;
  const used = toUsedImages(protection.containers);
  const kept: PlannedImage[] = [];
  const present: Candidate[] = [];
  const unprotected: Candidate[] = [];
  for (const image of images) {
    const lastUse = lastUses.get(image.id);
    const reason = findProtection(image, used, lastUse, protection);
    const candidate = lastUse === undefined ? undefined : toCandidate(image, lastUse, world.details);
    if (candidate !== undefined) present.push(candidate);
    if (reason === undefined && candidate !== undefined) unprotected.push(candidate);
    else kept.push(toKept(image, reason ?? 'unknown_use', lastUse));
  }
  const candidates = orderForEviction(unprotected, present);

  const stages = goals.map((goal) => toStage(goal, world.filesystem));
  const { removed, left, freedInodes } = take(candidates, stages, world);
  for (const { image, lastUse } of left) {
    const couldGo = lastUse.unusedForMs >= policy.unusedForMs || stages.some(({ mayTake }) => mayTake(lastUse));
    kept.push(toKept(image, couldGo ? 'not_needed' : 'recently_used', lastUse));
  }

  const targetBytes = Math.max(0, ...stages.map(({ bytes }) => bytes).filter(Number.isFinite));
  const targetInodes = Math.max(0, ...stages.map(({ inodes }) => inodes));
  const freedBytes = removed.at(-1)?.cumulativeBytes ?? 0;
  return {
    at: world.now,
    images: [...removed, ...kept],
    targetBytes,
    targetInodes,
    shortfallBytes: Math.max(0, targetBytes - freedBytes),
    shortfallInodes: Math.max(0, targetInodes - freedInodes),
    reclaimableBytes: sumUnique(candidates, world),
    diskBytes: bytesByStore(images.flatMap(({ id }) => world.parts.get(id) ?? [])),
  };
}

/** A goal as what has to come back in all until it is met. */
interface Stage extends Pick<PruneGoal, 'reason' | 'mayTake'> {
  readonly bytes: number;
  readonly inodes: number;
}

function toStage(
  { reason, mayTake, availBytes, filesFree }: PruneGoal,
  filesystem: ImageFilesystem | undefined,
): Stage {
  return {
    reason,
    mayTake,
    bytes: Math.max(0, availBytes - (filesystem?.availBytes ?? 0)),
    inodes: Math.max(0, filesFree - (filesystem?.filesFree ?? 0)),
  };
}

/** Each stage in turn takes what it may, in order, and no more than its target asks for. */
function take(
  candidates: readonly Candidate[],
  stages: readonly Stage[],
  world: PruneWorld,
): { readonly removed: PlannedImage[]; readonly left: readonly Candidate[]; readonly freedInodes: number } {
  const counts = new PartCounts(world.images.map(({ id }) => world.parts.get(id) ?? []));
  const averageFileBytes = toAverageFileBytes(world.filesystem);
  const removed: PlannedImage[] = [];
  let freedBytes = 0;
  let freedInodes = 0;
  const remove = ({ image, lastUse }: Candidate, reason: RemoveReason): void => {
    const { bytes, inodes } = counts.remove(world.parts.get(image.id) ?? []);
    freedBytes += bytes;
    freedInodes += inodes > 0 ? inodes : Math.floor(bytes / averageFileBytes);
    const decision = { kind: 'remove', reason } as const;
    removed.push({ ...describe(image, lastUse), decision, freesBytes: bytes, cumulativeBytes: freedBytes });
  };

  let left = candidates;
  for (const { bytes, inodes, reason, mayTake } of stages) {
    const later: Candidate[] = [];
    for (const candidate of left) {
      const [needsBytes, needsInodes] = [freedBytes < bytes, freedInodes < inodes];
      if (!mayTake(candidate.lastUse) || !(needsBytes || needsInodes)) later.push(candidate);
      else remove(candidate, needsBytes || reason !== 'space' ? reason : 'inodes');
    }
    left = later;
  }
  return { removed, left, freedInodes };
}

/** For runtimes that do not tell inodes: what a file takes on average here. */
function toAverageFileBytes(filesystem: ImageFilesystem | undefined): number {
  if (filesystem === undefined) return Number.POSITIVE_INFINITY;
  const usedFiles = filesystem.files - filesystem.filesFree;
  return usedFiles <= 0
    ? Number.POSITIVE_INFINITY
    : Math.max(1, (filesystem.sizeBytes - filesystem.availBytes) / usedFiles);
}

function sumUnique(candidates: readonly Candidate[], world: PruneWorld): number {
  const counts = new PartCounts(world.images.map(({ id }) => world.parts.get(id) ?? []));
  return candidates.reduce((sum, { image }) => sum + counts.remove(world.parts.get(image.id) ?? []).bytes, 0);
}

function toCandidate(image: RuntimeImage, lastUse: LastUse, details: PruneWorld['details']): Candidate {
  const { unusedForMs, knownForMs } = lastUse;
  const repositories = [...new Set(namesOf(image).map(repositoryOf))];
  const builtAt = details.get(image.id)?.builtAt;
  return { image, lastUse, id: image.id, repositories, builtAt, unusedForMs, knownForMs };
}

function toKept(image: RuntimeImage, reason: KeepReason, lastUse: LastUse | undefined): PlannedImage {
  return { ...describe(image, lastUse), decision: { kind: 'keep', reason }, freesBytes: 0, cumulativeBytes: 0 };
}

function describe(image: RuntimeImage, lastUse: LastUse | undefined) {
  return {
    imageId: image.id,
    names: namesOf(image),
    sizeBytes: image.sizeBytes,
    lastUsedAt: lastUse?.lastUsedAt,
    lastUsedFrom: lastUse?.source,
  };
}
