/** From the whole state of a node to its prune plan: pure, synchronous, every image gets exactly one decision. */

import { type ImagePart, PartCounts } from './image-parts.ts';
import type { ImageFilesystem } from './node-images.ts';
import type { KeepReason, PlannedImage, PruneDecision, PrunePlan, RemoveReason } from './prune-plan.ts';
import { findProtection, namesOf, type PruneImage, type PruneProtection, toUsedImages } from './prune-protection.ts';
import type { LastUse } from './usage.ts';
import { bytesAboveWatermark, type Watermark } from './watermark.ts';

export interface PrunePolicy {
  /** Age tier: what is unused for this long goes. */
  readonly unusedForMs: number;
  /** Space tier: what was used within this time stays. */
  readonly spaceGraceMs: number;
  readonly watermarks: { readonly low: Watermark; readonly high: Watermark; readonly critical: Watermark };
}

/** What a run is for. */
export interface PruneRequest {
  readonly age: boolean;
  readonly space: boolean;
  /** Bytes to make room for below the high watermark, for one pull; 0: none. */
  readonly needBytes: number;
}

export interface PruneWorld {
  readonly now: number;
  readonly images: readonly PruneImage[];
  readonly parts: ReadonlyMap<string, readonly ImagePart[]>;
  /** Undefined: unknown, and then nothing goes for space. */
  readonly filesystem: ImageFilesystem | undefined;
  readonly lastUses: ReadonlyMap<string, LastUse>;
  readonly protection: PruneProtection;
  readonly policy: PrunePolicy;
}

interface Candidate {
  readonly image: PruneImage;
  readonly lastUse: LastUse;
}

interface Target {
  readonly bytes: number;
  readonly reason: RemoveReason;
  readonly ignoresGrace: boolean;
}

export function planPrune(world: PruneWorld, request: PruneRequest): PrunePlan {
  const { images, lastUses, parts, policy, protection } = world;
  const used = toUsedImages(protection.containers);
  const kept: PlannedImage[] = [];
  const candidates: Candidate[] = [];
  for (const image of images) {
    const lastUse = lastUses.get(image.id);
    const reason = findProtection(image, used, lastUse, protection);
    if (reason === undefined && lastUse !== undefined) candidates.push({ image, lastUse });
    else kept.push(toKept(image, reason ?? 'unknown_use', lastUse));
  }
  candidates.sort(byLastUse);

  const counts = new PartCounts(images.map(({ id }) => parts.get(id) ?? []));
  const removed: PlannedImage[] = [];
  let freed = 0;
  const remove = ({ image, lastUse }: Candidate, reason: RemoveReason): void => {
    const freesBytes = counts.remove(parts.get(image.id) ?? []);
    freed += freesBytes;
    const decision: PruneDecision = { kind: 'remove', reason };
    removed.push({ ...describe(image, lastUse), decision, freesBytes, cumulativeBytes: freed });
  };

  let left = candidates;
  if (request.age) {
    const old = left.filter(({ lastUse }) => lastUse.unusedForMs >= policy.unusedForMs);
    left = left.filter(({ lastUse }) => lastUse.unusedForMs < policy.unusedForMs);
    for (const candidate of old) remove(candidate, 'age');
  }
  const targets = toTargets(world, request);
  for (const target of targets) {
    const later: Candidate[] = [];
    for (const candidate of left) {
      const mayGo = target.ignoresGrace || candidate.lastUse.unusedForMs >= policy.spaceGraceMs;
      if (mayGo && freed < target.bytes) remove(candidate, target.reason);
      else later.push(candidate);
    }
    left = later;
  }

  const targetBytes = Math.max(0, ...targets.map(({ bytes }) => bytes));
  for (const { image, lastUse } of left) {
    const isRecent = request.age && !request.space && request.needBytes === 0;
    const heldByGrace = freed < targetBytes;
    kept.push(toKept(image, isRecent || heldByGrace ? 'recently_used' : 'not_needed', lastUse));
  }
  const shortfallBytes = Math.max(0, targetBytes - freed);
  return { at: world.now, images: [...removed, ...kept], targetBytes, shortfallBytes };
}

/** Bytes to free in all, gentlest first: down to low within the grace, and above critical down to high without it. */
function toTargets({ filesystem, policy }: PruneWorld, { space, needBytes }: PruneRequest): Target[] {
  if (filesystem === undefined) return [];
  const { low, high, critical } = policy.watermarks;
  const targets: Target[] = [];
  if (needBytes > 0) {
    const bytes = bytesAboveWatermark({ ...filesystem, availBytes: filesystem.availBytes - needBytes }, high);
    targets.push({ bytes, reason: 'space', ignoresGrace: false });
  }
  if (!space) return targets;
  if (bytesAboveWatermark(filesystem, high) > 0) {
    targets.push({ bytes: bytesAboveWatermark(filesystem, low), reason: 'space', ignoresGrace: false });
  }
  if (bytesAboveWatermark(filesystem, critical) > 0) {
    targets.push({ bytes: bytesAboveWatermark(filesystem, high), reason: 'critical', ignoresGrace: true });
  }
  return targets;
}

/** Least recently used first; of two equals the one known longer, then by id, so that planning twice gives the same. */
function byLastUse(a: Candidate, b: Candidate): number {
  return (
    b.lastUse.unusedForMs - a.lastUse.unusedForMs ||
    b.lastUse.knownForMs - a.lastUse.knownForMs ||
    (a.image.id < b.image.id ? -1 : 1)
  );
}

function toKept(image: PruneImage, reason: KeepReason, lastUse: LastUse | undefined): PlannedImage {
  return { ...describe(image, lastUse), decision: { kind: 'keep', reason }, freesBytes: 0, cumulativeBytes: 0 };
}

function describe(image: PruneImage, lastUse: LastUse | undefined) {
  return {
    imageId: image.id,
    names: namesOf(image),
    lastUsedAt: lastUse?.lastUsedAt,
    lastUsedFrom: lastUse?.source,
  };
}
