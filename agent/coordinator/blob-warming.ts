import type { WarmMethod } from '../core/configuration.ts';
import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import type { ImageReference } from '../core/image-reference.ts';
import type { Logger } from '../core/logger.ts';
import type { ManifestLayer } from '../core/manifest.ts';
import { sleep } from '../core/sleep.ts';
import type { ImageSource } from '../registry/image-source.ts';
import { type BlobFills, toPatienceMs } from './blob-fills.ts';
import type { Random } from './parts.ts';
import type { OnWarmEvent } from './warm-events.ts';

export interface BlobParts {
  readonly source: Pick<ImageSource, 'hasBlob' | 'touchBlob' | 'discardBlob'>;
  readonly log: Logger;
  readonly random: Random;
  readonly fills: BlobFills;
  /** What the image may take, from when its turn came. */
  readonly deadlineMs: () => number;
  /** Headers came so late that something between seems to read whole bodies before it passes them on. */
  readonly onLateHeaders: (host: string, headersMs: number) => void;
}

export interface BlobTask {
  /** Its repository counts. */
  readonly reference: ImageReference;
  readonly name: string;
  readonly blob: ManifestLayer;
  readonly credentials: readonly Credential[];
  readonly onEvent: OnWarmEvent;
}

/** Harbor answers headers as soon as the upstream has; a gateway that buffers gives them with the last byte. */
const lateHeadersMs = 10_000;
const firstPauseMs = 250;
const longestPauseMs = 5_000;
const pauseGrowth = 1.6;
const mostTouches = 2;

/**
 * Makes Harbor hold one blob. Harbor 2.15.2 fetches a blob that it does not have twice for one GET: once for the client, which ends when the client
 * breaks off, and once for its cache, which does not. So it is not asked for again while Harbor is likely to be at it, also not by the next attempt:
 * Harbor 2.15.2 knows its own download only within one core process. @throws Failure
 */
export async function warmBlob(
  task: BlobTask,
  method: Exclude<WarmMethod, 'manifest'>,
  parts: BlobParts,
  signal: AbortSignal,
): Promise<void> {
  const { name, blob, onEvent } = task;
  const begunAt = performance.now();
  onEvent({ kind: 'blob_begun', reference: name, digest: blob.digest, bytes: blob.sizeBytes });
  const how = await fetchBlob(task, method, parts, signal);
  const seconds = (performance.now() - begunAt) / 1000;
  onEvent({ kind: 'blob_warm', reference: name, digest: blob.digest, bytes: blob.sizeBytes, seconds, how });
}

async function fetchBlob(
  task: BlobTask,
  method: Exclude<WarmMethod, 'manifest'>,
  parts: BlobParts,
  signal: AbortSignal,
): Promise<'touched' | 'read' | 'fetched'> {
  const { name, blob, reference, credentials, onEvent } = task;
  // It may have waited long for its turn.
  if (await isLocal(task, parts, signal)) return 'fetched';
  if (method === 'abort') {
    if (await becomesLocalByTouch(task, parts, signal)) return 'touched';
    const message = `${blob.digest} of ${name} did not get local in time: it is read through, which the upstream sends twice`;
    parts.log.warn({ image: name, blob: blob.digest }, message);
    onEvent({ kind: 'fallback', reference: name, message });
  }
  await parts.source.discardBlob(reference, blob, credentials, signal, (bytes) =>
    onEvent({ kind: 'blob_read', reference: name, digest: blob.digest, bytes }),
  );
  const until = performance.now() + toPatienceMs(blob.sizeBytes, parts.deadlineMs());
  if (await becomesLocal(task, () => performance.now() < until, parts, signal)) return 'read';
  throw new Failure('upstream', `Harbor does not keep ${blob.digest}, although it was read`);
}

/** An answer that broke off, or a Harbor that was restarted meanwhile: the second time asks for what the first did not bring. */
async function becomesLocalByTouch(task: BlobTask, parts: BlobParts, signal: AbortSignal): Promise<boolean> {
  const { name, blob, reference } = task;
  const { fills, log } = parts;
  const isUnderWay = () => fills.isUnderWay(reference, blob.digest);
  for (;;) {
    if (!isUnderWay()) {
      if (fills.touches(reference, blob.digest) >= mostTouches) break;
      const times = fills.begin(reference, blob.digest, blob.sizeBytes, parts.deadlineMs());
      if (times > 1) log.info({ image: name, blob: blob.digest }, 'a blob did not get local: Harbor is asked again');
      await touch(task, parts, signal);
    }
    if (await becomesLocal(task, isUnderWay, parts, signal)) return true;
  }
  fills.forget(reference, blob.digest);
  return false;
}

async function touch({ reference, blob, credentials }: BlobTask, parts: BlobParts, signal: AbortSignal): Promise<void> {
  try {
    const { headersMs } = await parts.source.touchBlob(reference, blob.digest, credentials, signal);
    if (headersMs > lateHeadersMs) parts.onLateHeaders(reference.registry, headersMs);
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    // Harbor may be at it all the same: what counts is whether the blob gets local.
    if (failure.code === 'timeout') return parts.onLateHeaders(reference.registry, lateHeadersMs);
    parts.fills.forget(reference, blob.digest);
    throw toBlobFailure(failure);
  }
}

/** A manifest that Harbor gave out names it: where it is not found, the upstream is in trouble (404 `BLOB_UNKNOWN` in Harbor 2.15.2). */
function toBlobFailure(failure: Failure): Failure {
  if (failure.code !== 'not_found') return failure;
  return new Failure('upstream', failure.message, { detail: 'upstream_unhealthy', cause: failure });
}

async function becomesLocal(
  task: BlobTask,
  mayStillCome: () => boolean,
  parts: BlobParts,
  signal: AbortSignal,
): Promise<boolean> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * pauseGrowth)) {
    if (await isLocal(task, parts, signal)) return true;
    if (!mayStillCome()) return false;
    await sleep((0.8 + 0.4 * parts.random()) * pauseMs, signal);
    signal.throwIfAborted();
  }
}

async function isLocal(
  { reference, blob, credentials }: BlobTask,
  { source, fills }: BlobParts,
  signal: AbortSignal,
): Promise<boolean> {
  const isHeld = await source.hasBlob(reference, blob.digest, credentials, signal);
  if (isHeld) fills.end(reference, blob.digest);
  return isHeld;
}
