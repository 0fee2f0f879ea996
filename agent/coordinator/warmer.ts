import { backoffMs } from '../core/backoff.ts';
import type { WarmMethod, WarmSettings } from '../core/configuration.ts';
import { Failure } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import type { Logger } from '../core/logger.ts';
import { parsePlatform } from '../core/platform.ts';
import type { ResolvedFailure, ResolvedPlatform } from '../core/resolution.ts';
import { sleep } from '../core/sleep.ts';
import type { Harbor } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { HarborRecorder, WarmOutcome } from '../work/harbor-recorder.ts';
import { BlobFills } from './blob-fills.ts';
import { BlobQueue } from './blob-queue.ts';
import { findRefusal, isScanPending } from './child-policy.ts';
import { isChildLocal, readChild } from './child-warming.ts';
import { type ImageWarmingParts, warmImage } from './image-warming.ts';
import type { CredentialsFor, Random } from './parts.ts';
import { PausedDeadline } from './paused-deadline.ts';
import { Places } from './places.ts';
import { toPlatform } from './resolved-parts.ts';
import type { OnWarmEvent, WarmOrder, WarmResult } from './warm-events.ts';

export interface WarmerParts {
  readonly source: Pick<ImageSource, 'headManifest' | 'readImage' | 'hasBlob' | 'touchBlob' | 'discardBlob'>;
  readonly harbor: Pick<Harbor, 'readArtifact'>;
  readonly credentialsFor: CredentialsFor;
  readonly settings: () => WarmSettings;
  readonly recorder: Pick<HarborRecorder, 'warmed'>;
  readonly log: Logger;
  readonly random?: Random;
}

const shortestRetryMs = 5_000;

/** Makes Harbor hold images behind its proxy-cache projects before nodes ask for them: each blob is fetched from the upstream once. */
export class Warmer {
  readonly #parts: WarmerParts;
  readonly #random: Random;
  /** Images whose manifests are read and whose blobs are fetched. */
  readonly #turns: Places;
  readonly #queue: BlobQueue;
  readonly #fills = new BlobFills();
  /** Registries behind something that buffers whole bodies. */
  readonly #buffering = new Set<string>();

  constructor(parts: WarmerParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
    this.#turns = new Places(() => ({ maxParallel: parts.settings().maxParallel, maxPerMinute: undefined }));
    this.#queue = new BlobQueue(parts.settings);
  }

