import { Failure } from '../core/failure.ts';
import type { ResolvedImage, ResolvedPlatform } from '../core/resolution.ts';
import { type ChildrenChecked, checkChildren } from './child-policy.ts';
import { type AnswerParts, type ImageQuestion, readWanted, toWarmState } from './image-question.ts';
import type { Findings } from './refused-image.ts';
import { isBlank, toPlatforms, toRecord } from './resolved-parts.ts';

/**
 * What an image of an ordinary project, or of a registry that is no Harbor, is now: one HEAD by tag, a GET only of a digest that is new, and one HEAD
 * on each platform's own manifest where it is a Harbor. @throws Failure
 */
export async function resolveOrdinary(
  question: ImageQuestion,
  isHarbor: boolean,
  parts: AnswerParts,
  findings: Findings,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const { wanted, reference, login, listedDigest, round } = question;
  const digest = reference.digest ?? listedDigest ?? (await round.head(reference, login.credentials, signal));
  findings.digest = digest;
  const platforms = await findPlatforms(question, digest, parts, signal);
  if (platforms.length === 0 && wanted.platforms.length > 0) {
    const failure = new Failure('no_platform', `it has none of the platforms ${wanted.platforms.join(', ')}`);
    return toRecord({ reference: wanted.reference, digest, isProxied: false, platforms }, { failure });
  }
  const checked = isHarbor
    ? await checkPlatforms(question, platforms, digest, parts, signal)
    : { platforms, failure: undefined };
  return toRecord({ reference: wanted.reference, digest, isProxied: false, platforms: checked.platforms }, checked);
}

async function findPlatforms(
  question: ImageQuestion,
  digest: string,
  parts: AnswerParts,
  signal: AbortSignal,
): Promise<readonly ResolvedPlatform[]> {
  const { wanted, reference, before } = question;
  if (before?.digest === digest && !before.isProxied) {
    const covered = before.platforms.filter(({ platform }) => wanted.platforms.includes(platform));
    const isWhole = covered.length === wanted.platforms.length;
    if (isWhole || parts.read.find(wanted.reference, digest, wanted.platforms) !== undefined) return covered;
  }
  const byDigest = { ...reference, tag: undefined, digest };
  return toPlatforms(await readWanted(parts, question, byDigest, false, signal), toWarmState(before, false, false));
}

async function checkPlatforms(
  question: ImageQuestion,
  platforms: readonly ResolvedPlatform[],
  digest: string,
  parts: AnswerParts,
  signal: AbortSignal,
): Promise<ChildrenChecked> {
  const { reference, login, round } = question;
  const checked = await checkChildren(platforms, { ...parts, round, login, reference }, signal);
  // What was refused when it was first seen could not be measured.
  if (!checked.platforms.some((platform) => platform.refusal === undefined && isBlank(platform))) return checked;
  const byDigest = { ...reference, tag: undefined, digest };
  try {
    const image = await readWanted(parts, question, byDigest, false, signal);
    return { ...checked, platforms: toPlatforms(image, toWarmState(undefined, false, false)) };
  } catch (error) {
    signal.throwIfAborted();
    return { ...checked, failure: checked.failure ?? Failure.from(error) };
  }
}
