import { Failure } from '../../core/failure.ts';
import { parseReference, repositoryName } from '../../core/image-reference.ts';
import { type DockerClient, refusalStatus } from './docker-client.ts';
import { inspectImage, unaryTimeoutMs } from './image-inspection.ts';

/** Deleting the last name deletes the layers before dockerd answers: seconds for an image of 20 GB on a slow disk. */
const deleteTimeoutMs = 300_000;

export type NameRemoval =
  /** `deleted`: ids of the image and chain ids of its layers that are gone from the disk; none where only the name went. */
  { readonly kind: 'removed'; readonly deleted: readonly string[] } | { readonly kind: 'absent' | 'in_use' };

/** Without `force`: dockerd refuses the last name of an image that a container uses. The last name takes the image along. */
export async function removeName(client: DockerClient, name: string, signal: AbortSignal): Promise<NameRemoval> {
  try {
    const answer = await client.call({ method: 'DELETE', path: `/images/${name}` }, deleteTimeoutMs, signal);
    const records = (answer ?? []) as readonly { readonly Deleted?: string }[];
    return { kind: 'removed', deleted: records.flatMap(({ Deleted }) => Deleted ?? []) };
  } catch (error) {
    switch (refusalStatus(error)) {
      case 404:
        return { kind: 'absent' };
      case 409:
        return { kind: 'in_use' };
      default:
        throw error;
    }
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

/** Gives the image those of the tags that name nothing now; one that names another image by now is left alone. @returns what was added */
export async function addFreeTags(
  client: DockerClient,
  imageId: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const added: string[] = [];
  for (const name of names) {
    if (name.includes('@') || (await inspectImage(client, name, signal)) !== undefined) continue;
    await addImageName(client, imageId, name, signal);
    added.push(name);
  }
  return added;
}
