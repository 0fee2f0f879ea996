import { isDeepStrictEqual } from 'node:util';
import type { Desired, DesiredImage } from '../core/desired-images.ts';
import { isRuntimeUnavailable } from '../core/failure.ts';
import { toDueSince } from '../core/pull-due.ts';
import { type PullDecision, planPulls, type SlotState } from '../core/pull-planner.ts';
import type { ManifestSummary } from '../core/manifest.ts';
import type { PullRoundEvent } from '../core/pull-round.ts';
import { Backoffs } from './backoffs.ts';
import { ManifestBook } from './manifest-book.ts';
import type { Observation } from './observation.ts';
import { nextPulls, toLimits } from './pull-orders.ts';
import { RecentNames } from './recent-names.ts';
import { type PullOrder, type PullOutcome, Pulls } from './pulls.ts';
import type { Inputs, ReconcilerParts } from './reconciler-parts.ts';
import { SettledPulls } from './settled-pulls.ts';

interface DecideOptions {
  readonly reclaimableBytes?: number;
  /** In place of the slot as it is. */
  readonly slot?: SlotState;
}

/** Decides and carries out pulls: what is known of images to pull, what runs, and what failed and waits. */
export class PullRunner {
  readonly manifests: ManifestBook;
  readonly pulls: Pulls;
  readonly #ended = new RecentNames();
  readonly backoffs = new Backoffs();
  readonly #settled = new SettledPulls();
  readonly #parts: ReconcilerParts;
  #queuedAt = new Map<string, number>();
  #dueSince: ReadonlyMap<string, number> = new Map();

  constructor(parts: ReconcilerParts, onEvent: (event: PullRoundEvent) => void) {
    this.#parts = parts;
    const { registry, credentialsOf, recorder, log } = parts;
    this.manifests = new ManifestBook({ registry, credentialsOf, log, onAnswer: () => parts.trigger.fire() });
    this.pulls = new Pulls({
      credentialsOf,
      recorder,
      log,
      onEvent,
      onSettled: (order, outcome) => this.#onSettled(order, outcome),
    });
  }

