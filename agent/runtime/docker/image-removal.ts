import { toChainIds } from '../../core/layers.ts';
import { sleep } from '../../core/sleep.ts';
import type { CredentialLookup, Removal } from '../runtime.ts';
import type { DockerClient } from './docker-client.ts';
import { type InspectedImage, inspectImage } from './image-inspection.ts';
import { addImageName, removeName } from './image-names.ts';
import { isUsed, restoreImage } from './image-restoral.ts';
import { isGuardName, toGuardName } from './removal-guard.ts';

/**
 * dockerd looks an image up when it begins to make a container, and lists the container when it is made: 15 ms later on an idle machine.
 * Who deletes the image in between is not refused.
 */
const settleMs = 1_000;
const betweenLooksMs = 100;
const never = new AbortController().signal;

/**
 * Removes an image with all its names, or nothing. dockerd has no call for that: without `force` it refuses to delete an image
 * by its id while it has several names, and with `force` it takes the names from under a running container. So the names go one by
 * one, after a look that no container uses the image; should a container turn up, everything is put back.
 *
 * An abort is heeded until the first name is gone, then the removal is carried through: half of it would be worse.
 */
export async function removeDockerImage(
  client: DockerClient,
  imageId: string,
  credentialsFor: CredentialLookup,
  signal: AbortSignal,
): Promise<Removal> {
  const image = await inspectImage(client, imageId, signal);
  if (image === undefined) return { kind: 'absent' };
  if (await isUsed(client, image.id, signal)) return { kind: 'in_use' };
  signal.throwIfAborted();
  const names = namesOf(image);
  const isGuarded = image.tags.includes(toGuardName(image.id));
  const guard = isGuarded || (names.length > 0 && !isSurelyPulled(image)) ? toGuardName(image.id) : undefined;
  const putBack = async (): Promise<void> => {
    await restoreImage(client, { imageId: image.id, names }, credentialsFor, never);
  };
  try {
    if (await removeNames(client, image, names, guard)) return { kind: 'removed', freed: undefined };
  } catch (error) {
    await putBack();
    throw error;
  }
  await putBack();
  const isBack = (await inspectImage(client, image.id, never)) !== undefined;
  return isBack ? { kind: 'in_use' } : { kind: 'removed', freed: undefined };
}

/**
 * The graph drivers give digest names to what was pulled alone. The containerd image store, where such a name ends with the image's id, gives
 * them to what was built or loaded too.
 */
function isSurelyPulled({ id, digests }: InspectedImage): boolean {
  return digests.length > 0 && !digests.some((name) => name.endsWith(`@${id}`));
}

/** Tags first: an image that has only digests left is refused as a whole or goes as a whole. */
function namesOf({ tags, digests }: InspectedImage): readonly string[] {
  return [...tags, ...digests].filter((name) => !name.includes('<none>') && !isGuardName(name));
}

/**
 * @param guard the last name to go, for an image that perhaps cannot be pulled again: nobody can make a container from it by name, and who had
 * begun to is given time to show.
 * @returns false when everything has to be put back
 */
async function removeNames(
  client: DockerClient,
  { id, diffIds }: InspectedImage,
  names: readonly string[],
  guard: string | undefined,
): Promise<boolean> {
  const deleted = new Set<string>();
  const remove = async (name: string): Promise<boolean> => {
    const answer = await removeName(client, name, never);
    if (answer.kind === 'removed') for (const one of answer.deleted) deleted.add(one);
    return answer.kind !== 'in_use';
  };

  if (guard !== undefined) await addImageName(client, id, guard, never);
  for (const name of names.length === 0 && guard === undefined ? [id] : names) if (!(await remove(name))) return false;
  if (guard !== undefined && ((await isUsedSoon(client, id)) || !(await remove(guard)))) return false;

  // dockerd takes the last tag without a word when a container appeared just now, and keeps the image; a pull may have given it names again.
  const left = await inspectImage(client, id, never);
  if (left !== undefined) return namesOf(left).length === 0 && !(await isUsed(client, id, never));
  // The graph drivers say which layers went. With the topmost gone, no container that was being made can have come to be.
  const top = toChainIds(diffIds).at(-1);
  return (top !== undefined && deleted.has(top)) || !(await isUsedSoon(client, id));
}

async function isUsedSoon(client: DockerClient, imageId: string): Promise<boolean> {
  const giveUpAt = performance.now() + settleMs;
  for (;;) {
    if (await isUsed(client, imageId, never)) return true;
    if (performance.now() >= giveUpAt) return false;
    await sleep(betweenLooksMs, never);
  }
}
