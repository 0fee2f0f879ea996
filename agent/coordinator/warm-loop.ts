import type { Demand } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ResolvedFailure, ResolvedImage, ResolvedPlatform, Resolutions, WarmState } from '../core/resolution.ts';
import type { HarborRecorder } from '../work/harbor-recorder.ts';
import { eachBounded } from './bounded.ts';
import { type ChildAnswer, childKey, findRefused, withAnswers } from './child-answers.ts';
import type { Random } from './parts.ts';
import { ScanWatch } from './scan-watch.ts';
import type { WarmOrder } from './warm-events.ts';
import type { Warmer } from './warmer.ts';

export interface WarmLoopParts {
  readonly warmer: Pick<Warmer, 'warm' | 'isLocal' | 'findRefusal' | 'readSizes' | 'isScanPending'>;
  /** How often images that are warm are looked after, ms. */
  readonly checkEveryMs: () => number;
  /** Some image got warm, or cold. */
  readonly onChange: () => void;
  readonly recorder: Pick<HarborRecorder, 'warmImages'>;
  readonly log: Logger;
  readonly random?: Random;
}

interface Known {
  state: WarmState;
  /** It was given up, an interval ago: warmed once more, while nobody waits for it. */
  isTriedAgain: boolean;
  /** Monotonic ms. */
  checkAt: number;
}

const checksAtOnce = 2;

/** Which images behind proxy-cache projects are warm: warms what is cold, and seldom looks whether what was warm still is. */
export class WarmLoop {
  readonly #parts: WarmLoopParts;
  readonly #random: Random;
  /** By repository and child digest. */
  readonly #known = new Map<string, Known>();
  /** By reference, with the children that are meant. */
  readonly #running = new Map<string, { readonly meant: string; readonly end: AbortController }>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #scans: ScanWatch;
  /** What Harbor said last of manifests that it holds, until the records have it: the rounds ask for themselves. By repository and child digest. */
  readonly #answers = new Map<string, ChildAnswer>();

  constructor(parts: WarmLoopParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
    const onAnswer = (key: string, refusal: ResolvedFailure | undefined) => {
      this.#answers.set(key, { refusal });
      parts.onChange();
    };
    this.#scans = new ScanWatch({ warmer: parts.warmer, onAnswer, random: this.#random });
  }

  /** What was resolved, with the states as they are now. Its result has to be kept: it takes up answers, each once. */
  overlay(resolutions: Resolutions): Resolutions {
    const images = new Map<string, ResolvedImage>();
    for (const [reference, image] of resolutions.images) {
      images.set(reference, image.isProxied ? this.#stated(image) : image);
    }
    this.#answers.clear();
    return { ...resolutions, images };
  }

  /** After each round: begins what is cold, ends what is no longer meant. Nothing of it outlives the signal. */
  update(resolutions: Resolutions, demand: Demand, signal: AbortSignal): void {
    const credentials = new Map(demand.images.map((image) => [image.reference, image.credentials]));
    for (const { key, credentials: sources } of demand.patterns) {
      for (const reference of resolutions.patterns.get(key)?.members ?? []) {
        credentials.set(reference, credentials.get(reference) ?? sources);
      }
    }
    const orders = new Map<string, WarmOrder>();
    const names = new Set<string>();
    for (const image of resolutions.images.values()) {
      for (const child of this.#warmable(image)) {
        names.add(childKey(image, child));
        this.#note(image, child);
      }
      const cold = this.#warmable(image).filter((child) => this.#isToWarm(this.#known.get(childKey(image, child))));
      if (cold.length === 0) continue;
      const { reference } = image;
      const order = { reference, platforms: cold.map(({ platform }) => platform), children: toChildren(cold) };
      orders.set(reference, { ...order, credentials: credentials.get(reference) ?? [] });
    }
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    for (const [reference, { meant, end }] of this.#running) {
      if (toMeant(orders.get(reference)) !== meant) end.abort();
    }
    for (const order of orders.values()) this.#begin(order, signal);
    this.#count(resolutions);
    this.#scans.update(findRefused(resolutions, credentials), signal);
    this.#keep(this.#check(resolutions, credentials, signal));
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    await this.#scans.settled();
  }

  #stated(image: ResolvedImage): ResolvedImage {
    const platforms = image.platforms.map((child) => {
      const state = this.#known.get(childKey(image, child))?.state;
      return state === undefined || child.warm === 'unneeded' ? child : { ...child, warm: state };
    });
    return withAnswers({ ...image, platforms }, this.#answers);
  }

  #warmable({ isProxied, refusal, platforms }: ResolvedImage): readonly ResolvedPlatform[] {
    if (!isProxied || refusal !== undefined) return [];
    return platforms.filter((child) => child.refusal === undefined && child.warm !== 'unneeded');
  }

