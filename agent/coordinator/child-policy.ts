import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type ImageReference, repositoryName } from '../core/image-reference.ts';
import type { ResolvedFailure, ResolvedPlatform } from '../core/resolution.ts';
import type { Harbor, HarborLogin, HarborScan } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import { apiLane } from './breaker.ts';
import { type Fingerprint, isRefusal, type PolicyBook } from './policy-book.ts';
import { projectOf } from './project-book.ts';
import { toResolvedFailure } from './resolved-parts.ts';
import type { Round } from './round.ts';
import { within } from './time-limit.ts';

const apiWithinMs = 20_000;

export interface ChildPolicyParts {
  readonly harbor: Pick<Harbor, 'readArtifact'>;
  readonly policy: PolicyBook;
  readonly round: Round;
  readonly login: HarborLogin;
  readonly reference: ImageReference;
  /** Behind a proxy cache, where Harbor may not hold it: what hangs then is not the host. */
  readonly mayReachUpstream?: boolean;
}

export interface ChildrenChecked {
  readonly platforms: readonly ResolvedPlatform[];
  /** Why some of them could not be asked for. */
  readonly failure: Failure | undefined;
}

/**
 * Whether Harbor gives out each platform's own manifest: refusals for severity and signatures come with the child, not with the index (Harbor 2.15.2).
 * One HEAD for each child; one that is refused is asked for again when its scan changed, or once an hour.
 * @returns the platforms with `refusal` as it is now
 */
export async function checkChildren(
  platforms: readonly ResolvedPlatform[],
  parts: ChildPolicyParts,
  signal: AbortSignal,
): Promise<ChildrenChecked> {
  let failure: Failure | undefined;
  const checked: ResolvedPlatform[] = [];
  for (const platform of platforms) {
    try {
      checked.push(await checkChild(platform, parts, signal));
    } catch (error) {
      signal.throwIfAborted();
      failure ??= Failure.from(error);
      checked.push(platform);
    }
  }
  return { platforms: checked, failure };
}

async function checkChild(
  platform: ResolvedPlatform,
  parts: ChildPolicyParts,
  signal: AbortSignal,
): Promise<ResolvedPlatform> {
  const { policy, round, login, reference, mayReachUpstream = false } = parts;
  const child = { ...reference, tag: undefined, digest: platform.digest };
  const key = `${repositoryName(reference)}@${platform.digest}`;
  const fingerprintOf = () => fingerprint(parts, platform.digest, signal);
  const { refusal, ...passing } = platform;
  if (refusal !== undefined && !(await policy.mayAsk(key, fingerprintOf))) return platform;
  try {
    await (mayReachUpstream
      ? round.headThroughProxy(child, login.credentials, signal)
      : round.head(child, login.credentials, signal));
    policy.passed(key);
    return passing;
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    if (!isRefusal(failure)) throw failure;
    await policy.refused(key, fingerprintOf);
    return { ...passing, refusal: toResolvedFailure(failure) };
  }
}

/** Why a manifest is not given out, asked for by its digest; undefined: it is. @throws Failure for any other reason */
export async function findRefusal(
  reference: ImageReference,
  credentials: readonly Credential[],
  source: Pick<ImageSource, 'headManifest'>,
  signal: AbortSignal,
): Promise<ResolvedFailure | undefined> {
  try {
    await within(apiWithinMs, signal, (limited) => source.headManifest(reference, credentials, limited));
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    if (!isRefusal(failure)) throw failure;
    return toResolvedFailure(failure);
  }
}

/** What has no scan yet may get one; what Harbor calls by other words (2.15: Success, Error, Stopped) is over. */
export function isScanPending(scan: HarborScan | undefined): boolean {
  return scan === undefined || ['Pending', 'Scheduled', 'Running'].includes(scan.status);
}

/** Undefined: it may not be read. */
export async function fingerprint(
  { harbor, round, login, reference }: Omit<ChildPolicyParts, 'policy'>,
  tagOrDigest: string,
  signal: AbortSignal,
): Promise<Fingerprint | undefined> {
  const { registry, repository } = reference;
  const project = projectOf(repository);
  if (project === undefined) return undefined;
  const name = repository.slice(project.length + 1);
  try {
    const artifact = await round.breaker.ask(
      apiLane(registry),
      signal,
      (limited) => harbor.readArtifact(login, project, name, tagOrDigest, limited),
      { withinMs: apiWithinMs },
    );
    const accessories = artifact.accessories.map(({ type, digest }) => `${type} ${digest}`).toSorted();
    const text = JSON.stringify([artifact.digest, artifact.scan?.status, artifact.scan?.severity, accessories]);
    return { text, isPending: isScanPending(artifact.scan) };
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
