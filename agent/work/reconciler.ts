import type { Configuration } from '../core/configuration.ts';
import type { Desired } from '../core/desired-images.ts';
import { Failure } from '../core/failure.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { toImageSetStates } from '../core/image-set-state.ts';
import { concernsPulls, toHolds } from '../core/node-holds.ts';
import type { NodeState } from '../core/node-state.ts';
import type { Resolutions } from '../core/resolution.ts';
import type { PullPlan } from '../core/pull-plan.ts';
import { changesPulling } from '../core/pull-policy.ts';
import type { PullDecision } from '../core/pull-planner.ts';
import type { PullRoundEvent, RoundOutcome } from '../core/pull-round.ts';
import type { Connected } from './runtime-connection.ts';
import { DesiredState } from './desired-state.ts';
import { HoldReport } from './hold-report.ts';
import { LookReport } from './look-report.ts';
import { type Observation, observe } from './observation.ts';
import { PartialPulls } from './partial-pulls.ts';
import { Presence } from './presence.ts';
import { PullRunner } from './pull-runner.ts';
import { abortUndesired } from './undesired-pulls.ts';
import type { Inputs, ReconcilerParts } from './reconciler-parts.ts';
import { Rounds } from './rounds.ts';
import { isRuntimeGone } from './runtime-presence.ts';

