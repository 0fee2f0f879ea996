import { Failure } from '../core/failure.ts';
import { repositoryName } from '../core/image-reference.ts';
import type { ResolvedImage } from '../core/resolution.ts';
import { fingerprint } from './child-policy.ts';
import type { AnswerParts, ImageQuestion } from './image-question.ts';
import { isRefusal } from './policy-book.ts';
import { toRecord } from './resolved-parts.ts';

/** What was found out before something failed. */
export interface Findings {
  digest?: string;
}

/**
 * The record that `resolve` makes, unless Harbor refuses the image as a whole: then one that says so, and Harbor is not asked again before digest or
 * scan changed, or an hour is over. @throws Failure
 */
export async function unlessRefused(
  question: ImageQuestion,
  isProxied: boolean,
  parts: AnswerParts,
  resolve: (findings: Findings) => Promise<ResolvedImage>,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const { wanted, reference, before, listedDigest } = question;
  const name = reference.digest ?? reference.tag ?? '';
  const key = `${repositoryName(reference)}@${name}`;
  const fingerprintOf = () => fingerprint({ ...question, harbor: parts.harbor }, name, signal);
  const hasMoved = listedDigest !== undefined && listedDigest !== before?.digest;
  if (before?.refusal !== undefined && !hasMoved && !(await parts.policy.mayAsk(key, fingerprintOf))) return before;
  const findings: Findings = {};
  try {
    const image = await resolve(findings);
    // Without an index the only manifest has the same name: what was found out of it as a child lasts.
    const isChildRefused = image.platforms.some(({ digest, refusal }) => digest === name && refusal !== undefined);
    if (!isChildRefused) parts.policy.passed(key);
    return image;
  } catch (error) {
    signal.throwIfAborted();
    const refusal = Failure.from(error);
    if (!isRefusal(refusal)) throw refusal;
    await parts.policy.refused(key, fingerprintOf);
    const { digest = before?.digest } = findings;
    const platforms = digest === before?.digest ? (before?.platforms ?? []) : [];
    return toRecord({ reference: wanted.reference, digest, isProxied, platforms }, { refusal });
  }
}
