import type { Credential } from '../core/credentials.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ManifestSummary } from '../core/manifest.ts';
import type { PullRoundEvent } from '../core/pull-round.ts';
import type { ExpectedBlob, PullProgress, Runtime } from '../runtime/runtime.ts';
import type { Recorder } from './recorder.ts';
import { Stall } from './stall.ts';

export interface PullOrder {
  readonly image: DesiredImage;
  readonly runtime: Runtime;
  readonly manifest: ManifestSummary | undefined;
  /** Compressed bytes that were missing when the pull was decided, and that no other pull was fetching. */
  readonly missingBytes: number | undefined;
  readonly queuedAt: number;
  /** The runtime declares `resume`: bytes of an aborted attempt are still there. */
  readonly resumes: boolean;
  /** Without a sign of progress for this long the pull is given up; undefined: the runtime shows no progress. */
  readonly stallTimeoutMs: number | undefined;
  /** Limit on the whole pull; undefined: none. */
  readonly pullTimeoutMs: number | undefined;
}

export type PullOutcome =
  | { readonly kind: 'pulled'; readonly imageId: string; readonly seconds: number; readonly bytes: number }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly credentials: readonly Credential[] }
  | { readonly kind: 'aborted' };

export interface RunningPull {
  readonly image: DesiredImage;
  readonly manifest: ManifestSummary | undefined;
  /** Bytes that this pull has fetched so far. */
  readonly downloadedBytes: number;
}

interface Entry {
  readonly order: PullOrder;
  readonly controller: AbortController;
  downloadedBytes: number;
  settled: Promise<void>;
}

export interface PullsParts {
  readonly credentialsOf: (image: DesiredImage) => Promise<readonly Credential[]>;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly onEvent: (event: PullRoundEvent) => void;
  readonly onSettled: (order: PullOrder, outcome: PullOutcome) => void;
}

/** The pulls that run: starts them, watches their progress, aborts them. What to pull is not decided here. */
export class Pulls {
  readonly #parts: PullsParts;
  readonly #running = new Map<string, Entry>();

  constructor(parts: PullsParts) {
    this.#parts = parts;
  }

