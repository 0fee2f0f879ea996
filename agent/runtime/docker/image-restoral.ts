/** Puts back what a removal took, when a container turned up meanwhile or the removal was cut off. */

import { Failure } from '../../core/failure.ts';
import { runWithDeadline } from '../deadline.ts';
import type { BegunRemoval, CredentialLookup } from '../runtime.ts';
import { readContainers } from './container-list.ts';
import type { DockerClient } from './docker-client.ts';
import { toStoredName } from './docker-objects.ts';
import { inspectImage } from './image-inspection.ts';
import { addFreeTags, removeName } from './image-names.ts';
import { toGuardName } from './removal-guard.ts';
import { pullImage } from './image-pull.ts';

/** All layers are here, held by the image or the container: what is fetched is a manifest and a config. */
const pullAgainTimeoutMs = 30_000;

export async function isUsed(client: DockerClient, imageId: string, signal: AbortSignal): Promise<boolean> {
  return (await readContainers(client, signal)).some(({ ImageID }) => ImageID === imageId);
}

/**
 * Gives the image its names back. Where dockerd has deleted it although a container stands on it, it is pulled again by digest. Else a
 * digest name that went is pulled again if that works: dockerd gives such a name only to what it pulled.
 * @returns whether any name was added
 * @throws Failure of the pull of an image that is gone; `runtime` when it has no digest name and so cannot be had again
 */
export async function restoreImage(
  client: DockerClient,
  { imageId, names }: BegunRemoval,
  credentialsFor: CredentialLookup,
  signal: AbortSignal,
): Promise<boolean> {
  const before = await inspectImage(client, imageId, signal);
  const digests = names.filter((name) => name.includes('@'));
  if (before === undefined) await pullGoneImage(client, imageId, digests, credentialsFor, signal);
  const added = await addFreeTags(client, imageId, names, signal);
  let isChanged = before === undefined || added.length > 0;
  for (const digest of await missingDigests(client, imageId, digests, signal)) {
    if ((await pullAgain(client, imageId, digest, credentialsFor, signal)) === undefined) isChanged = true;
  }
  return isChanged;
}

async function pullGoneImage(
  client: DockerClient,
  imageId: string,
  digests: readonly string[],
  credentialsFor: CredentialLookup,
  signal: AbortSignal,
): Promise<void> {
  let failure: Failure | undefined = new Failure('runtime', 'it was not pulled from a registry');
  for (const digest of digests) {
    failure = await pullAgain(client, imageId, digest, credentialsFor, signal);
    if (failure === undefined) return;
  }
  throw new Failure(
    failure.code,
    `a container was made from ${imageId} while docker deleted the image, and it could not be pulled again: ${failure.message}`,
    { detail: failure.detail, cause: failure },
  );
}

async function missingDigests(
  client: DockerClient,
  imageId: string,
  digests: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const image = await inspectImage(client, imageId, signal);
  const present = new Set(image?.digests.map((name) => toStoredName(name)));
  return digests.filter((name) => !present.has(toStoredName(name)));
}

/** @returns why it did not work; undefined when it did */
async function pullAgain(
  client: DockerClient,
  imageId: string,
  digest: string,
  credentialsFor: CredentialLookup,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const reference = toStoredName(digest) ?? digest;
  let failure = new Failure('other', `${reference} is another image by now`);
  for (const credential of [...(await credentialsFor(reference)), undefined]) {
    const request = { reference, credential, expected: undefined, onProgress: () => {} };
    try {
      const pulled = await runWithDeadline(`docker: pull of ${reference}`, pullAgainTimeoutMs, signal, (either) =>
        pullImage(client, request, either),
      );
      if (pulled.imageId === imageId) return undefined;
    } catch (error) {
      signal.throwIfAborted();
      failure = Failure.from(error, 'runtime');
    }
  }
  return failure;
}

/** @returns whether the image got names back */
export async function undoDockerRemoval(
  client: DockerClient,
  begun: BegunRemoval,
  credentialsFor: CredentialLookup,
  signal: AbortSignal,
): Promise<boolean> {
  const image = await inspectImage(client, begun.imageId, signal);
  if (image === undefined && !(await isUsed(client, begun.imageId, signal))) return false;
  const restored = await restoreImage(client, begun, credentialsFor, signal);
  const guard = toGuardName(begun.imageId);
  // Alone it holds the image: without it the image would go.
  if (image?.tags.includes(guard) === true && (restored || image.tags.length > 1))
    await removeName(client, guard, signal);
  return restored;
}