/** Looks at the whole state, plans, and carries the plan out. Every round starts from what is there, not from what was said. */
export class Reconciler {
  readonly #parts: ReconcilerParts;
  readonly #runner: PullRunner;
  readonly #presence = new Presence();
  readonly #partials = new PartialPulls();
  readonly #rounds = new Rounds();
  readonly #report: LookReport;
  readonly #holds: HoldReport;
  readonly #state: DesiredState;
  /** Ends a look whose inputs changed while it was waiting for the runtime. */
  #outdated = new AbortController();
  #lastDecision: PullDecision | undefined;
  /** Of the runtime that is connected. */
  #lastObservation: Observation | undefined;
  readonly #stopped = new AbortController();

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
    this.#report = new LookReport(parts.recorder, parts.log);
    this.#holds = new HoldReport(parts.recorder, parts.log);
    this.#state = new DesiredState(parts.platform);
    this.#runner = new PullRunner(parts, (event) => this.#rounds.emit(event));
  }

  /** Names that image sets ask for, and those by which their images are pulled. */
  get desiredNames(): ReadonlySet<string> {
    return this.#state.names;
  }

  get desired(): Desired {
    return this.#state.desired;
  }

  /** Names that were being pulled at that moment of the monotonic clock or later, and ids of the images that these pulls bring. */
  pullingSince(at: number): ReadonlySet<string> {
    return this.#runner.pullingSince(at);
  }

  /** Of the last look; undefined before the first. */
  get plan(): PullPlan | undefined {
    return this.#lastDecision?.plan;
  }

  /** The image filesystem as the last look saw it. */
  get lastFilesystem(): ImageFilesystem | undefined {
    return this.#lastObservation?.filesystem;
  }

  /** Some image was refused with the credentials that there were. */
  get waitsForCredentials(): boolean {
    return this.#runner.backoffs.holdRefusals;
  }

  setConfiguration(configuration: Configuration): void {
    const before = this.#state.configuration;
    this.#state.configuration = configuration;
    this.#parts.slots?.setLimit(configuration.prefetch.maxNodes);
    if (before === undefined || changesPulling(before, configuration)) this.#runner.startAnew();
    this.#onDesiredChange();
  }

  setNode(node: NodeState): void {
    const { node: before, configuration } = this.#state;
    this.#state.node = node;
    if (before !== undefined && configuration !== undefined && !concernsPulls(before, node, configuration.prefetch))
      return;
    this.#onDesiredChange();
  }

  /** What counts on this node of what was resolved. */
  setResolutions(resolutions: Resolutions): void {
    this.#state.resolutions = resolutions;
    this.#onDesiredChange();
  }

  /** Undefined: it is gone, and so is the connection over which pulls could be watched. */
  setRuntime(connected: Connected | undefined, lostBy?: Failure): void {
    this.#state.connected = connected;
    this.#lastObservation = undefined;
    this.#partials.forget();
    if (connected === undefined) {
      this.#runner.pulls.abort(() => true, 'the container runtime is gone');
      this.#parts.slots?.want(false);
    }
    if (lostBy !== undefined) this.#rounds.fail(lostBy);
    // What is pulled by which name depends on what the runtime can do.
    if (this.#state.inputs === undefined) this.#lookAgain();
    else this.#onDesiredChange();
  }

  /** Tries everything now, whatever waits for a backoff, and tells what happens until nothing more can be pulled. */
  pullRound(onEvent: (event: PullRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome> {
    this.#runner.endWaits(this.desiredNames);
    this.#parts.trigger.fire();
    return this.#rounds.follow(onEvent, signal);
  }

  /** Plans without carrying anything out: asks the registry what the plan depends on, and plans again with the answers. */
  async planOnly(signal: AbortSignal): Promise<PullPlan | undefined> {
    const inputs = this.#state.inputs;
    if (inputs === undefined) return undefined;
    const observation = await this.#observe(inputs, signal);
    const options = { slot: this.#parts.slots?.forecast ?? 'free' };
    const { lookUps } = this.#runner.decide(inputs, this.desired, observation, options);
    this.#runner.manifests.readManifests(lookUps.manifests, signal);
    this.#runner.manifests.checkDigests(lookUps.digests, signal);
    await this.#runner.manifests.settled(signal);
    return (await this.#runner.decideWithRoom(inputs, this.desired, observation, signal, options)).plan;
  }

  /** One look and what follows from it. Returns when to look again, epoch ms; undefined: when something changes. */
  async look(signal: AbortSignal): Promise<{ done: boolean; wakeAt: number | undefined }> {
    const inputs = this.#state.inputs;
    if (inputs === undefined) return { done: false, wakeAt: undefined };
    const { runtime } = inputs.connected;
    const look = this.#rounds.lookStarted();
    const outdated = new AbortController();
    this.#outdated = outdated;
    try {
      const either = AbortSignal.any([signal, outdated.signal]);
      const observation = await this.#observe(inputs, either);
      outdated.signal.throwIfAborted();
      this.#lastObservation = observation;
      this.#noteLost(observation);
      const decision = await this.#runner.decideWithRoom(inputs, this.desired, observation, either);
      outdated.signal.throwIfAborted();
      this.#lastDecision = decision;
      this.#runner.carryOut(decision, inputs, this.desired, signal);
      this.#report.write({
        plan: decision.plan,
        running: new Set(this.#runner.pulls.running.keys()),
        imageSets: this.#presence.countSets(this.desired, decision.plan.at),
        configuration: inputs.configuration,
        filesystem: observation.filesystem,
      });
      const { all: failures } = this.#runner.backoffs;
      const sets = toImageSetStates(this.desired, decision.plan, observation.wholeNames, failures);
      this.#parts.onLooked?.({ sets, plan: decision.plan });
      await this.#partials.discard(decision.plan, this.desired.images, runtime, signal);
      await this.#keepPins(inputs, observation, signal);
      const startsNone =
        (!decision.needsSlot || inputs.configuration.prefetch.dryRun) && !this.#parts.prune.isMakingRoom;
      if (startsNone && this.#runner.pulls.running.size === 0 && !this.#runner.manifests.isAsking)
        this.#rounds.answer(look, decision.plan);
      return { done: true, wakeAt: decision.wakeAt };
    } catch (error) {
      if (signal.aborted || outdated.signal.aborted) return { done: false, wakeAt: undefined };
      const failure = Failure.from(error);
      // Nobody knows when the next look succeeds: a slot is not kept for that.
      if (this.#runner.pulls.running.size === 0) this.#parts.slots?.want(false);
      if (await isRuntimeGone(failure, runtime, signal)) this.#parts.onRuntimeLost(runtime, failure);
      else this.#parts.log.error({ code: failure.code, error: failure.message }, 'look failed');
      return { done: false, wakeAt: Date.now() + 10_000 };
    }
  }

  async checkCredentials(): Promise<void> {
    const { credentialsOf, trigger } = this.#parts;
    if (await this.#runner.backoffs.endForNewCredentials(this.desired.images, credentialsOf)) trigger.fire();
  }

  /** Aborts every pull and resolves when the last has stopped. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#runner.pulls.abort(() => true, 'the agent stops');
    await this.#runner.pulls.settled();
  }

  /** Acts at once, before any look: what nobody wants any more stops within the second, also when the runtime is slow. */
  #onDesiredChange(): void {
    const { configuration, node, desired: before } = this.#state;
    if (configuration === undefined || node === undefined) return;
    this.#state.update(configuration, node);
    this.#runner.endWaitsOfChanged(before, this.desired);
    this.#parts.prune.lock.keep(this.desiredNames);
    const policy = this.#parts.toPolicy(configuration, node);
    const wanted = abortUndesired(this.#runner.pulls, this.desired, configuration.prefetch, policy);
    this.#holds.write(toHolds(node, configuration.prefetch));
    this.#runner.retain(wanted);
    this.#askAhead();
    this.#lookAgain();
  }

  /** A look at a full node takes a while: what it will ask of the registry is asked now, as far as the last one tells. */
  #askAhead(): void {
    const inputs = this.#state.inputs;
    if (inputs === undefined || this.#lastObservation === undefined) return;
    const { lookUps } = this.#runner.decide(inputs, this.desired, this.#lastObservation);
    this.#runner.manifests.readManifests(lookUps.manifests, this.#stopped.signal);
  }

  #lookAgain(): void {
    this.#outdated.abort();
    this.#parts.onOutdated?.();
    this.#parts.trigger.fire();
  }

  async #observe({ connected }: Inputs, signal: AbortSignal): Promise<Observation> {
    const { runtime, info } = connected;
    const { prune, readFilesystem } = this.#parts;
    const startedAt = performance.now();
    const observed = await observe(runtime, this.desired.images, () => readFilesystem(info), signal);
    // Begun before the image became desired: it counts as here once the removal is over and it is still here.
    const wholeNames = observed.wholeNames.difference(prune.lock.namesSince(startedAt));
    return { ...observed, wholeNames };
  }

  #noteLost(observation: Observation): void {
    this.#parts.usage.observe(observation.images, observation.containers);
    const lost = this.#presence.update(this.desired, observation.wholeNames);
    for (const reference of lost) {
      this.#parts.recorder.imagesLost(1);
      this.#runner.backoffs.vanished(reference);
      this.#parts.log.warn({ image: reference }, 'a desired image vanished without us');
    }
    if (lost.length > 0) this.#parts.announce?.({ kind: 'images_lost', references: lost });
  }

  async #keepPins({ configuration, connected }: Inputs, { images, filesystem }: Observation, signal: AbortSignal) {
    const { dryRun, pinBudget: budget } = configuration.prefetch;
    const desired = this.desired.images;
    if (!dryRun) await this.#parts.pins.keep({ connected, desired, images, filesystem, budget }, signal);
  }
}
