import { isDeepStrictEqual } from 'node:util';
import type { ResolvedConfigMap } from '../cluster/cluster.ts';
import type { Configuration } from '../core/configuration.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import { Failure } from '../core/failure.ts';
import type { Labels } from '../core/label-selector.ts';
import type { Logger } from '../core/logger.ts';
import { mergeResolutions, toHarborHosts, toOwnResolutions, toSelectedSets } from '../core/own-resolutions.ts';
import type { WarmWait } from '../core/pull-planner.ts';
import { noResolutions, type Resolutions } from '../core/resolution.ts';
import { joinResolved, parseResolvedText, resolvedKey } from '../core/resolved-document.ts';
import { sleep } from '../core/sleep.ts';
import type { HarborRecorder } from './harbor-recorder.ts';
import { ResolutionsKeeper, type ResolutionsStore } from './resolutions-store.ts';
import { WarmWaits } from './warm-waits.ts';

/** Who resolves for all. */
export interface Leadership {
  /**
   * `led`: somebody does, perhaps this agent itself; `lost`: nobody, as far as is known; `alone`: nobody ever will; `off`: there is
   * nothing to resolve.
   */
  readonly state: 'led' | 'lost' | 'alone' | 'off';
  /** When it was last done, epoch ms by the leader's clock; undefined: not yet, as far as this agent knows. */
  readonly resolvedAt: number | undefined;
}

export interface NodeResolutionsParts {
  readonly leadership: () => Leadership;
  /** Resolves what the node's own sets ask for, without warming; `before` is what is known of it. */
  readonly resolve: (before: Resolutions, signal: AbortSignal) => Promise<Resolutions>;
  /** What counts on this node is another. */
  readonly onChange: (resolutions: Resolutions) => void;
  /** Somebody leads now, or nobody does any more: pulls wait for it, or do not. */
  readonly onLeadership: () => void;
  readonly recorder: Pick<HarborRecorder, 'resolvedAt'>;
  readonly log: Logger;
  /** 0 to 1. */
  readonly random?: () => number;
}

/** How often it is looked whether somebody leads. */
const tickMs = 5_000;
/** After the start nobody may be known to lead only because nobody has been asked yet. */
const startPatienceMs = 20_000;
/** Who leads and publishes nothing for so many intervals leads nobody. */
const staleIntervals = 3;
/** Nodes that know nothing at all spread their first own round over this, ms at most. */
const firstSpreadMs = 300_000;
/** One round for a node alone. */
const ownRoundLimitMs = 600_000;

/** What was resolved and counts on this node: what is published, in its absence what was, and in the end what the node finds out for itself. */
export class NodeResolutions {
  readonly #parts: NodeResolutionsParts;
  readonly #random: () => number;
  readonly #waits = new WarmWaits();
  /** From when it was asked who leads. */
  #startedAt: number | undefined;
  #keeper: ResolutionsKeeper | undefined;
  #configuration: Configuration | undefined;
  #labels: Labels | undefined;
  #published: readonly ResolvedConfigMap[] | Resolutions = noResolutions;
  /** What counts now, and what is gone back to for a record that is published no more. */
  #inForce: Resolutions = noResolutions;
  #told: Resolutions = noResolutions;
  #own:
    | { readonly resolutions: Resolutions; readonly at: number; readonly publishedAt: number | undefined }
    | undefined;
  #resolvedAt: number | undefined;
  #ledSince: number | undefined;
  #wasLed: boolean | undefined;
  /** When this node resolves for itself, epoch ms; undefined: not planned, as somebody leads. */
  #ownRoundAt: number | undefined;

  constructor(parts: NodeResolutionsParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
  }

  get resolutions(): Resolutions {
    return this.#inForce;
  }

