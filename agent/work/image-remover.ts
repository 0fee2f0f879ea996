import { Failure, isRuntimeUnavailable } from '../core/failure.ts';
import { bytesByStore, type PartStore } from '../core/image-parts.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import type { PlannedImage, RemoveReason } from '../core/prune-plan.ts';
import type { CredentialLookup, Removal } from '../runtime/runtime.ts';
import { measureGain } from './disk-gain.ts';
import type { PruneSubject } from './prune-view.ts';
import type { Recorder, RemovalFailureReason } from './recorder.ts';
import type { RemovalLock } from './removal-lock.ts';
import type { UsageTracker } from './usage-tracker.ts';

export interface ImageRemoverParts {
  readonly lock: RemovalLock;
  readonly usage: Pick<UsageTracker, 'beginRemoval' | 'endRemoval'>;
  readonly recorder: Pick<Recorder, 'imageRemoved' | 'removalFailed'>;
  /** For an image that has to be put back and can only be pulled. */
  readonly credentialsFor: CredentialLookup;
  /** As it is at this very moment. */
  readonly subject: () => PruneSubject | undefined;
}

export type RemovalOutcome =
  | { readonly kind: 'removed'; readonly reclaimedBytes: number; readonly seconds: number }
  /** It is desired or pulled since a moment ago, is gone, or is in use. */
  | { readonly kind: 'skipped'; readonly reason: 'desired' | 'pulling' | 'in_use' | 'absent' }
  | { readonly kind: 'failed'; readonly failure: Failure };

/**
 * Removes one planned image. The caller has planned right before, without a pause: the lock is taken first of all.
 * @throws only `signal.reason`
 */
export async function removePlanned(
  image: PlannedImage,
  reason: RemoveReason,
  { connected }: PruneSubject,
  readFilesystem: () => Promise<ImageFilesystem | undefined>,
  { lock, usage, recorder, subject, credentialsFor }: ImageRemoverParts,
  signal: AbortSignal,
): Promise<RemovalOutcome> {
  const { imageId, names } = image;
  const { release, wanted } = lock.take(imageId, names);
  const startedAt = performance.now();
  let isCut = false;
  try {
    await usage.beginRemoval({ imageId, names });
    const now = subject();
    if (now === undefined || names.some((name) => now.desired.has(name))) return { kind: 'skipped', reason: 'desired' };
    const pulling = now.pullingSince(startedAt);
    if ([imageId, ...names].some((name) => pulling.has(name))) return { kind: 'skipped', reason: 'pulling' };
    const before = connected.info.capabilities.exactSizes ? undefined : await readFilesystem();
    const removal = await connected.runtime.removeImage(imageId, AbortSignal.any([signal, wanted]), credentialsFor);
    if (removal.kind === 'in_use') recorder.removalFailed('in_use');
    if (removal.kind !== 'removed') return { kind: 'skipped', reason: removal.kind };
    const reclaimed = await toReclaimed(removal, image.freesBytes, before, readFilesystem, signal);
    recorder.imageRemoved(reason, reclaimed, image.sizeBytes);
    const reclaimedBytes = Object.values(reclaimed).reduce((sum, bytes) => sum + bytes, 0);
    return { kind: 'removed', reclaimedBytes, seconds: (performance.now() - startedAt) / 1000 };
  } catch (error) {
    // Nobody knows how far it came: who finds the runtime again looks after it.
    isCut = isRuntimeUnavailable(error);
    signal.throwIfAborted();
    if (wanted.aborted && !isCut) return { kind: 'skipped', reason: 'desired' };
    const failure = Failure.from(error, 'runtime');
    recorder.removalFailed(toFailureReason(failure));
    return { kind: 'failed', failure };
  } finally {
    if (!isCut) usage.endRemoval();
    release();
  }
}

/** Parts that are proven gone; where the runtime cannot prove it, what the filesystem gained. */
async function toReclaimed(
  { freed }: Removal & { readonly kind: 'removed' },
  expectedBytes: number,
  before: ImageFilesystem | undefined,
  readFilesystem: () => Promise<ImageFilesystem | undefined>,
  signal: AbortSignal,
): Promise<Partial<Record<PartStore, number>>> {
  return freed === undefined
    ? { layer: await measureGain(before, readFilesystem, signal, expectedBytes) }
    : bytesByStore(freed);
}

function toFailureReason({ code }: Failure): RemovalFailureReason {
  return code === 'timeout' || code === 'runtime' ? code : 'conflict';
}
