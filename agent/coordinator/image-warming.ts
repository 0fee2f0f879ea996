import type { WarmMethod } from '../core/configuration.ts';
import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type ImageReference, repositoryName } from '../core/image-reference.ts';
import type { ManifestLayer } from '../core/manifest.ts';
import { formatPlatform, parsePlatform } from '../core/platform.ts';
import { sleep } from '../core/sleep.ts';
import type { SourceImage } from '../registry/image-source.ts';
import { toPatienceMs } from './blob-fills.ts';
import { type BlobParts, warmBlob } from './blob-warming.ts';
import type { BlobQueue } from './blob-queue.ts';
import { eachBounded } from './bounded.ts';
import { type Child, type ChildParts, isChildLocal, waitForChild } from './child-warming.ts';
import type { OnWarmEvent, WarmOrder } from './warm-events.ts';

export interface ImageWarmingParts extends BlobParts, ChildParts {
  readonly source: BlobParts['source'] & ChildParts['source'];
  /**
   * Runs the work when the image's turn comes: some 200 s after it was asked for a manifest Harbor 2.15.2 fetches what is missing by itself, of all such
   * images at the same time.
   */
  readonly inTurn: <Result>(work: () => Promise<Result>, signal: AbortSignal) => Promise<Result>;
  readonly queue: BlobQueue;
  /** What holds for a registry now: one whose gateway buffers whole bodies is not asked for them. */
  readonly methodOf: (host: string) => WarmMethod;
}

export interface ImageTask {
  readonly order: WarmOrder;
  readonly reference: ImageReference;
  readonly credentials: readonly Credential[];
  readonly onEvent: OnWarmEvent;
}

/** Looks for blobs at once; none of them reaches the upstream. */
const looksAtOnce = 4;
/** Nodes that did not wait may have made it warm since. */
const lookAgainMs = 5_000;
/** Harbor fetches what is missing by itself some 200 s after it was asked for the manifest (Harbor 2.15.2). */
const ownFetchMs = 200_000;
const ownFetchPatienceMs = 100_000;
const ownFetchPollMs = 10_000;

/**
 * One attempt: manifests, then every blob, both when its turn comes; then the children, of which Harbor has nothing to fetch any more. What is local
 * already is left alone. @throws Failure
 */
export async function warmImage(task: ImageTask, parts: ImageWarmingParts, signal: AbortSignal): Promise<void> {
  if (await areKnownChildrenLocal(task, parts, signal)) return;
  const askedAt = performance.now();
  const filled = await parts.inTurn(async () => {
    const hasWaited = performance.now() - askedAt >= lookAgainMs;
    if (hasWaited && (await areKnownChildrenLocal(task, parts, signal))) return undefined;
    return fillImage(task, parts, signal);
  }, signal);
  if (filled === undefined) return;
  const { order, reference, credentials, onEvent } = task;
  for (const { platform, digest } of childrenOf(filled.image)) {
    const child = { reference, credentials, platform, digest };
    const certain = await waitForChild(child, filled, parts, signal);
    onEvent({ kind: 'child_warm', reference: order.reference, platform, digest, certain });
  }
}

interface FilledImage {
  readonly image: SourceImage;
  /** When the manifests were asked for, and when the last blob was local; monotonic ms. */
  readonly readAt: number;
  readonly blobsAt: number;
}

async function fillImage(task: ImageTask, parts: ImageWarmingParts, signal: AbortSignal): Promise<FilledImage> {
  const { order, reference, credentials, onEvent } = task;
  const readAt = performance.now();
  const image = await parts.source.readImage(reference, order.platforms.map(parsePlatform), credentials, signal);
  requireSame(order, image);
  const blobs = blobsOf(image);
  const missing: ManifestLayer[] = [];
  await eachBounded(blobs, looksAtOnce, async (blob) => {
    if (!(await parts.source.hasBlob(reference, blob.digest, credentials, signal))) missing.push(blob);
  });
  const bytes = sumOf(blobs);
  const localBlobs = blobs.length - missing.length;
  const localBytes = bytes - sumOf(missing);
  onEvent({ kind: 'image_read', reference: order.reference, blobs: blobs.length, bytes, localBlobs, localBytes });
  missing.sort((a, b) => a.sizeBytes - b.sizeBytes);
  await warmBlobs(task, missing, readAt, parts, signal);
  return { image, readAt, blobsAt: performance.now() };
}

/** True: Harbor says so of every child that is meant, and nothing needs to be asked for. */
async function areKnownChildrenLocal(task: ImageTask, parts: ImageWarmingParts, signal: AbortSignal): Promise<boolean> {
  const { order, reference, credentials, onEvent } = task;
  const { children } = order;
  if (children === undefined) return false;
  for (const platform of order.platforms) {
    const digest = children.get(platform);
    if (digest === undefined) return false;
    const child: Child = { reference, credentials, platform, digest };
    if ((await isChildLocal(child, parts.harbor, signal)) !== true) return false;
  }
  for (const [platform, digest] of children) {
    onEvent({ kind: 'child_warm', reference: order.reference, platform, digest, certain: true });
  }
  return true;
}

