import type { Demand, WantedImage, WantedPattern } from '../core/demand.ts';
import { Failure } from '../core/failure.ts';
import { parseReference, repositoryName } from '../core/image-reference.ts';
import type { Logger } from '../core/logger.ts';
import { checksContent } from '../core/repository-pattern.ts';
import type { ResolvedImage, ResolvedPattern, Resolutions } from '../core/resolution.ts';
import type { Harbor } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import { eachBounded } from './bounded.ts';
import { DueBook } from './due-book.ts';
import { type AnswerParts, ReadBook } from './image-question.ts';
import { resolveOrdinary } from './ordinary-image.ts';
import type { CredentialsFor, Random } from './parts.ts';
import { PatternResolver } from './pattern-resolver.ts';
import { PolicyBook } from './policy-book.ts';
import { type ProjectBook, projectOf } from './project-book.ts';
import { resolveProxied } from './proxied-image.ts';
import { unlessRefused } from './refused-image.ts';
import { toFailedImage } from './resolved-parts.ts';
import { Round } from './round.ts';

export interface ResolverParts {
  /** With short time-outs of its own: an upstream that hangs blocks look-ups by tag for minutes. */
  readonly source: Pick<ImageSource, 'headManifest' | 'readImage' | 'readChildren' | 'readSignatures'>;
  readonly harbor: Pick<Harbor, 'hasProject' | 'listRepositories' | 'listArtifacts' | 'readArtifact'>;
  readonly projects: ProjectBook;
  readonly credentialsFor: CredentialsFor;
  readonly isHarbor: (host: string) => boolean;
  /** Somebody warms what is behind proxy-cache projects. */
  readonly warms: () => boolean;
  readonly log: Logger;
  readonly random?: Random;
}

/** Questions at once, over all registries. */
const atOnce = 4;

/**
 * Finds out what references and patterns are now, each as often as its sets ask for, with as few requests as there are images: HEAD where nothing
 * changed. What fails stays as it was, with the reason; nothing is ever taken for gone because an answer is empty.
 */
export class Resolver {
  readonly #parts: ResolverParts;
  readonly #answers: AnswerParts;
  readonly #patterns: PatternResolver;
  readonly #due: DueBook;
  /** What has passed the rules of a pattern on its content, by reference. */
  readonly #passed = new Map<string, string>();

  constructor(parts: ResolverParts) {
    this.#parts = parts;
    const { source, harbor, warms, random = Math.random } = parts;
    this.#answers = { source, harbor, warms, policy: new PolicyBook(), read: new ReadBook() };
    this.#patterns = new PatternResolver(parts);
    this.#due = new DueBook(random);
  }

  /** What was resolved by somebody else so long ago is due again only when its own time is over. */
  assume(before: Resolutions, agoMs: number): void {
    this.#due.assume(before, performance.now() - agoMs);
  }

  /** When the first thing of the last demand is due, monotonic ms; `Infinity`: nothing ever. */
  get nextDueAt(): number {
    return this.#due.nextAt;
  }