  /** Warms one image once its turn comes, trying again what passes by itself until the deadline, which counts from then. Never rejects. */
  async warm(order: WarmOrder, onEvent: OnWarmEvent, signal: AbortSignal): Promise<WarmResult> {
    const deadline = new PausedDeadline(this.#parts.settings().deadlineMs);
    const warmed = new Map<string, number>();
    const noting: OnWarmEvent = (event) => {
      if (event.kind === 'blob_warm') warmed.set(event.digest, event.bytes);
      onEvent(event);
    };
    let failure: Failure | undefined;
    deadline.run();
    try {
      failure = await this.#try(order, noting, deadline, AbortSignal.any([signal, deadline.signal]));
    } finally {
      deadline.pause();
    }
    const outcome = toOutcome(failure, signal.aborted, deadline.signal.aborted);
    const bytes = [...warmed.values()].reduce((sum, one) => sum + one, 0);
    const seconds = deadline.countedMs / 1000;
    this.#report(order, { outcome, bytes, seconds, failure }, onEvent);
    return { outcome, bytes, seconds, failure };
  }

  /** Whether Harbor holds a child and all its blobs; undefined: it may not be asked. @throws Failure */
  async isLocal(
    order: Pick<WarmOrder, 'reference' | 'credentials'>,
    child: { readonly platform: string; readonly digest: string },
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    const reference = parseReference(order.reference);
    const credentials = await this.#parts.credentialsFor(reference, order.credentials);
    return isChildLocal({ reference, credentials, ...child }, this.#parts.harbor, signal);
  }

  /** Why Harbor does not give out a child that it holds, by one HEAD; undefined: it does. @throws Failure */
  async findRefusal(
    order: Pick<WarmOrder, 'reference' | 'credentials'>,
    { digest }: { readonly digest: string },
    signal: AbortSignal,
  ): Promise<ResolvedFailure | undefined> {
    const reference = { ...parseReference(order.reference), tag: undefined, digest };
    const credentials = await this.#parts.credentialsFor(reference, order.credentials);
    return findRefusal(reference, credentials, this.#parts.source, signal);
  }

  /** What the manifest of a child that Harbor holds says; undefined: it has another platform. @throws Failure */
  async readSizes(
    order: Pick<WarmOrder, 'reference' | 'credentials'>,
    { platform, digest }: { readonly platform: string; readonly digest: string },
    signal: AbortSignal,
  ): Promise<Pick<ResolvedPlatform, 'imageId' | 'sizeBytes'> | undefined> {
    const reference = { ...parseReference(order.reference), tag: undefined, digest };
    const credentials = await this.#parts.credentialsFor(reference, order.credentials);
    const image = await this.#parts.source.readImage(reference, [parsePlatform(platform)], credentials, signal);
    const [found] = image.platforms.map((one) => toPlatform(one, () => 'warm'));
    return found === undefined ? undefined : { imageId: found.imageId, sizeBytes: found.sizeBytes };
  }

  /** Whether a child's scan is still to come, or runs; undefined: it may not be read. @throws Failure */
  async isScanPending(
    order: Pick<WarmOrder, 'reference' | 'credentials'>,
    { digest }: { readonly digest: string },
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    const reference = parseReference(order.reference);
    const credentials = await this.#parts.credentialsFor(reference, order.credentials);
    const artifact = await readChild({ reference, credentials, digest }, this.#parts.harbor, signal);
    if (artifact === 'unknown') return undefined;
    return artifact !== 'absent' && isScanPending(artifact.scan);
  }

  /** @returns why it is not warm, or undefined */
  async #try(
    order: WarmOrder,
    onEvent: OnWarmEvent,
    deadline: PausedDeadline,
    signal: AbortSignal,
  ): Promise<Failure | undefined> {
    const reference = parseReference(order.reference);
    let last: Failure | undefined;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        const credentials = await this.#parts.credentialsFor(reference, order.credentials);
        const parts = this.#imageParts(order, onEvent, deadline);
        await warmImage({ order, reference, credentials, onEvent }, parts, signal);
        return undefined;
      } catch (error) {
        if (signal.aborted) break;
        last = Failure.from(error);
        if (!last.retryable) return last;
        const waitMs = Math.max(shortestRetryMs, backoffMs(last, failures, this.#random()));
        onEvent({ kind: 'retry', reference: order.reference, message: last.message, waitMs });
        this.#parts.log.info({ image: order.reference, error: last.message, waitMs }, 'warming is tried again');
        await sleep(waitMs, signal);
      }
    }
    return last ?? new Failure('timeout', 'it took longer than warm.deadline');
  }

  #imageParts({ reference }: WarmOrder, onEvent: OnWarmEvent, deadline: PausedDeadline): ImageWarmingParts {
    const { source, harbor, log } = this.#parts;
    return {
      source,
      harbor,
      log,
      random: this.#random,
      inTurn: (work, end) => this.#inTurn(work, deadline, end),
      queue: this.#queue,
      fills: this.#fills,
      deadlineMs: () => this.#parts.settings().deadlineMs,
      methodOf: (host) => this.#methodOf(host),
      onLateHeaders: (host, headersMs) => {
        if (this.#buffering.has(host)) return;
        this.#buffering.add(host);
        const seconds = Math.round(headersMs / 1000);
        const message = `${host} gave a blob's headers after ${seconds} s, as a gateway does that reads whole bodies: from now on Harbor fetches by itself (warm.method manifest)`;
        log.warn({ registry: host, headersMs }, message);
        onEvent({ kind: 'fallback', reference, message });
      },
    };
  }

  async #inTurn<Result>(work: () => Promise<Result>, deadline: PausedDeadline, signal: AbortSignal): Promise<Result> {
    deadline.pause();
    const begin = () => {
      deadline.run();
      return work();
    };
    return this.#turns.run(0, begin, signal).finally(() => deadline.run());
  }

  #methodOf(host: string): WarmMethod {
    const { method } = this.#parts.settings();
    return method === 'abort' && this.#buffering.has(host) ? 'manifest' : method;
  }

  #report({ reference }: WarmOrder, result: WarmResult, onEvent: OnWarmEvent): void {
    const { recorder, log } = this.#parts;
    const { outcome, bytes, seconds, failure } = result;
    if (outcome === 'warm') {
      log.info({ image: reference, bytes, seconds }, 'image is warm');
      onEvent({ kind: 'image_warm', reference, bytes, seconds });
    } else {
      const message = failure?.message ?? 'it was not waited for';
      const fields = { image: reference, outcome, code: failure?.code, error: message };
      if (outcome === 'aborted') log.debug(fields, 'warming was ended');
      else log.warn(fields, 'image is not warm: nodes pull it all the same');
      onEvent({ kind: 'image_cold', reference, outcome, message });
    }
    recorder.warmed(outcome, bytes, seconds);
  }
}

function toOutcome(failure: Failure | undefined, isAborted: boolean, isOverdue: boolean): WarmOutcome {
  if (failure === undefined) return 'warm';
  if (isAborted) return 'aborted';
  return isOverdue ? 'given_up' : 'failed';
}