  #isToWarm(known: Known | undefined): boolean {
    return known !== undefined && (known.state === 'cold' || known.isTriedAgain);
  }

  #note(image: ResolvedImage, child: ResolvedPlatform): void {
    const key = childKey(image, child);
    if (this.#known.has(key)) return;
    this.#known.set(key, { state: child.warm, isTriedAgain: false, checkAt: this.#nextCheckAt() });
  }

  #nextCheckAt(): number {
    return performance.now() + (0.75 + 0.25 * this.#random()) * this.#parts.checkEveryMs();
  }

  #begin(order: WarmOrder, signal: AbortSignal): void {
    const meant = toMeant(order);
    const running = this.#running.get(order.reference);
    if (running !== undefined && !running.end.signal.aborted) return;
    const run = { meant, end: new AbortController() };
    this.#running.set(order.reference, run);
    this.#keep(this.#warm(order, run.end, signal));
  }

  async #warm(order: WarmOrder, end: AbortController, signal: AbortSignal): Promise<void> {
    const onEvent = () => undefined;
    const either = AbortSignal.any([signal, end.signal]);
    const { outcome } = await this.#parts.warmer.warm(order, onEvent, either);
    // Nodes come as soon as it is published as warm; what they would be refused is to be known then.
    const answers = outcome === 'warm' ? await this.#askAll(order, either) : [];
    if (this.#running.get(order.reference)?.end === end) this.#running.delete(order.reference);
    if (outcome === 'aborted' || either.aborted) return;
    for (const [key, answer] of answers) this.#answers.set(key, answer);
    for (const digest of order.children?.values() ?? []) {
      const known = this.#known.get(childKey(order, { digest }));
      if (known === undefined) continue;
      known.state = outcome === 'warm' ? 'warm' : 'given_up';
      known.isTriedAgain = false;
      known.checkAt = this.#nextCheckAt();
    }
    this.#parts.onChange();
  }

  async #askAll(order: WarmOrder, signal: AbortSignal): Promise<(readonly [string, ChildAnswer])[]> {
    const answers: (readonly [string, ChildAnswer])[] = [];
    for (const [platform, digest] of order.children ?? []) {
      const answer = await this.#findAnswer(order, { platform, digest }, signal);
      if (answer !== undefined) answers.push([childKey(order, { digest }), answer]);
    }
    return answers;
  }

  /** Why Harbor does not give out what it holds, or what that is; undefined: neither can be told. Never rejects. */
  async #findAnswer(
    order: Pick<WarmOrder, 'reference' | 'credentials'>,
    child: Pick<ResolvedPlatform, 'platform' | 'digest'>,
    signal: AbortSignal,
  ): Promise<ChildAnswer | undefined> {
    try {
      const refusal = await this.#parts.warmer.findRefusal(order, child, signal);
      if (refusal !== undefined) return { refusal };
      // Its record may be blank so far: to ask for the manifest of what is cold would make Harbor fetch it.
      return { refusal, read: await this.#parts.warmer.readSizes(order, child, signal) };
    } catch (error) {
      if (signal.aborted) return undefined;
      const { code, message } = Failure.from(error);
      const fields = { image: order.reference, code, error: message };
      this.#parts.log.debug(fields, 'whether Harbor gives it out could not be told');
      return undefined;
    }
  }

  /** Retention and garbage collection take back what was warm; nodes' own pulls warm what was given up. */
  async #check(
    resolutions: Resolutions,
    credentials: ReadonlyMap<string, WarmOrder['credentials']>,
    signal: AbortSignal,
  ): Promise<void> {
    const now = performance.now();
    const due = [...resolutions.images.values()].flatMap((image) =>
      this.#warmable(image).flatMap((child) => {
        const known = this.#known.get(childKey(image, child));
        if (known === undefined || known.state === 'cold' || known.checkAt > now) return [];
        known.checkAt = this.#nextCheckAt();
        return [{ image, child, known }];
      }),
    );
    let isChanged = false;
    await eachBounded(due, checksAtOnce, async ({ image: { reference }, child, known }) => {
      try {
        const order = { reference, credentials: credentials.get(reference) ?? [] };
        const isLocal = await this.#parts.warmer.isLocal(order, child, signal);
        if (isLocal === undefined) return;
        if (known.state === 'given_up' && !isLocal) known.isTriedAgain = true;
        else if (isLocal !== (known.state === 'warm')) {
          if (!isLocal) this.#parts.log.info({ image: reference, platform: child.platform }, 'image is no longer warm');
          const answer = isLocal ? await this.#findAnswer(order, child, signal) : undefined;
          if (answer !== undefined) this.#answers.set(childKey(order, child), answer);
          known.state = isLocal ? 'warm' : 'cold';
        } else return;
        isChanged = true;
      } catch (error) {
        if (signal.aborted) return;
        const { code, message } = Failure.from(error);
        this.#parts.log.debug({ image: reference, code, error: message }, 'whether it is warm could not be told');
      }
    });
    if (isChanged && !signal.aborted) this.#parts.onChange();
  }

  #count(resolutions: Resolutions): void {
    const states = [...resolutions.images.values()].map((image) =>
      this.#warmable(image).map((child) => this.#known.get(childKey(image, child))?.state),
    );
    const some = states.filter((children) => children.length > 0);
    const warm = some.filter((children) => children.every((state) => state === 'warm')).length;
    this.#parts.recorder.warmImages(warm, some.length - warm);
  }

  #keep(task: Promise<void>): void {
    const kept = task.finally(() => this.#tasks.delete(kept));
    this.#tasks.add(kept);
  }
}

function toChildren(children: readonly ResolvedPlatform[]): ReadonlyMap<string, string> {
  return new Map(children.map(({ platform, digest }) => [platform, digest]));
}

function toMeant(order: WarmOrder | undefined): string {
  return order?.children === undefined ? '' : JSON.stringify([...order.children]);
}
