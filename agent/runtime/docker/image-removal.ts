import { Failure } from '../../core/failure.ts';
import { parseReference, repositoryName } from '../../core/image-reference.ts';
import { type DockerClient, refusalStatus } from './docker-client.ts';
import { type InspectedImage, inspectImage, unaryTimeoutMs } from './image-inspection.ts';

/** Deleting the last name deletes the layers before dockerd answers: seconds for an image of 20 GB on a slow disk. */
const deleteTimeoutMs = 300_000;
const never = new AbortController().signal;

/**
 * Removes an image with all its names, or nothing. dockerd has no call for that: without `force` it refuses to delete an image
 * by its id while it has several names, and with `force` it takes the names from under a running container. So the names go one by
 * one, after a look that no container uses the image; should dockerd then refuse one, a container came in between and
 * the tags that went are put back. (Digest names cannot be put back; dockerd drops one with the last tag of its repository.)
 *
 * An abort is heeded until the first name is gone, then the removal is carried through: half of it would be worse.
 */
export async function removeDockerImage(
  client: DockerClient,
  imageId: string,
  signal: AbortSignal,
): Promise<'removed' | 'absent' | 'in_use'> {
  const image = await inspectImage(client, imageId, signal);
  if (image === undefined) return 'absent';
  if (await isUsed(client, image.id, signal)) return 'in_use';
  signal.throwIfAborted();

  const removed: string[] = [];
  const putBack = (): Promise<void> => tagAgain(client, image.id, removed);
  for (const name of namesOf(image)) {
    const answer = await removeName(client, name).catch(async (error: unknown) => {
      await putBack();
      throw error;
    });
    if (answer === 'in_use') {
      await putBack();
      return 'in_use';
    }
    if (answer === 'removed') removed.push(name);
  }
  // dockerd takes the last tag without a word when a container appeared just now, and keeps the layers.
  const left = await inspectImage(client, image.id, never);
  if (left !== undefined && (await isUsed(client, image.id, never))) {
    await putBack();
    return 'in_use';
  }
  return 'removed';
}

/** Tags first: an image that has only digests left is refused as a whole or goes as a whole. */
function namesOf({ id, tags, digests }: InspectedImage): readonly string[] {
  const names = [...tags, ...digests].filter((name) => !name.includes('<none>'));
  return names.length === 0 ? [id] : names;
}

async function isUsed(client: DockerClient, imageId: string, signal: AbortSignal): Promise<boolean> {
  const call = { method: 'GET', path: '/containers/json', query: { all: '1' } } as const;
  const containers = (await client.call(call, unaryTimeoutMs, signal)) as readonly { readonly ImageID: string }[];
  return containers.some(({ ImageID }) => ImageID === imageId);
}

async function removeName(client: DockerClient, name: string): Promise<'removed' | 'absent' | 'in_use'> {
  try {
    await client.call({ method: 'DELETE', path: `/images/${name}` }, deleteTimeoutMs, never);
    return 'removed';
  } catch (error) {
    switch (refusalStatus(error)) {
      case 404:
        return 'absent';
      case 409:
        return 'in_use';
      default:
        throw error;
    }
  }
}

async function tagAgain(client: DockerClient, imageId: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    if (parseReference(name).digest === undefined) await addImageName(client, imageId, name, never);
  }
}

/**
 * @throws Failure `not_found` when there is no `source`; `runtime` when `target` carries a digest, since dockerd gives digest names
 * only to what it pulled.
 */
export async function addImageName(
  client: DockerClient,
  source: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const { digest, tag = 'latest', ...rest } = parseReference(target);
  if (digest !== undefined) throw new Failure('runtime', `docker cannot add a digest name: ${target}`);
  const query = { repo: repositoryName({ ...rest, digest, tag }), tag };
  try {
    await client.call({ method: 'POST', path: `/images/${source}/tag`, query }, unaryTimeoutMs, signal);
  } catch (error) {
    if (refusalStatus(error) === 404) throw new Failure('not_found', `docker has no image ${source}`, { cause: error });
    throw error;
  }
}