  /**
   * Names that were being pulled at that moment of the monotonic clock or later, and ids of the images that these pulls bring. Docker
   * lists an image before its pull gives it a name.
   */
  pullingSince(at: number): ReadonlySet<string> {
    const running = [...this.pulls.running.values()].flatMap(({ image, manifest }) => toNames(image, manifest));
    return new Set([...running, ...this.#ended.since(at)]);
  }

  decide(
    { configuration, node }: Inputs,
    desired: Desired,
    { images, layers, filesystem }: Observation,
    { reclaimableBytes = 0, slot = this.#parts.slots?.slot ?? 'free' }: DecideOptions = {},
  ): PullDecision {
    this.manifests.expire();
    const gatedGoAt = this.#parts.gatedGoAt?.();
    // What a dry run lists does not run, and so needs no slot.
    const policySlot = configuration.prefetch.dryRun ? 'free' : slot;
    const idOf = (reference: string): string | undefined => images.find(({ tags }) => tags.includes(reference))?.id;
    return planPulls({
      now: Date.now(),
      desired: this.#settled.apply(desired.images, idOf),
      unselected: desired.unselected,
      images,
      layers,
      filesystem,
      reclaimableBytes,
      inFlight: this.pulls.running,
      manifests: this.manifests.knowledge,
      remoteDigests: this.manifests.remoteDigests,
      backoffs: this.backoffs.all,
      warmWaits: this.#parts.warmWaits?.(desired.images) ?? new Map(),
      dueSince: this.#dueSince,
      policy: { ...this.#parts.toPolicy(configuration, node), slot: policySlot, gatedGoAt },
    });
  }

  /** What pruning could free is asked only where something waits for the disk. */
  async decideWithRoom(
    inputs: Inputs,
    desired: Desired,
    observation: Observation,
    signal: AbortSignal,
    options: Pick<DecideOptions, 'slot'> = {},
  ): Promise<PullDecision> {
    const decision = this.decide(inputs, desired, observation, options);
    if (!decision.plan.waiting.some(({ reason }) => reason === 'disk')) return decision;
    const reclaimableBytes = await this.#parts.prune.reclaimableBytes(signal);
    return this.decide(inputs, desired, observation, { ...options, reclaimableBytes });
  }

  /** What registries said and refused does not count any more. */
  startAnew(): void {
    this.backoffs.endAll();
    this.manifests.forgetAll();
  }

  /** An edit elsewhere, by some other team perhaps, is no reason to ask every registry again from every node. */
  endWaitsOfChanged(before: Desired, after: Desired): void {
    const known = new Map(before.images.map((image) => [image.reference, image]));
    for (const image of after.images) {
      const earlier = known.get(image.reference);
      if (earlier === undefined || isDeepStrictEqual(toQuestion(earlier), toQuestion(image))) continue;
      this.backoffs.end(image.reference);
      this.manifests.forget(image.reference);
    }
  }

  /** Drops what nobody asks for any more. */
  retain(references: ReadonlySet<string>): void {
    this.backoffs.retain(references);
    this.manifests.retain(references);
    this.#settled.retain(references);
  }

  /** Somebody asks for a round now: neither failures nor the spread are waited for. */
  endWaits(references: Iterable<string>): void {
    this.backoffs.endAll();
    this.#dueSince = new Map([...references].map((reference) => [reference, Number.NEGATIVE_INFINITY]));
  }

  carryOut(
    { plan, lookUps, roomBytes, needsSlot }: PullDecision,
    { configuration, connected }: Inputs,
    desired: Desired,
    signal: AbortSignal,
  ): void {
    const { prune, slots } = this.#parts;
    const { dryRun } = configuration.prefetch;
    slots?.want(needsSlot && !dryRun);
    this.#dueSince = dryRun ? new Map() : toDueSince(plan, this.#dueSince);
    this.manifests.readManifests(lookUps.manifests, signal);
    this.manifests.checkDigests(lookUps.digests, signal);
    this.#queuedAt = new Map(plan.pulls.map(({ reference }) => [reference, this.#queuedAt.get(reference) ?? plan.at]));
    prune.makeRoom(dryRun ? 0 : roomBytes);
    if (dryRun || signal.aborted) return;
    const limits = toLimits(connected.info.capabilities, configuration.prefetch);
    for (const { image, missingBytes } of nextPulls(plan, desired.images)) {
      const manifest = this.manifests.manifestOf(image.reference);
      // The end of the removal brings the next look.
      if ([image.reference, image.pullReference].some((name) => prune.lock.blocks(name, manifest))) continue;
      const queuedAt = this.#queuedAt.get(image.reference) ?? plan.at;
      this.pulls.start({ image, runtime: connected.runtime, manifest, missingBytes, queuedAt, ...limits });
    }
  }

  #onSettled({ image, manifest, runtime }: PullOrder, outcome: PullOutcome): void {
    const { reference } = image;
    this.#ended.add(toNames(image, manifest));
    if (outcome.kind === 'pulled') {
      this.#ended.add([outcome.imageId]);
      this.#parts.usage.pulled(outcome.imageId);
      this.backoffs.succeeded(reference);
      this.#settled.pulled(image, outcome.imageId);
      this.manifests.pulled(image, manifest);
    } else if (outcome.kind === 'failed') {
      const { failure, credentials } = outcome;
      this.manifests.forget(reference);
      if (isRuntimeUnavailable(failure)) {
        this.#parts.onRuntimeLost(runtime, failure);
      } else {
        const retryInMs = Math.round(this.backoffs.failed(reference, failure, credentials, isGivenOut(image)));
        const { code, detail, message } = failure;
        this.#parts.log.warn({ image: reference, code, detail, error: message, retryInMs }, 'pull failed');
      }
    }
    this.#parts.trigger.fire();
  }
}

function toNames({ reference, pullReference }: DesiredImage, manifest: ManifestSummary | undefined): readonly string[] {
  return [reference, pullReference, ...(manifest === undefined ? [] : [manifest.imageId])];
}

/** Somebody resolves it for this node, and was not refused it. */
function isGivenOut({ isResolvable, resolved }: DesiredImage): boolean {
  return isResolvable && resolved?.child !== undefined && resolved.refusal === undefined;
}

/** What another answer, or another outcome, may follow from. The digest of an index behind a proxy cache says nothing. */
function toQuestion({ resolved, ...image }: DesiredImage) {
  if (resolved === undefined) return image;
  const { digest, child, isProxied, refusal } = resolved;
  return { ...image, digest: isProxied ? undefined : digest, child, refusal };
}
