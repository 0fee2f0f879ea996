import { Failure } from '../core/failure.ts';
import { type ImageReference, parseReference, repositoryName } from '../core/image-reference.ts';
import { formatPlatform, parsePlatform } from '../core/platform.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import type { Harbor } from '../registry/harbor.ts';
import type { ImageSource, SourceChildren } from '../registry/image-source.ts';
import { eachBounded } from './bounded.ts';
import { type DryPlatform, lookAtPlatforms } from './dry-warming.ts';
import type { HandWarmOrder, OnHandWarmEvent } from './hand-warming-events.ts';
import { type ProjectBook, projectOf } from './project-book.ts';
import type { WarmResult } from './warm-events.ts';
import type { Warmer } from './warmer.ts';

export interface HandWarmingParts {
  readonly source: Pick<ImageSource, 'readChildren' | 'readImage' | 'hasBlob'>;
  readonly harbor: Pick<Harbor, 'hasProject'>;
  readonly projects: ProjectBook;
  readonly isHarbor: (host: string) => boolean;
  readonly warmer: Pick<Warmer, 'warm' | 'isLocal'>;
}

type Image = HandWarmOrder['images'][number];

/** Images under way at once; how many blobs at once is the warmer's own limit. */
const imagesAtOnce = 16;

/** Warms images for somebody who waits for it, or says what is cold. Events end with `done`. Rejects only with an abort. */
export async function warmByHand(
  order: HandWarmOrder,
  parts: HandWarmingParts,
  onEvent: OnHandWarmEvent,
  signal: AbortSignal,
): Promise<RoundOutcome> {
  const round = new HandWarming(order, parts, onEvent);
  await eachBounded(order.images, imagesAtOnce, (image) => round.run(image, signal));
  signal.throwIfAborted();
  return round.finish();
}

class HandWarming {
  readonly #order: HandWarmOrder;
  readonly #parts: HandWarmingParts;
  readonly #onEvent: OnHandWarmEvent;
  readonly #counts = { warm: 0, cold: 0, unknown: 0, unneeded: 0, failed: 0 };
  /** What a dry run found missing, so that what images share counts once. */
  readonly #missing = new Map<string, number | undefined>();
  #worked = false;
  #warmedPlatforms = 0;

  constructor(order: HandWarmOrder, parts: HandWarmingParts, onEvent: OnHandWarmEvent) {
    this.#order = order;
    this.#parts = parts;
    this.#onEvent = onEvent;
  }

  async run(image: Image, signal: AbortSignal): Promise<void> {
    const { reference } = image;
    try {
      signal.throwIfAborted();
      const parsed = parseReference(reference);
      const reason = await this.#reasonAgainst(parsed, image, signal);
      if (reason !== undefined) {
        this.#onEvent({ kind: 'unneeded', reference, message: reason });
        this.#counts.unneeded += 1;
      } else if (this.#order.dryRun === 'off') await this.#warm(image, parsed, signal);
      else await this.#look(image, parsed, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#fail(reference, Failure.from(error));
    }
  }

  finish(): RoundOutcome {
    const { warm, unneeded, failed, cold, unknown } = this.#counts;
    const dryRun = this.#order.dryRun !== 'off';
    const sizes = [...this.#missing.values()];
    const missingBytes =
      !dryRun || sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, one) => sum + (one ?? 0), 0);
    const isSomethingDone = warm + unneeded + cold + unknown + this.#warmedPlatforms > 0;
    const outcome = failed > 0 ? (isSomethingDone ? 'partial' : 'error') : this.#worked ? 'success' : 'noop';
    this.#onEvent({ kind: 'done', outcome, dryRun, missingBytes, ...this.#counts });
    return outcome;
  }