  /** One round: asks after what is due, and gives everything that the demand names. Rejects only with an abort. */
  async resolve(demand: Demand, before: Resolutions, signal: AbortSignal): Promise<Resolutions> {
    const round = new Round(this.#parts.source);
    this.#parts.projects.forget();
    this.#due.begin();
    const patterns = new Map<string, ResolvedPattern>();
    const listed = new Map<string, string>();
    const pushedAt = new Map<string, number>();
    const wanted = new Map<string, WantedImage>(demand.images.map((image) => [image.reference, image]));
    const fresh = new Set<string>();
    const checked = new Set<string>();

    await eachBounded(demand.patterns, atOnce, async (pattern) => {
      let record = before.patterns.get(pattern.key);
      const checks = checksContent(pattern.pattern);
      const isKnown = record !== undefined && (!checks || this.#havePassed(record, before));
      if (record === undefined || !isKnown || this.#due.isDue(pattern.key, pattern)) {
        const found = await this.#patterns.resolve(pattern, before, round, signal);
        for (const [reference, digest] of found.digests) {
          listed.set(reference, digest);
          if (checks) this.#passed.set(reference, digest);
        }
        for (const [reference, at] of found.pushedAt) {
          pushedAt.set(reference, Math.min(at, pushedAt.get(reference) ?? at));
        }
        record = found.record;
        this.#due.done(pattern.key, pattern, record.failure && toFailure(record.failure));
        for (const reference of record.members) fresh.add(reference);
      }
      patterns.set(pattern.key, record);
      for (const reference of record.members) {
        wanted.set(reference, join(wanted.get(reference), reference, pattern));
        if (checks) checked.add(reference);
      }
    });

    const images = new Map<string, ResolvedImage>();
    await eachBounded([...wanted.values()], atOnce, async (image) => {
      const known = before.images.get(image.reference);
      const isDue = fresh.has(image.reference) || this.#due.isDue(image.reference, image);
      if (known !== undefined && !isDue) {
        images.set(image.reference, known);
        return;
      }
      // The tag itself may name by now what has passed no rule.
      const passed = checked.has(image.reference) ? (this.#passed.get(image.reference) ?? known?.digest) : undefined;
      const listedDigest = passed ?? listed.get(image.reference);
      const record = await this.#resolveImage(image, known, listedDigest, round, signal);
      // What is behind a proxy cache is looked after by whoever warms it.
      const soonMs = record.isProxied
        ? undefined
        : this.#answers.policy.askAgainInMs(repositoryName(parseReference(image.reference)));
      this.#due.done(image.reference, image, record.failure && toFailure(record.failure), soonMs);
      images.set(image.reference, withPushedAt(record, pushedAt.get(image.reference) ?? known?.pushedAt));
    });
    signal.throwIfAborted();
    const names = new Set([...images.keys(), ...patterns.keys()]);
    this.#due.retain(names);
    for (const reference of this.#passed.keys()) if (!checked.has(reference)) this.#passed.delete(reference);
    this.#answers.read.retain(names);
    return inOrder(images, patterns);
  }

  /** What was found of each member, or is to be looked for. */
  #havePassed({ members }: ResolvedPattern, { images }: Resolutions): boolean {
    return members.every((reference) => this.#passed.has(reference) || images.get(reference)?.digest !== undefined);
  }

  async #resolveImage(
    wanted: WantedImage,
    before: ResolvedImage | undefined,
    listedDigest: string | undefined,
    round: Round,
    signal: AbortSignal,
  ): Promise<ResolvedImage> {
    const { projects } = this.#parts;
    const reference = parseReference(wanted.reference);
    const isHarbor = this.#parts.isHarbor(reference.registry);
    let isProxied = before?.isProxied ?? false;
    try {
      signal.throwIfAborted();
      const login = await projects.loginFor(reference, wanted.credentials);
      if (isHarbor) {
        const known = await projects.list(login, signal);
        const project = known.ok ? known.byName.get(projectOf(reference.repository) ?? '') : undefined;
        if (project !== undefined) isProxied = project.upstreamId !== undefined;
        // Whether it is behind a proxy decides what counts as a change: without knowing, nothing is taken for one.
        else if (!known.ok && before?.digest === undefined) throw known.failure;
      }
      const question = { wanted, reference, login, before, listedDigest: isProxied ? undefined : listedDigest, round };
      const resolve = isProxied
        ? () => resolveProxied(question, this.#answers, signal)
        : (findings: { digest?: string }) => resolveOrdinary(question, isHarbor, this.#answers, findings, signal);
      return await unlessRefused(question, isProxied, this.#answers, resolve, signal);
    } catch (error) {
      signal.throwIfAborted();
      const failure = Failure.from(error);
      const { code, detail, message } = failure;
      const fields = { image: wanted.reference, code, detail, error: message };
      if (before?.failure?.message !== message) this.#parts.log.warn(fields, 'image not resolved');
      return toFailedImage(wanted.reference, before, isProxied, failure);
    }
  }
}

/** What a pattern asks of its member, beside what sets ask of the same image. */
function join(image: WantedImage | undefined, reference: string, pattern: WantedPattern): WantedImage {
  const { platforms, credentials, everyMs } = pattern;
  if (image === undefined) return { reference, platforms, credentials, everyMs };
  return {
    reference,
    platforms: [...new Set([...image.platforms, ...platforms])].toSorted(),
    credentials: [...new Set([...image.credentials, ...credentials])],
    everyMs: Math.min(image.everyMs, everyMs),
  };
}

/** Harbor's zero time is no time. */
function withPushedAt(image: ResolvedImage, pushedAt: number | undefined): ResolvedImage {
  return pushedAt === undefined || pushedAt < 0 ? image : { ...image, pushedAt };
}

function toFailure({ code, detail, message }: NonNullable<ResolvedImage['failure']>): Failure {
  return new Failure(code, message, { detail });
}

/** Whatever came first: the same answers give the same record. */
function inOrder(
  images: ReadonlyMap<string, ResolvedImage>,
  patterns: ReadonlyMap<string, ResolvedPattern>,
): Resolutions {
  const byKey = <Value>(map: ReadonlyMap<string, Value>) =>
    new Map([...map].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  return { images: byKey(images), patterns: byKey(patterns) };
}