function requireSame({ platforms, children, reference }: WarmOrder, image: SourceImage): void {
  const [refused] = image.refused ?? [];
  if (refused !== undefined) throw refused.failure;
  if (image.platforms.length === 0 && children === undefined) {
    throw new Failure('no_platform', `${reference} has none of the platforms ${platforms.join(', ')}`);
  }
  const shown = new Map(childrenOf(image).map(({ platform, digest }) => [platform, digest]));
  for (const [platform, digest] of children ?? []) {
    if (shown.get(platform) === digest) continue;
    const words = `${reference} does not show the ${platform} image that is meant: it moved, or Harbor falls back to its own store`;
    throw new Failure('upstream', words, { detail: 'upstream_unhealthy' });
  }
}

async function warmBlobs(
  task: ImageTask,
  missing: readonly ManifestLayer[],
  readAt: number,
  parts: ImageWarmingParts,
  signal: AbortSignal,
): Promise<void> {
  const { registry } = task.reference;
  if (parts.methodOf(registry) === 'manifest') return waitForOwnFetch(task, missing, readAt, parts, signal);
  const left: ManifestLayer[] = [];
  await allOf(
    missing.map((blob) => async (end: AbortSignal) => {
      const done = await placed(
        task,
        blob,
        parts,
        async () => {
          const method = parts.methodOf(registry);
          if (method === 'manifest') return false;
          await warmBlob(toBlobTask(task, blob), method, parts, end);
          return true;
        },
        end,
      );
      if (done === false) left.push(blob);
    }),
    signal,
  );
  if (left.length > 0) await waitForOwnFetch(task, left, readAt, parts, signal);
}

/** Only asks whether Harbor has fetched by itself what it was asked the manifests of. */
async function waitForOwnFetch(
  task: ImageTask,
  blobs: readonly ManifestLayer[],
  readAt: number,
  parts: ImageWarmingParts,
  signal: AbortSignal,
): Promise<void> {
  const { order, reference, credentials, onEvent } = task;
  let left = blobs;
  let movedAt = Math.max(performance.now(), readAt + ownFetchMs);
  while (left.length > 0) {
    const missing: ManifestLayer[] = [];
    await eachBounded(left, looksAtOnce, async (blob) => {
      if (!(await parts.source.hasBlob(reference, blob.digest, credentials, signal))) missing.push(blob);
    });
    const now = performance.now();
    const seconds = (now - readAt) / 1000;
    for (const { digest, sizeBytes: bytes } of left.filter((blob) => !missing.includes(blob))) {
      onEvent({ kind: 'blob_warm', reference: order.reference, digest, bytes, seconds, how: 'fetched' });
    }
    if (missing.length < left.length) movedAt = Math.max(movedAt, now);
    left = missing;
    const largestMs = Math.max(0, ...left.map(({ sizeBytes }) => toPatienceMs(sizeBytes, parts.deadlineMs())));
    if (left.length > 0 && now - movedAt > ownFetchPatienceMs + largestMs) break;
    if (left.length > 0) await sleep(ownFetchPollMs, signal);
    signal.throwIfAborted();
  }
  if (left.length === 0) return;
  const message = `Harbor did not fetch ${left.length} blobs of ${order.reference} by itself in time: they are read through`;
  parts.log.warn({ image: order.reference, blobs: left.length }, message);
  onEvent({ kind: 'fallback', reference: order.reference, message });
  await allOf(
    left.map(
      (blob) => (end: AbortSignal) =>
        placed(task, blob, parts, () => warmBlob(toBlobTask(task, blob), 'read', parts, end), end),
    ),
    signal,
  );
}

function placed<Result>(
  { reference }: ImageTask,
  { digest, sizeBytes }: ManifestLayer,
  { queue }: ImageWarmingParts,
  work: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result | undefined> {
  return queue.run(`${repositoryName(reference)}@${digest}`, sizeBytes, work, signal);
}

/** All to their end; the first failure ends the others. */
async function allOf(works: readonly ((end: AbortSignal) => Promise<unknown>)[], signal: AbortSignal): Promise<void> {
  const failed = new AbortController();
  const end = AbortSignal.any([signal, failed.signal]);
  const results = await Promise.allSettled(
    works.map(async (work) => {
      try {
        await work(end);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  signal.throwIfAborted();
  if (results.some(({ status }) => status === 'rejected')) throw failed.signal.reason;
}

function toBlobTask({ order, reference, credentials, onEvent }: ImageTask, blob: ManifestLayer) {
  return { reference, name: order.reference, blob, credentials, onEvent };
}

function blobsOf(image: SourceImage): ManifestLayer[] {
  const all = image.platforms.flatMap(({ config, layers }) => [config, ...layers]);
  return [...new Map(all.map((blob) => [blob.digest, blob])).values()];
}

/** One child may serve several platforms. */
function childrenOf(image: SourceImage): { readonly platform: string; readonly digest: string }[] {
  return image.platforms.map(({ platform, digest }) => ({ platform: formatPlatform(platform), digest }));
}

function sumOf(blobs: readonly ManifestLayer[]): number {
  return blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
