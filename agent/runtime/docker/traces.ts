import type { ImageInfo } from 'dockerode';

import { Failure } from '../../core/failure.ts';
import type { DockerClient } from './docker-client.ts';
import { removeName } from './image-names.ts';
import { isGuardName } from './removal-guard.ts';

/**
 * Takes the guards from images whose removal was cut off and could not be undone. Where it is the only name left, the image goes with it, as it was
 * about to; unless a container uses it.
 * @returns how many there were
 * @throws Failure `runtime`, once all were tried
 */
export async function removeGuards(
  client: DockerClient,
  images: readonly ImageInfo[],
  signal: AbortSignal,
): Promise<number> {
  const guards = images.flatMap(({ RepoTags }) => (RepoTags ?? []).filter(isGuardName));
  const held: string[] = [];
  for (const guard of guards) if ((await removeName(client, guard, signal)).kind === 'in_use') held.push(guard);
  if (held.length > 0) {
    throw new Failure('runtime', `a container uses the image, which has no other name: ${held.join(', ')}`);
  }
  return guards.length;
}
