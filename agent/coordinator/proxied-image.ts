import { randomBytes } from 'node:crypto';
import { Failure } from '../core/failure.ts';
import { formatPlatform, parsePlatform } from '../core/platform.ts';
import type { ResolvedImage, ResolvedPlatform } from '../core/resolution.ts';
import type { SourceImage } from '../registry/image-source.ts';
import { apiLane, registryLane } from './breaker.ts';
import { type ChildrenChecked, checkChildren } from './child-policy.ts';
import { isChildLocal } from './child-warming.ts';
import { type AnswerParts, type ImageQuestion, readProxied, toWarmState } from './image-question.ts';
import { isBlank, toPlatforms, toRecord } from './resolved-parts.ts';

/**
 * What an image behind a Harbor proxy-cache project is now. The index digest of one tag flips with the upstream's health (Harbor 2.15.2), and an index
 * that Harbor serves from its own store lacks platforms that nobody pulled: only another child of a wanted platform is a change, and only while
 * the upstream answers. @throws Failure
 */
export async function resolveProxied(
  question: ImageQuestion,
  parts: AnswerParts,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const { wanted, before } = question;
  const { digest, platforms } = await findPlatforms(question, parts, signal);
  if (platforms.length === 0 && wanted.platforms.length > 0) {
    const failure = new Failure('no_platform', `it has none of the platforms ${wanted.platforms.join(', ')}`);
    return toRecord({ reference: wanted.reference, digest, isProxied: true, platforms }, { failure });
  }
  const states = toWarmState(before, true, parts.warms());
  const stated = platforms.map((platform) => ({ ...platform, warm: states(platform.platform, platform.digest) }));
  const checked = await checkHeld(question, stated, parts, signal);
  return toRecord({ reference: wanted.reference, digest, isProxied: true, platforms: checked.platforms }, checked);
}

interface Found {
  readonly digest: string;
  readonly platforms: readonly ResolvedPlatform[];
}

async function findPlatforms(question: ImageQuestion, parts: AnswerParts, signal: AbortSignal): Promise<Found> {
  const { wanted, reference, login, before, round } = question;
  const had = (before?.platforms ?? []).filter(({ platform }) => wanted.platforms.includes(platform));
  const isWhole = had.length === wanted.platforms.length && had.length > 0;
  if (reference.digest !== undefined && before?.digest === reference.digest && isWhole) {
    return { digest: reference.digest, platforms: had };
  }
  const digest = reference.digest ?? (await round.headThroughProxy(reference, login.credentials, signal));
  const seen = parts.read.find(wanted.reference, digest, wanted.platforms);
  if (before?.digest !== undefined && before.isProxied) {
    const isSameDigest = before.digest === digest && (isWhole || seen !== undefined);
    if (isSameDigest || (seen !== undefined && !hasMoved(had, seen))) return { digest: before.digest, platforms: had };
  }
  const states = toWarmState(before, true, parts.warms());
  if (before?.digest === undefined || had.length === 0 || reference.digest !== undefined) {
    const image = await readProxied(parts, question, signal);
    return { digest: image.digest, platforms: merge(had, toPlatforms(image, states)) };
  }
  const answeredBefore = await upstreamAnswers(question, parts, signal);
  const image = await readProxied(parts, question, signal);
  if (!hasMoved(had, image)) return { digest: before.digest, platforms: merge(had, toPlatforms(image, states)) };
  if (!answeredBefore || !(await upstreamAnswers(question, parts, signal))) {
    const words = 'the tag shows another image, but the upstream does not answer: what was found before stays';
    throw new Failure('upstream', words, { detail: 'upstream_unhealthy' });
  }
  return { digest: image.digest, platforms: merge(had, toPlatforms(image, states)) };
}

/** A platform that is missing says nothing: Harbor trims the index that it keeps to what was pulled. */
function hasMoved(had: readonly ResolvedPlatform[], image: SourceImage): boolean {
  return [...image.platforms, ...(image.refused ?? [])].some(({ platform, digest }) => {
    const name = formatPlatform(platform);
    const known = had.find((one) => one.platform === name);
    return known !== undefined && known.digest !== digest;
  });
}

