import type { Configuration } from '../core/configuration.ts';
import { Failure } from '../core/failure.ts';
import { noResolutions, type Resolutions } from '../core/resolution.ts';
import { sleep } from '../core/sleep.ts';
import type { Harbor } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { HarborRecorder } from '../work/harbor-recorder.ts';
import { HarborWatch } from './harbor-watch.ts';
import { KeepAlive, type RetentionRisk } from './keep-alive.ts';
import type { CredentialsFor, Random } from './parts.ts';
import { ProjectBook } from './project-book.ts';
import type { Publication } from './publication.ts';
import { PublishedRounds } from './published-rounds.ts';
import { Resolver } from './resolver.ts';
import { countRound, withoutWarming } from './round-result.ts';
import { nodesEveryMs, Wanted, type WantedParts } from './wanted.ts';
import { WarmLoop } from './warm-loop.ts';
import { Warmer } from './warmer.ts';

export type { RetentionRisk } from './keep-alive.ts';

export interface CoordinatorParts extends WantedParts {
  /** With short time-outs of its own: an upstream that hangs blocks look-ups by tag for minutes. */
  readonly source: ImageSource;
  /** For blobs, whose headers and bodies may take their time. */
  readonly blobs: Pick<ImageSource, 'headManifest' | 'readImage' | 'hasBlob' | 'touchBlob' | 'discardBlob'>;
  readonly harbor: Harbor;
  readonly credentialsFor: CredentialsFor;
  readonly publication: Publication;
  /** When somebody published a round last, epoch ms: `Election.resolvedAt`. */
  readonly resolvedAt: () => number | undefined;
  /** After each round that is published whole: `Election.roundDone`. Epoch ms. */
  readonly onRound: (at: number) => void;
  readonly recorder: HarborRecorder;
  readonly random?: Random;
}

const readAgainMs = 10_000;
const publishAgainMs = 30_000;
/** States of images that get warm come one by one. */
const publishDelayMs = 2_000;
/** Retention and quotas change by the day. */
const surveyEveryMs = 1_800_000;