  get running(): ReadonlyMap<string, RunningPull> {
    return new Map(
      [...this.#running].map(([reference, { order, downloadedBytes }]) => [
        reference,
        { image: order.image, manifest: order.manifest, downloadedBytes },
      ]),
    );
  }

  start(order: PullOrder): void {
    const { reference } = order.image;
    if (this.#running.has(reference)) return;
    const entry: Entry = { order, controller: new AbortController(), downloadedBytes: 0, settled: Promise.resolve() };
    this.#running.set(reference, entry);
    const totalBytes = order.manifest === undefined ? undefined : toTotalBytes(order.manifest);
    this.#parts.onEvent({ kind: 'started', reference, totalBytes });
    this.#parts.recorder.pullStarted((Date.now() - order.queuedAt) / 1000);
    const { imageSets, pullReference } = order.image;
    const as = pullReference === reference ? undefined : pullReference;
    this.#parts.log.info({ image: reference, as, imageSets, missingBytes: order.missingBytes }, 'pull started');
    entry.settled = this.#run(entry).then((outcome) => {
      this.#running.delete(reference);
      this.#parts.onSettled(order, outcome);
    });
  }

  /** Aborts what the predicate picks; the runtime stops soon after. */
  abort(picks: (image: DesiredImage) => boolean, why: string): void {
    for (const [reference, { order, controller }] of this.#running) {
      if (controller.signal.aborted || !picks(order.image)) continue;
      this.#parts.log.info({ image: reference, reason: why }, 'pull aborted');
      controller.abort(new DOMException(why, 'AbortError'));
    }
  }

  /** Resolves when none runs any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map(({ settled }) => settled));
  }

  async #run(entry: Entry): Promise<PullOutcome> {
    const { order, controller } = entry;
    const { image } = order;
    const startedAt = Date.now();
    let credentials: readonly Credential[] = [];
    try {
      credentials = await this.#parts.credentialsOf(image);
      const { imageId } = await this.#pullWithAny(entry, credentials);
      const seconds = (Date.now() - startedAt) / 1000;
      const bytes = entry.downloadedBytes;
      this.#parts.recorder.pullSucceeded(seconds, bytes === 0);
      this.#parts.onEvent({ kind: 'pulled', reference: image.reference, seconds, bytes });
      this.#parts.log.info({ image: image.reference, imageId, seconds, bytes }, 'pull done');
      return { kind: 'pulled', imageId, seconds, bytes };
    } catch (error) {
      if (controller.signal.aborted && !(error instanceof Failure && error.detail === 'stalled'))
        return { kind: 'aborted' };
      const failure = Failure.from(error);
      this.#parts.recorder.pullFailed(failure.code);
      const { code, message } = failure;
      this.#parts.onEvent({ kind: 'failed', reference: image.reference, code, message });
      return { kind: 'failed', failure, credentials };
    }
  }

  /** As the kubelet does: every matching credential in turn until one is accepted; anonymous only where none matches. */
  async #pullWithAny(entry: Entry, credentials: readonly Credential[]): Promise<{ imageId: string }> {
    let refused: Failure | undefined;
    for (const credential of credentials.length === 0 ? [undefined] : credentials) {
      try {
        return await this.#pull(entry, credential);
      } catch (error) {
        if (!(error instanceof Failure) || error.code !== 'auth') throw error;
        refused = error;
      }
    }
    throw refused ?? new Failure('other', 'no attempt was made');
  }

  async #pull(entry: Entry, credential: Credential | undefined): Promise<{ imageId: string }> {
    const { order, controller } = entry;
    const { reference, pullReference } = order.image;
    const expected = order.manifest === undefined ? undefined : toExpectedBlobs(order.manifest);
    const totalBytes = order.manifest === undefined ? undefined : toTotalBytes(order.manifest);
    // A runtime that resumes has more than whole blobs: its first report says what is here.
    let hereBefore =
      order.resumes || totalBytes === undefined || order.missingBytes === undefined
        ? undefined
        : totalBytes - order.missingBytes;
    using stall = new Stall(order.stallTimeoutMs, order.pullTimeoutMs);
    const onProgress = (progress: PullProgress): void => {
      stall.progressed();
      hereBefore ??= progress.downloadedBytes;
      // Layers that an earlier pull is fetching show here too; they are counted there.
      const fetchedHere = Math.min(
        progress.downloadedBytes - hereBefore,
        order.missingBytes ?? Number.POSITIVE_INFINITY,
      );
      const fetched = Math.max(entry.downloadedBytes, fetchedHere);
      if (fetched > entry.downloadedBytes) this.#parts.recorder.pulledBytes(fetched - entry.downloadedBytes);
      entry.downloadedBytes = fetched;
      const { downloadedBytes } = progress;
      this.#parts.onEvent({
        kind: 'progress',
        reference,
        downloadedBytes,
        totalBytes: progress.totalBytes ?? totalBytes,
      });
    };
    const signal = AbortSignal.any([controller.signal, stall.signal]);
    try {
      const request = { reference: pullReference, credential, expected, onProgress };
      const pulled = await order.runtime.pull(request, signal);
      if (pullReference !== reference) await order.runtime.addName(pullReference, reference, signal);
      return pulled;
    } catch (error) {
      if (stall.signal.aborted && !controller.signal.aborted) throw stall.signal.reason;
      throw error;
    }
  }
}

function toExpectedBlobs(manifest: ManifestSummary): ExpectedBlob[] {
  return [{ digest: manifest.imageId, sizeBytes: manifest.configBytes }, ...manifest.layers];
}

function toTotalBytes(manifest: ManifestSummary): number {
  return manifest.layers.reduce((sum, layer) => sum + layer.sizeBytes, manifest.configBytes);
}
