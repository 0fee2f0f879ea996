import { backoffMs } from '../core/backoff.ts';
import type { WantedImage } from '../core/demand.ts';
import type { Failure } from '../core/failure.ts';
import type { Resolutions } from '../core/resolution.ts';
import type { Random } from './parts.ts';

type Wanted = Pick<WantedImage, 'platforms' | 'credentials' | 'everyMs'>;

interface Done {
  /** When it was asked for, and when it is to be asked for again; monotonic ms. */
  readonly at: number;
  readonly nextAt: number;
  readonly everyMs: number;
  readonly failures: number;
  /** What was asked for; undefined: somebody else asked. */
  readonly asked: string | undefined;
}

/** What fails is not asked for more often than this, however many images fail with it. */
const failedAtLeastMs = 30_000;
/** What is due so soon is asked in the same round. */
const togetherRatio = 0.05;
const togetherMs = 30_000;

/** When each image and pattern is to be asked for again. */
export class DueBook {
  readonly #random: Random;
  readonly #done = new Map<string, Done>();
  /** One for all that is asked in a round: what was asked together stays together. */
  #factor = 1;
  #assumedAt: number | undefined;
  #assumed: Resolutions | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  assume(before: Resolutions, at: number): void {
    this.#assumed = before;
    this.#assumedAt = at;
  }

  /** A round begins. */
  begin(): void {
    // A little earlier than asked for: leaders of several clusters do not get into step.
    this.#factor = 0.95 + 0.05 * this.#random();
  }

  isDue(name: string, wanted: Wanted): boolean {
    const done = this.#doneOf(name, wanted);
    if (done === undefined || (done.asked !== undefined && done.asked !== toKey(wanted))) return true;
    const earlierMs = done.failures > 0 ? 0 : Math.min(togetherMs, togetherRatio * wanted.everyMs);
    return performance.now() >= done.nextAt - earlierMs;
  }

  /** @param failure undefined: it worked. @param withinMs what is about to change is asked for again so soon */
  done(name: string, wanted: Wanted, failure: Failure | undefined, withinMs = Number.POSITIVE_INFINITY): void {
    const failures = failure === undefined ? 0 : (this.#done.get(name)?.failures ?? 0) + 1;
    const { everyMs } = wanted;
    const usualMs = Math.min(everyMs, Math.max(failedAtLeastMs, withinMs)) * this.#factor;
    const waitMs =
      failure === undefined
        ? usualMs
        : Math.min(usualMs, Math.max(failedAtLeastMs, backoffMs(failure, failures, this.#random())));
    const at = performance.now();
    this.#done.set(name, { at, nextAt: at + waitMs, everyMs, failures, asked: toKey(wanted) });
  }

  /** The first of all, monotonic ms; `Infinity`: there is none. */
  get nextAt(): number {
    return Math.min(...[...this.#done.values()].map(({ nextAt }) => nextAt));
  }

  retain(names: ReadonlySet<string>): void {
    for (const name of this.#done.keys()) if (!names.has(name)) this.#done.delete(name);
    this.#assumed = undefined;
  }

  /** What somebody else asked for counts once, for what it found whole. */
  #doneOf(name: string, wanted: Wanted): Done | undefined {
    const done = this.#done.get(name);
    if (done !== undefined) return this.#retimed(name, done, wanted);
    if (this.#assumed === undefined || this.#assumedAt === undefined) return undefined;
    const image = this.#assumed.images.get(name);
    const pattern = this.#assumed.patterns.get(name);
    const isWhole =
      image !== undefined &&
      image.failure === undefined &&
      wanted.platforms.every((platform) => image.platforms.some((one) => one.platform === platform));
    if (!isWhole && (pattern === undefined || pattern.failure !== undefined)) return undefined;
    const { everyMs } = wanted;
    const at = this.#assumedAt;
    const assumed = { at, nextAt: at + everyMs, everyMs, failures: 0, asked: undefined };
    this.#done.set(name, assumed);
    return assumed;
  }

  /** A configuration that asks for it more often, or more seldom, counts from when it was asked for last. */
  #retimed(name: string, done: Done, { everyMs }: Wanted): Done {
    if (done.everyMs === everyMs) return done;
    const usualAt = done.at + everyMs * this.#factor;
    // What failed, or is about to change, keeps its own earlier time.
    const isSooner = done.nextAt < done.at + 0.9 * done.everyMs;
    const retimed = { ...done, everyMs, nextAt: isSooner ? Math.min(done.nextAt, usualAt) : usualAt };
    this.#done.set(name, retimed);
    return retimed;
  }
}

function toKey({ platforms, credentials }: Wanted): string {
  return JSON.stringify([platforms, credentials]);
}