  /** Who found out what counts, and when, epoch ms where it is known; undefined: nobody yet. */
  get origin(): { readonly by: 'coordinator' | 'self'; readonly at: number | undefined } | undefined {
    if (this.#own !== undefined) return { by: 'self', at: this.#own.at };
    const { images, patterns } = this.#inForce;
    if (this.#resolvedAt === undefined && images.size + patterns.size === 0) return undefined;
    return { by: 'coordinator', at: this.#resolvedAt };
  }

  /** What was kept of earlier times; what is known already comes before it. Never rejects. */
  async load(store: ResolutionsStore): Promise<void> {
    const keeper = new ResolutionsKeeper(store, this.#parts.log);
    const kept = await keeper.load();
    this.#keeper = keeper;
    this.#inForce = mergeResolutions(kept.resolutions, this.#inForce);
    this.#resolvedAt ??= kept.resolvedAt;
    this.#compute();
  }

  setConfiguration(configuration: Configuration): void {
    this.#configuration = configuration;
    this.#compute();
  }

  setLabels(labels: Labels): void {
    if (isDeepStrictEqual(labels, this.#labels)) return;
    this.#labels = labels;
    this.#compute();
  }

  /** Those of the ConfigMaps that are there, or what the coordinator in this very process found. */
  setPublished(published: readonly ResolvedConfigMap[] | Resolutions): void {
    this.#published = published;
    this.#compute();
  }

  /** Desired images that wait for the coordinator; to be asked at every look. */
  warmWaits(images: readonly DesiredImage[]): ReadonlyMap<string, WarmWait> {
    if (this.#configuration === undefined) return new Map();
    const { warm } = this.#configuration;
    this.#noteStart();
    const harborHosts = toHarborHosts(this.#configuration);
    return this.#waits.update(images, { harborHosts, warm, isLed: this.#isLed || this.#isStarting }, Date.now());
  }

  /** Looks who leads, and resolves for the node where nobody does, until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#look(signal);
      await sleep(tickMs, signal);
    }
  }

  /** Once, now; what fails is left as it was. */
  async resolveNow(signal: AbortSignal): Promise<void> {
    const { resolve, leadership, log } = this.#parts;
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(ownRoundLimitMs)]);
      const resolutions = await resolve(this.#inForce, limit);
      this.#own = { resolutions, at: Date.now(), publishedAt: leadership().resolvedAt };
      this.#compute();
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ error: Failure.from(error).message }, 'the node could not resolve its images for itself');
    }
  }

  /** What counts is on disk, or cannot be written, which has been said. */
  async flush(): Promise<void> {
    await this.#keeper?.flush();
  }

  /** Nobody may be known to lead only because nobody has been asked yet. */
  get #isStarting(): boolean {
    const sinceMs = performance.now() - (this.#startedAt ?? Number.NEGATIVE_INFINITY);
    return this.#parts.leadership().state === 'lost' && sinceMs < startPatienceMs;
  }

  /** Somebody leads, and publishes. */
  get #isLed(): boolean {
    const { state, resolvedAt } = this.#parts.leadership();
    if (state !== 'led') {
      this.#ledSince = undefined;
      return false;
    }
    this.#ledSince ??= performance.now();
    const limitMs = staleIntervals * this.#intervalMs;
    const isNew = performance.now() - this.#ledSince < limitMs;
    return isNew || (resolvedAt !== undefined && Date.now() - resolvedAt < limitMs);
  }

  get #intervalMs(): number {
    return this.#configuration?.coordinator.intervalMs ?? Number.POSITIVE_INFINITY;
  }

  #noteStart(): void {
    if (this.#parts.leadership().state === 'off') this.#startedAt = undefined;
    else this.#startedAt ??= performance.now();
  }

  async #look(signal: AbortSignal): Promise<void> {
    this.#noteStart();
    const isLed = this.#isLed;
    if (isLed !== this.#wasLed) this.#parts.onLeadership();
    this.#wasLed = isLed;
    if (isLed) this.#follow();
    else if (this.#startedAt === undefined) this.#ownRoundAt = undefined;
    else if (!this.#isStarting && this.#configuration !== undefined) await this.#goAlone(this.#configuration, signal);
  }

  #follow(): void {
    const { resolvedAt } = this.#parts.leadership();
    this.#ownRoundAt = undefined;
    if (this.#own !== undefined && resolvedAt !== this.#own.publishedAt) {
      this.#parts.log.info({}, 'what the coordinator publishes counts again');
      this.#own = undefined;
      this.#compute();
    }
    if (resolvedAt !== this.#resolvedAt) this.#tell();
  }

  async #goAlone({ coordinator }: Configuration, signal: AbortSignal): Promise<void> {
    const isAlone = this.#parts.leadership().state === 'alone';
    const now = Date.now();
    this.#ownRoundAt ??= isAlone ? now : now + this.#toFirstDelayMs(coordinator.intervalMs, now);
    if (now < this.#ownRoundAt) return;
    this.#ownRoundAt = now + coordinator.intervalMs * (0.9 + 0.2 * this.#random());
    if (!isAlone) this.#parts.log.warn({}, 'nobody coordinates: this node resolves for itself');
    await this.resolveNow(signal);
  }

  /** With full jitter: all nodes lose their coordinator at once. */
  #toFirstDelayMs(intervalMs: number, now: number): number {
    const { at } = this.origin ?? {};
    if (at === undefined) return this.#random() * Math.min(firstSpreadMs, intervalMs);
    return Math.max(0, at + intervalMs - now) + this.#random() * intervalMs;
  }

  #compute(): void {
    const [configuration, labels] = [this.#configuration, this.#labels];
    if (configuration === undefined || labels === undefined) return;
    const known = mergeResolutions(this.#inForce, toResolutions(this.#published));
    const all = mergeResolutions(known, this.#own?.resolutions ?? noResolutions);
    this.#inForce = toOwnResolutions(all, toSelectedSets(configuration, labels));
    this.#tell();
    if (isDeepStrictEqual(this.#told, this.#inForce)) return;
    this.#told = this.#inForce;
    this.#parts.onChange(this.#inForce);
  }

  #tell(): void {
    this.#resolvedAt = this.#parts.leadership().resolvedAt ?? this.#resolvedAt;
    const resolvedAt = this.origin?.at;
    this.#parts.recorder.resolvedAt(resolvedAt);
    this.#keeper?.keep({ resolutions: this.#inForce, resolvedAt }, this.#intervalMs);
  }
}

function toResolutions(published: readonly ResolvedConfigMap[] | Resolutions): Resolutions {
  if ('images' in published) return published;
  return joinResolved(published.map(({ data }) => parseResolvedText(data[resolvedKey])));
}
