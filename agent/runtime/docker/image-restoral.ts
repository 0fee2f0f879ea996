/** Puts back what a removal took, when a container turned up meanwhile or the removal was cut off. */

import type { ImageInfo } from 'dockerode';

import { Failure } from '../../core/failure.ts';
import { runWithDeadline } from '../deadline.ts';
import type { BegunRemoval, CredentialLookup } from '../runtime.ts';
import { readContainers } from './container-list.ts';
import type { DockerClient } from './docker-client.ts';
import { toRuntimeImage, toStoredName } from './docker-objects.ts';
import { inspectImage, listTimeoutMs } from './image-inspection.ts';
import { addFreeTags, removeName } from './image-names.ts';
import { toGuardName } from './removal-guard.ts';
import { pullImage } from './image-pull.ts';

/** All layers are here, held by the image or the container: what is fetched is a manifest and a config. */
const pullAgainTimeoutMs = 30_000;

export async function isUsed(client: DockerClient, imageId: string, signal: AbortSignal): Promise<boolean> {
  return (await readContainers(client, signal)).some(({ ImageID }) => ImageID === imageId);
}

/**
 * Gives the image its names back. Where dockerd has deleted it although a container stands on it, it is pulled again by digest; where none
 * does, it stays gone. A digest name that went is pulled again if that works: dockerd gives such a name only to what it pulled.
 * @returns whether any name was added
 * @throws Failure of the pull of an image that is gone; `runtime` when it has no digest name and so cannot be had again
 */
export async function restoreImage(
  client: DockerClient,
  { imageId, names }: BegunRemoval,
  credentialsFor: CredentialLookup,
  signal: AbortSignal,
): Promise<boolean> {
  const digests = names.filter((name) => name.includes('@'));
  const isGone = (await inspectImage(client, imageId, signal)) === undefined;
  if (isGone && !(await isUsed(client, imageId, signal))) return false;
  if (isGone) await pullGoneImage(client, imageId, digests, credentialsFor, signal);
  const added = await addFreeTags(client, imageId, names, signal);
  let isChanged = isGone || added.length > 0;
  await dropGuard(client, imageId, signal);
  if (digests.length === 0) return isChanged;
  const listed = await readListedDigests(client, imageId, signal);
  for (const digest of digests) {
    if (listed.has(toStoredName(digest) ?? digest)) continue;
    if ((await pullAgain(client, imageId, digest, credentialsFor, signal)) === undefined) isChanged = true;
  }
  return isChanged;
}

/** Unless it is the only name, without which the image would go. */
async function dropGuard(client: DockerClient, imageId: string, signal: AbortSignal): Promise<void> {
  const tags = (await inspectImage(client, imageId, signal))?.tags ?? [];
  const guard = toGuardName(imageId);
  if (tags.includes(guard) && tags.length > 1) await removeName(client, guard, signal);
}

/** With the containerd image store the inspection of an image tells digest names that the list does not. */
async function readListedDigests(
  client: DockerClient,
  imageId: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const call = { method: 'GET', path: '/images/json', query: { digests: '1' } } as const;
  const images = (await client.call(call, listTimeoutMs, signal)) as readonly ImageInfo[];
  return new Set(images.filter(({ Id }) => Id === imageId).flatMap((image) => toRuntimeImage(image).digests));
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
