import { type ImageReference, repositoryName } from '../core/image-reference.ts';
import { projectOf } from './project-book.ts';

/**
 * A modest upstream, to a blob that shares the link with another. Harbor 2.15.2 with 160 KB/s brought a layer of 40 MB in 250 s: 182 s were expected
 * of it and 547 s granted.
 */
const modestBytesPerMs = (256 * 1024) / 1000;
const answerMs = 30_000;
const patienceFactor = 3;
/** Two such waits leave a fifth of the deadline for what is read through. */
const deadlineShare = 0.4;
/** While the project's other blobs come, so does this one, most likely. */
const movingFactor = 3;

/** How long Harbor takes for a blob of that size from a modest upstream, ms: 30 s and the size at 256 KiB/s. */
export function toExpectedMs(sizeBytes: number): number {
  return answerMs + sizeBytes / modestBytesPerMs;
}

/**
 * How long nothing is to be heard of a blob before it is taken for lost, ms: three times what is expected, but no more than 40 % of the deadline where
 * what is expected is less. To ask sooner costs the upstream a second download beside the first, which slows down both; to ask later costs little, for
 * Harbor 2.15.2 fetches by itself, 200 s after the manifest was asked for, what was lost on the way.
 */
export function toPatienceMs(sizeBytes: number, deadlineMs: number): number {
  const expectedMs = toExpectedMs(sizeBytes);
  return Math.max(expectedMs, Math.min(patienceFactor * expectedMs, deadlineShare * deadlineMs));
}

interface Fill {
  /** How often Harbor was asked for it, one after the other. */
  readonly touches: number;
  /** Monotonic ms. */
  readonly touchedAt: number;
  readonly expectedMs: number;
  readonly patienceMs: number;
}

/** What Harbor was asked for and does not hold yet: it goes on with that when an attempt fails, and when the image is given up. */
export class BlobFills {
  /** By repository and digest. */
  readonly #fills = new Map<string, Fill>();
  /** When a blob that was waited for got local, by project; monotonic ms. */
  readonly #movedAt = new Map<string, number>();

  /** @returns for which time it is asked for now */
  begin(reference: ImageReference, digest: string, sizeBytes: number, deadlineMs: number): number {
    const now = performance.now();
    for (const [key, fill] of this.#fills) if (isForgotten(fill, now)) this.#fills.delete(key);
    const touches = this.touches(reference, digest) + 1;
    const patienceMs = toPatienceMs(sizeBytes, deadlineMs);
    const fill = { touches, touchedAt: now, expectedMs: toExpectedMs(sizeBytes), patienceMs };
    this.#fills.set(keyOf(reference, digest), fill);
    return touches;
  }

  /** How often Harbor was asked for it, as far as that may still matter. */
  touches(reference: ImageReference, digest: string): number {
    const fill = this.#fills.get(keyOf(reference, digest));
    return fill === undefined || isForgotten(fill, performance.now()) ? 0 : fill.touches;
  }

  /** Whether Harbor is likely to be at it. */
  isUnderWay(reference: ImageReference, digest: string): boolean {
    const fill = this.#fills.get(keyOf(reference, digest));
    if (fill === undefined) return false;
    const now = performance.now();
    const waitedMs = now - fill.touchedAt;
    if (waitedMs < fill.patienceMs) return true;
    const quietMs = now - (this.#movedAt.get(projectKeyOf(reference)) ?? Number.NEGATIVE_INFINITY);
    return quietMs < fill.expectedMs && waitedMs < movingFactor * fill.patienceMs;
  }

  /** Harbor holds it. */
  end(reference: ImageReference, digest: string): void {
    if (this.#fills.delete(keyOf(reference, digest))) this.#movedAt.set(projectKeyOf(reference), performance.now());
  }

  /** Harbor is not at it: it refused, or it is asked for in another way. */
  forget(reference: ImageReference, digest: string): void {
    this.#fills.delete(keyOf(reference, digest));
  }
}

/** So long ago that it says nothing about now. */
function isForgotten({ touchedAt, patienceMs }: Fill, now: number): boolean {
  return now - touchedAt > 2 * movingFactor * patienceMs;
}

function keyOf(reference: ImageReference, digest: string): string {
  return `${repositoryName(reference)}@${digest}`;
}

function projectKeyOf({ registry, repository }: ImageReference): string {
  return `${registry}/${projectOf(repository) ?? ''}`;
}
