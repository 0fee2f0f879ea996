import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import type { ImageReference } from '../core/image-reference.ts';
import { parsePlatform } from '../core/platform.ts';
import { sleep } from '../core/sleep.ts';
import type { Harbor, HarborArtifact } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { Random } from './parts.ts';
import { projectOf } from './project-book.ts';

export interface ChildParts {
  readonly source: Pick<ImageSource, 'readImage'>;
  readonly harbor: Pick<Harbor, 'readArtifact'>;
  readonly random: Random;
}

export interface Child {
  /** Its repository counts. */
  readonly reference: ImageReference;
  readonly credentials: readonly Credential[];
  readonly platform: string;
  readonly digest: string;
}

/** Harbor 2.15.2 looks every 20 s, ten times after a manifest was asked for, whether all its blobs are local, and then stores it. */
const periodMs = 20_000;
const looksForMs = 9 * periodMs;
const storedWithinMs = 45_000;
const pollMs = 4_000;
const mostReads = 3;

/** Whether Harbor holds the child's manifest itself, which it does only with all blobs. Causes no upstream request. Undefined: it may not be read. */
export async function isChildLocal(
  child: Child,
  harbor: Pick<Harbor, 'readArtifact'>,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const artifact = await readChild(child, harbor, signal);
  return artifact === 'unknown' ? undefined : artifact !== 'absent';
}

/** What Harbor has of a child; `unknown`: it may not be read. @throws Failure */
export async function readChild(
  { reference, credentials, digest }: Omit<Child, 'platform'>,
  harbor: Pick<Harbor, 'readArtifact'>,
  signal: AbortSignal,
): Promise<HarborArtifact | 'absent' | 'unknown'> {
  const project = projectOf(reference.repository) ?? '';
  const repository = reference.repository.slice(project.length + 1);
  try {
    return await harbor.readArtifact({ host: reference.registry, credentials }, project, repository, digest, signal);
  } catch (error) {
    signal.throwIfAborted();
    const failure = Failure.from(error);
    if (failure.code === 'not_found') return 'absent';
    if (failure.code === 'auth') return 'unknown';
    throw failure;
  }
}

/**
 * Waits until Harbor holds the child's manifest.
 * @param readAt when the manifest was last asked for, and `blobsAt` when its last blob got local; monotonic ms
 * @returns true: Harbor says so; false: it may not be asked, and the time that Harbor takes has passed. @throws Failure
 */
export async function waitForChild(
  child: Child,
  { readAt, blobsAt }: { readonly readAt: number; readonly blobsAt: number },
  parts: ChildParts,
  signal: AbortSignal,
): Promise<boolean> {
  let askedAt = readAt;
  for (let reads = 0; ; ) {
    const isLocal = await isChildLocal(child, parts.harbor, signal);
    if (isLocal === true) return true;
    const now = performance.now();
    const isOverdue = now - Math.max(askedAt, blobsAt) >= storedWithinMs;
    // Its last look may have come before the last blob.
    if (blobsAt - askedAt >= looksForMs || (isLocal === false && isOverdue)) {
      if (reads === mostReads) {
        throw new Failure(
          'upstream',
          `Harbor does not store the manifest ${child.digest}, although all its blobs are local`,
        );
      }
      reads += 1;
      askedAt = now;
      await askAgain(child, parts, signal);
    }
    if (isLocal === undefined) {
      await sleep(Math.max(askedAt, blobsAt) + periodMs + 1_000 - performance.now(), signal);
      signal.throwIfAborted();
      return false;
    }
    await sleep((0.75 + 0.5 * parts.random()) * pollMs, signal);
    signal.throwIfAborted();
  }
}

async function askAgain(
  { reference, credentials, digest, platform }: Child,
  { source }: ChildParts,
  signal: AbortSignal,
) {
  const child = { ...reference, tag: undefined, digest };
  await source.readImage(child, [parsePlatform(platform)], credentials, signal);
}
