/** What may happen to an image behind the agent's back. */

import { toChainIds } from '../../agent/core/layers.ts';
import type { Node, TrackedImage } from './node.ts';

export async function removeImage({ daemon }: Node, { reference, repository }: TrackedImage): Promise<void> {
  if ('docker' in daemon) {
    await daemon.docker('rmi', '--force', reference).catch(() => undefined);
    return;
  }
  const names = (await daemon.ctr('images', 'ls', '-q')).split('\n');
  const own = names.filter((name) => name.includes(`/${repository}:`) || name.includes(`/${repository}@`));
  if (own.length > 0) await daemon.ctr('images', 'rm', '--sync', ...own);
}

export async function damage(
  { daemon }: Node,
  image: TrackedImage,
  part: 'manifest' | 'config' | 'layer' | 'snapshot',
) {
  if ('docker' in daemon) return;
  const built = image.built.get(image.digest);
  if (built === undefined) return;
  const layer = built.layers.at(-1)?.digest ?? '';
  const digests = { manifest: built.manifestDigest, config: built.configDigest, layer };
  if (part !== 'snapshot') await daemon.ctr('content', 'rm', digests[part]);
  else await daemon.ctr('snapshots', 'rm', toChainIds(built.layers.map(({ diffId }) => diffId)).at(-1) ?? '');
}

export async function runContainer({ daemon }: Node, { reference, repository }: TrackedImage): Promise<void> {
  const id = repository.replace('/', '-');
  await daemon.removeContainer(id).catch(() => undefined);
  await daemon.run(reference, { id });
}