/** What was found, and what was known of platforms that were not, or whose manifests were not read now. */
function merge(had: readonly ResolvedPlatform[], found: readonly ResolvedPlatform[]): readonly ResolvedPlatform[] {
  const names = new Set(found.map(({ platform }) => platform));
  const whole = found.map((one) => {
    const known = had.find(({ platform, digest }) => platform === one.platform && digest === one.digest);
    if (known === undefined || !isBlank(one)) return one;
    // What was not asked for by itself says nothing of the policy.
    const { imageId, sizeBytes } = known;
    return one.refusal === undefined ? { ...known, warm: one.warm } : { ...one, imageId, sizeBytes };
  });
  return [...whole, ...had.filter(({ platform }) => !names.has(platform))];
}

/**
 * A tag that cannot exist: of what the upstream itself says that it is not there, Harbor says so in other words than of what it does not find in its own
 * store because the upstream failed.
 */
async function upstreamAnswers(
  { reference, login, round }: ImageQuestion,
  { source }: AnswerParts,
  signal: AbortSignal,
): Promise<boolean> {
  const probe = { ...reference, tag: `stevedore-probe-${randomBytes(6).toString('hex')}`, digest: undefined };
  try {
    await round.throughProxy(probe, signal, (limited) => source.headManifest(probe, login.credentials, limited));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const { code, detail } = Failure.from(error);
    return code === 'not_found' && detail === undefined;
  }
}

/**
 * Asks for the children that Harbor holds itself, which reaches no upstream; its policy passes what it does not hold yet. One that was refused was
 * held then, warm or not.
 */
async function checkHeld(
  question: ImageQuestion,
  platforms: readonly ResolvedPlatform[],
  parts: AnswerParts,
  signal: AbortSignal,
): Promise<ChildrenChecked> {
  const { reference, login, round } = question;
  const byName = new Map(platforms.map((one) => [one.platform, one]));
  const held = new Set<string>();
  let failure: Failure | undefined;
  for (const one of platforms) {
    const isHeld =
      one.warm === 'warm' || one.refusal !== undefined || (await findWhetherHeld(question, one, parts, signal));
    if (isHeld === false || (isHeld === undefined && one.warm === 'cold')) continue;
    // To ask for the manifest itself would make Harbor fetch what it does not hold.
    if (isHeld === true) held.add(one.platform);
    const mayReachUpstream = isHeld === undefined;
    const checked = await checkChildren([one], { ...parts, round, login, reference, mayReachUpstream }, signal);
    // What Harbor may not hold at all need not be found.
    if (!mayReachUpstream) failure ??= checked.failure;
    for (const now of checked.platforms) byName.set(now.platform, now);
  }
  for (const one of byName.values()) {
    if (!held.has(one.platform) || one.refusal !== undefined || !isBlank(one)) continue;
    try {
      byName.set(one.platform, await readChild(question, one, parts, signal));
    } catch (error) {
      signal.throwIfAborted();
      failure ??= Failure.from(error);
    }
  }
  return { platforms: [...byName.values()], failure };
}

/** Undefined: it cannot be told. Of what is being warmed, and was read, the warmer tells. */
async function findWhetherHeld(
  { reference, login, round }: ImageQuestion,
  one: ResolvedPlatform,
  { harbor }: AnswerParts,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  if (one.warm === 'cold' && !isBlank(one)) return false;
  const { platform, digest } = one;
  const child = { reference, credentials: login.credentials, platform, digest };
  const lane = apiLane(reference.registry);
  try {
    return await round.breaker.ask(lane, signal, (limited) => isChildLocal(child, harbor, limited));
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** What could not be read while it was refused. By its own digest, which the upstream is not asked for. */
async function readChild(
  { reference, login, round }: ImageQuestion,
  before: ResolvedPlatform,
  { source }: AnswerParts,
  signal: AbortSignal,
): Promise<ResolvedPlatform> {
  const child = { ...reference, tag: undefined, digest: before.digest };
  const image = await round.breaker.ask(registryLane(reference.registry), signal, (limited) =>
    source.readImage(child, [parsePlatform(before.platform)], login.credentials, limited),
  );
  return toPlatforms(image, () => before.warm)[0] ?? before;
}