  /** Why there is nothing to warm; undefined: it is behind a proxy-cache project. @throws Failure */
  async #reasonAgainst(
    { registry, repository }: ImageReference,
    { credentials }: Image,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { projects, harbor, isHarbor } = this.#parts;
    if (!isHarbor(registry)) return `${registry} is no registry with harbor: true of the configuration`;
    const name = projectOf(repository);
    if (name === undefined) throw new Failure('not_found', `${repository} names no project of ${registry}`);
    const login = await projects.loginFor({ registry, repository }, credentials);
    const listed = await projects.list(login, signal);
    if (!listed.ok) throw listed.failure;
    const project = listed.byName.get(name);
    if (project !== undefined) {
      return project.upstreamId === undefined ? `${name} of ${registry} is no proxy-cache project` : undefined;
    }
    if (await harbor.hasProject(login, name, signal)) {
      throw new Failure('auth', `the login may not see the project ${name} of ${registry}`, { detail: 'forbidden' });
    }
    throw new Failure('not_found', `${registry} has no project ${name}`, { detail: 'project_missing' });
  }

  /** @throws Failure */
  async #find(image: Image, parsed: ImageReference, signal: AbortSignal): Promise<SourceChildren> {
    const { projects, source } = this.#parts;
    const { credentials } = await projects.loginFor(parsed, image.credentials);
    const wanted = this.#order.platforms.map(parsePlatform);
    const found = await source.readChildren(parsed, wanted, credentials, signal);
    if (found.children.length + found.unknown.length > 0) return found;
    throw new Failure('no_platform', `${image.reference} has no image for ${this.#order.platforms.join(', ')}`);
  }

  async #warm(image: Image, parsed: ImageReference, signal: AbortSignal): Promise<void> {
    const { reference, credentials } = image;
    const warmed = new Set<string>();
    const found = await this.#find(image, parsed, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      const failure = Failure.from(error);
      // The warmer tries that again until its deadline.
      if (failure.retryable) return undefined;
      throw failure;
    });
    if (found !== undefined && (await this.#isHeld(image, found, signal))) {
      for (const { platform: one, digest } of found.children) {
        const platform = formatPlatform(one);
        warmed.add(platform);
        this.#onEvent({ kind: 'child_warm', reference, platform, digest, certain: true });
      }
      this.#onEvent({ kind: 'image_warm', reference, bytes: 0, seconds: 0 });
    } else {
      const there =
        found === undefined ? undefined : [...found.children.map(({ platform }) => platform), ...found.unknown];
      const platforms = there?.map(formatPlatform) ?? this.#order.platforms;
      const result = await this.#parts.warmer.warm(
        { reference, platforms, credentials },
        (event) => {
          if (event.kind === 'child_warm') warmed.add(event.platform);
          if (event.kind !== 'image_cold') this.#onEvent(event);
        },
        signal,
      );
      signal.throwIfAborted();
      if (result.outcome !== 'warm') throw toFailure(result);
      this.#worked = true;
    }
    this.#warmedPlatforms += warmed.size;
    const missing = this.#order.platforms.filter((platform) => !warmed.has(platform));
    if (this.#tellMissing(reference, missing)) this.#counts.warm += 1;
  }

  /** Whether Harbor says that it has all of it already. */
  async #isHeld(image: Image, { children, unknown }: SourceChildren, signal: AbortSignal): Promise<boolean> {
    if (unknown.length > 0) return false;
    for (const { platform, digest } of children) {
      const child = { platform: formatPlatform(platform), digest };
      const isLocal = await this.#parts.warmer.isLocal(image, child, signal).catch(() => undefined);
      signal.throwIfAborted();
      if (isLocal !== true) return false;
    }
    return true;
  }

  async #look(image: Image, parsed: ImageReference, signal: AbortSignal): Promise<void> {
    const { reference } = image;
    const found = await this.#find(image, parsed, signal);
    const { credentials } = await this.#parts.projects.loginFor(parsed, image.credentials);
    const question = { image, reference: parsed, credentials, found, order: this.#order };
    const { platforms, refusal } = await lookAtPlatforms(question, this.#parts, signal);
    for (const { missing, ...platform } of platforms) {
      this.#onEvent({ kind: 'platform', reference, ...platform });
      this.#note(parsed, platform, missing);
    }
    if (refusal !== undefined) throw refusal;
    if (!this.#tellMissing(reference, found.missing.map(formatPlatform))) return;
    const states = new Set(platforms.map(({ state }) => state));
    this.#counts[states.has('cold') ? 'cold' : states.has('unknown') ? 'unknown' : 'warm'] += 1;
  }

  #note(reference: ImageReference, platform: Omit<DryPlatform, 'missing'>, missing: DryPlatform['missing']): void {
    const repository = repositoryName(reference);
    if (missing === undefined)
      this.#missing.set(`${repository}@${platform.digest ?? platform.platform}`, platform.missingBytes);
    for (const { digest, sizeBytes } of missing ?? []) this.#missing.set(`${repository}@${digest}`, sizeBytes);
  }

  /** @returns false: that is a failure */
  #tellMissing(reference: string, platforms: readonly string[]): boolean {
    for (const platform of platforms) this.#onEvent({ kind: 'missing_platform', reference, platform });
    if (platforms.length === 0 || !this.#order.arePlatformsNamed) return true;
    this.#counts.failed += 1;
    return false;
  }

  #fail(reference: string, { code, message }: Failure): void {
    this.#onEvent({ kind: 'failed', reference, code, message });
    this.#counts.failed += 1;
  }
}

function toFailure({ outcome, failure }: WarmResult): Failure {
  const known = failure ?? new Failure('other', 'it did not get warm');
  if (outcome !== 'given_up' || known.code === 'timeout') return known;
  return new Failure(known.code, `it did not get warm within warm.deadline: ${known.message}`, { cause: known });
}
