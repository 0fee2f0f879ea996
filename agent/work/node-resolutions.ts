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
import { ResolvedReader } from '../core/resolved-reader.ts';
import { sleep } from '../core/sleep.ts';
import type { HarborRecorder } from './harbor-recorder.ts';
import { LeaderWatch, type Leadership } from './leader-watch.ts';
import { ResolutionsKeeper, type ResolutionsStore } from './resolutions-store.ts';
import { WarmWaits } from './warm-waits.ts';

export type { Leadership } from './leader-watch.ts';

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
/** Nodes that know nothing at all spread their first own round over this, ms at most. */
const firstSpreadMs = 300_000;
/** One round for a node alone. */
const ownRoundLimitMs = 600_000;

interface Own {
  readonly resolutions: Resolutions;
  /** Epoch ms, for people. */
  readonly at: number;
  /** Monotonic ms. */
  readonly since: number;
  readonly publishedAt: number | undefined;
}

/** What was resolved and counts on this node: what is published, in its absence what was, and in the end what the node finds out for itself. */
export class NodeResolutions {
  readonly #parts: NodeResolutionsParts;
  readonly #random: () => number;
  readonly #leader: LeaderWatch;
  readonly #waits = new WarmWaits();
  #keeper: ResolutionsKeeper | undefined;
  #configuration: Configuration | undefined;
  #labels: Labels | undefined;
  readonly #reader = new ResolvedReader();
  #published: Resolutions = noResolutions;
  /** What counts now, and what is gone back to for a record that is published no more. */
  #inForce: Resolutions = noResolutions;
  #told: Resolutions = noResolutions;
  #own: Own | undefined;
  /** By the clock of whoever published it, epoch ms. */
  #resolvedAt: number | undefined;
  /** The same by this node's own clock, monotonic ms. */
  #since: number | undefined;
  #hasHeard = false;
  #wasLed: boolean | undefined;
  /** When this node resolves for itself, monotonic ms; undefined: not planned, as somebody leads. */
  #ownRoundAt: number | undefined;

  constructor(parts: NodeResolutionsParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
    this.#leader = new LeaderWatch(parts.leadership, () => this.#intervalMs);
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

  /** How long ago what counts was found out, ms; a time of another process by wall clocks, which may be off either way; undefined: nobody knows. */
  get ageMs(): number | undefined {
    const since = this.#own?.since ?? this.#since;
    return since === undefined ? undefined : performance.now() - since;
  }

  /** What was kept of earlier times; what is known already comes before it. Never rejects. */
  async load(store: ResolutionsStore): Promise<void> {
    const keeper = new ResolutionsKeeper(store, this.#parts.log);
    const kept = await keeper.load();
    this.#keeper = keeper;
    this.#inForce = mergeResolutions(kept.resolutions, this.#inForce);
    if (this.#resolvedAt === undefined && kept.resolvedAt !== undefined) this.#note(kept.resolvedAt);
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
    this.#published = 'images' in published ? published : this.#reader.read(published);
    this.#compute();
  }

  /** Desired images that wait for the coordinator; to be asked at every look. */
  warmWaits(images: readonly DesiredImage[]): ReadonlyMap<string, WarmWait> {
    if (this.#configuration === undefined) return new Map();
    const { warm } = this.#configuration;
    const led = this.#leader.look();
    const harborHosts = toHarborHosts(this.#configuration);
    return this.#waits.update(images, { harborHosts, warm, isLed: led === 'led' || led === 'starting' });
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
      const { resolvedAt: publishedAt } = leadership();
      this.#own = { resolutions, at: Date.now(), since: performance.now(), publishedAt };
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

  get #intervalMs(): number {
    return this.#configuration?.coordinator.intervalMs ?? Number.POSITIVE_INFINITY;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const led = this.#leader.look();
    const isLed = led === 'led';
    if (isLed !== this.#wasLed) this.#parts.onLeadership();
    this.#wasLed = isLed;
    if (this.#hear()) this.#tell();
    if (isLed) this.#follow();
    else if (led === 'off') this.#ownRoundAt = undefined;
    else if (led !== 'starting' && this.#configuration !== undefined) {
      await this.#goAlone(this.#configuration, led === 'alone', signal);
    }
  }

  #follow(): void {
    this.#ownRoundAt = undefined;
    if (this.#own === undefined || this.#parts.leadership().resolvedAt === this.#own.publishedAt) return;
    this.#parts.log.info({}, 'what the coordinator publishes counts again');
    this.#own = undefined;
    this.#compute();
  }

  async #goAlone({ coordinator }: Configuration, isAlone: boolean, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#ownRoundAt ??= isAlone ? now : now + this.#toFirstDelayMs(coordinator.intervalMs);
    if (now < this.#ownRoundAt) return;
    this.#ownRoundAt = now + coordinator.intervalMs * (0.9 + 0.2 * this.#random());
    if (!isAlone) this.#parts.log.warn({}, 'nobody coordinates: this node resolves for itself');
    await this.resolveNow(signal);
  }

  /** With full jitter: all nodes lose their coordinator at once. Two intervals at most. */
  #toFirstDelayMs(intervalMs: number): number {
    const { images, patterns } = this.#inForce;
    const { ageMs } = this;
    if (ageMs === undefined || images.size + patterns.size === 0) {
      return this.#random() * Math.min(firstSpreadMs, intervalMs);
    }
    return Math.max(0, intervalMs - ageMs) + this.#random() * intervalMs;
  }

  #compute(): void {
    const [configuration, labels] = [this.#configuration, this.#labels];
    if (configuration === undefined || labels === undefined) return;
    const known = mergeResolutions(this.#inForce, this.#published);
    const all = mergeResolutions(known, this.#own?.resolutions ?? noResolutions);
    this.#inForce = toOwnResolutions(all, toSelectedSets(configuration, labels));
    this.#tell();
    if (isDeepStrictEqual(this.#told, this.#inForce)) return;
    this.#told = this.#inForce;
    this.#parts.onChange(this.#inForce);
  }

  #tell(): void {
    this.#hear();
    const resolvedAt = this.origin?.at;
    this.#parts.recorder.resolvedAt(resolvedAt);
    this.#keeper?.keep({ resolutions: this.#inForce, resolvedAt }, this.#intervalMs);
  }

  /** Whether whoever leads told something new. */
  #hear(): boolean {
    const { resolvedAt } = this.#parts.leadership();
    if (resolvedAt === undefined) return false;
    const isNew = resolvedAt !== this.#resolvedAt;
    // What this agent hears first may be of any age; what changes before its eyes is new.
    if (isNew && this.#hasHeard) [this.#resolvedAt, this.#since] = [resolvedAt, performance.now()];
    else if (isNew) this.#note(resolvedAt);
    this.#hasHeard = true;
    return isNew;
  }

  /** A time in the future is off by as much as it is ahead: it is no reason to wait. */
  #note(resolvedAt: number): void {
    this.#resolvedAt = resolvedAt;
    this.#since = performance.now() - Math.abs(Date.now() - resolvedAt);
  }
}