/** What one agent does for all: resolves, publishes, warms, keeps alive, and looks how the Harbors are. */
export class Coordinator {
  readonly #parts: CoordinatorParts;
  readonly #projects: ProjectBook;
  readonly #warmer: Warmer;
  readonly #keepAlive: KeepAlive;
  readonly #watch: HarborWatch;
  readonly #wanted: Wanted;
  readonly #rounds: PublishedRounds;
  #ownResolver: Resolver | undefined;
  #configuration: Configuration | undefined;
  #risks: readonly RetentionRisk[] = [];
  #surveyAt = Number.NEGATIVE_INFINITY;
  #roundAt = Number.NEGATIVE_INFINITY;
  #publishAt = Number.POSITIVE_INFINITY;
  #wake = new AbortController();

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    const { source, blobs, harbor, credentialsFor, recorder, log, random = Math.random } = parts;
    const isHarbor = (host: string) => this.#harborHosts.includes(host);
    this.#wanted = new Wanted(parts);
    this.#rounds = new PublishedRounds(parts);
    this.#projects = new ProjectBook({ harbor, credentialsFor });
    const settings = () => this.#configuration?.warm ?? disabledWarm;
    this.#warmer = new Warmer({ source: blobs, harbor, credentialsFor, settings, recorder, log, random });
    this.#keepAlive = new KeepAlive({ source, harbor, projects: this.#projects, isHarbor, recorder, log });
    this.#watch = new HarborWatch({ harbor, projects: this.#projects, recorder, log });
  }

  /** What is desired, and how; a change is worked on at once. */
  setConfiguration(configuration: Configuration | undefined): void {
    this.#configuration = configuration;
    this.#roundAt = Number.NEGATIVE_INFINITY;
    this.#surveyAt = Number.NEGATIVE_INFINITY;
    this.#wake.abort();
  }

  /** As found by the last look at retention rules; for plans. */
  get retentionRisks(): readonly RetentionRisk[] {
    return this.#risks;
  }

  /** Works for the cluster until the signal fires; what `Election` is handed. Without Kubernetes called once, for the one process. */
  async lead(signal: AbortSignal): Promise<void> {
    const { recorder, log, random = Math.random } = this.#parts;
    let current = await this.#readPublished(signal);
    const resolver = this.#createResolver(() => this.#configuration?.warm.enabled ?? false);
    const { resolvedAt } = this.#parts;
    const at = resolvedAt();
    if (at !== undefined) resolver.assume(current, Math.max(0, Date.now() - at));
    const warm = new WarmLoop({
      warmer: this.#warmer,
      checkEveryMs: () => this.#configuration?.coordinator.intervalMs ?? surveyEveryMs,
      onChange: () => this.#publishSoon(publishDelayMs),
      recorder,
      log,
      random,
    });
    this.#roundAt = Number.NEGATIVE_INFINITY;
    this.#rounds.begin();
    try {
      while (!signal.aborted) {
        const now = performance.now();
        const configuration = this.#configuration;
        if (configuration !== undefined && now >= this.#roundAt) {
          this.#roundAt = Number.POSITIVE_INFINITY;
          current = await this.#round(configuration, current, resolver, warm, signal);
          // A configuration that came meanwhile has set it, and is worked on at once.
          const untilMs = Math.min(resolver.nextDueAt - performance.now(), (0.9 + 0.1 * random()) * nodesEveryMs);
          this.#roundAt = Math.min(this.#roundAt, performance.now() + Math.max(1_000, untilMs));
        } else if (now >= this.#publishAt) {
          current = warm.overlay(current);
          await this.#publish(current, signal);
          warm.update(current, this.#wanted.demand(configuration, current), signal);
        }
        const untilMs = Math.min(this.#roundAt, this.#publishAt) - performance.now();
        const isIdle = this.#configuration === undefined;
        await this.#sleep(isIdle ? nodesEveryMs : Math.min(untilMs, nodesEveryMs), signal);
      }
    } finally {
      await warm.settled();
      // Whoever leads now counts them.
      recorder.warmImages(0, 0);
    }
  }

  /** One round for the own node alone, when nobody leads: nothing is published and nothing warmed. Rejects only with an abort. */
  async resolveForOwnNode(before: Resolutions, signal: AbortSignal): Promise<Resolutions> {
    const configuration = this.#configuration;
    if (configuration === undefined) return before;
    this.#ownResolver ??= this.#createResolver(() => false);
    const demand = this.#wanted.ownDemand(configuration);
    const startedAt = performance.now();
    const resolutions = withoutWarming(await this.#ownResolver.resolve(demand, before, signal));
    this.#record(resolutions, startedAt);
    return resolutions;
  }

  async #round(
    configuration: Configuration,
    before: Resolutions,
    resolver: Resolver,
    warm: WarmLoop,
    signal: AbortSignal,
  ): Promise<Resolutions> {
    const startedAt = performance.now();
    await this.#wanted.refresh(signal);
    const demand = this.#wanted.demand(configuration, before);
    const resolutions = warm.overlay(await resolver.resolve(demand, warm.overlay(before), signal));
    this.#rounds.found();
    await this.#publish(resolutions, signal);
    this.#record(resolutions, startedAt);
    // Also what is not warmed any more has to be ended.
    warm.update(resolutions, demand, signal);
    if (performance.now() >= this.#surveyAt) {
      this.#surveyAt = performance.now() + Math.min(surveyEveryMs, configuration.coordinator.intervalMs) - 1_000;
      await this.#watch.look(this.#harborHosts, resolutions, demand, signal);
      this.#risks = await this.#keepAlive.look(resolutions, demand, configuration.coordinator.keepAlive, signal);
    }
    return resolutions;
  }

  async #publish(resolutions: Resolutions, signal: AbortSignal): Promise<void> {
    this.#publishAt = Number.POSITIVE_INFINITY;
    const { publication, random = Math.random } = this.#parts;
    const isWhole = await publication.write(resolutions, signal);
    this.#rounds.attempted(isWhole, this.#configuration?.coordinator.intervalMs ?? surveyEveryMs);
    if (!isWhole) this.#publishSoon((0.75 + 0.5 * random()) * publishAgainMs);
  }

  #publishSoon(delayMs: number): void {
    this.#publishAt = Math.min(this.#publishAt, performance.now() + delayMs);
    this.#wake.abort();
  }

  /** Without knowing what was published, what was resolved before would be lost with the first answer that fails. */
  async #readPublished(signal: AbortSignal): Promise<Resolutions> {
    const { publication, log, random = Math.random } = this.#parts;
    let said = '';
    while (!signal.aborted) {
      try {
        return await publication.read(signal);
      } catch (error) {
        if (signal.aborted) break;
        const { code, message } = Failure.from(error);
        if (said !== message) log.warn({ code, error: message }, 'what was resolved before cannot be read');
        said = message;
        await sleep((0.5 + random()) * readAgainMs, signal);
      }
    }
    return noResolutions;
  }

  #record(resolutions: Resolutions, startedAt: number): void {
    const { images, patterns, failed, refused } = countRound(resolutions);
    this.#parts.recorder.resolved(images, patterns, failed, refused, (performance.now() - startedAt) / 1000);
  }

  get #harborHosts(): readonly string[] {
    return (this.#configuration?.registries ?? []).filter(({ harbor }) => harbor).map(({ host }) => host);
  }

  #createResolver(warms: () => boolean): Resolver {
    const { source, harbor, credentialsFor, log, random = Math.random } = this.#parts;
    const isHarbor = (host: string) => this.#harborHosts.includes(host);
    return new Resolver({ source, harbor, projects: this.#projects, credentialsFor, isHarbor, warms, log, random });
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(Math.ceil(ms), AbortSignal.any([signal, this.#wake.signal]));
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
  }
}

const disabledWarm = {
  enabled: false,
  method: 'abort',
  maxParallel: 1,
  maxPerMinute: undefined,
  deadlineMs: 0,
} as const;
