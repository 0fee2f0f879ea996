/** Which images a container that the CRI does not know may have been made from: containerd records a name, which may have moved since. */

import { toImageId } from '../cri/cri-calls.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { type ContainerRecord, snapshots } from './containerd-protocol.ts';
import type { ImageIdentities } from './image-list.ts';

export interface ContainerImages {
  /** Image ids by container id. */
  find(
    containers: readonly ContainerRecord[],
    identities: ImageIdentities,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly string[]>>;
}

/** A container's own layer, of a container that may be made anew under the same id. */
interface KnownParent {
  readonly key: string;
  readonly parent: string;
}

export function createContainerImages(client: GrpcClient): ContainerImages {
  /** A snapshot's parent never changes: listed again only when there is a container that is new. */
  let known: ReadonlyMap<string, KnownParent> = new Map();

  async function readParents(containers: readonly ContainerRecord[], signal: AbortSignal): Promise<void> {
    const isKnown = (container: ContainerRecord): boolean => known.get(container.id)?.key === toKey(container);
    const found = new Map(containers.filter(isKnown).map(({ id }) => [id, known.get(id) ?? { key: '', parent: '' }]));
    const fresh = containers.filter((container) => !isKnown(container) && container.snapshot_key !== '');
    for (const snapshotter of new Set(fresh.map((container) => container.snapshotter))) {
      const parents = await listParents(client, snapshotter, signal);
      for (const container of fresh) {
        if (container.snapshotter !== snapshotter) continue;
        const parent = parents.get(container.snapshot_key);
        if (parent !== undefined) found.set(container.id, { key: toKey(container), parent });
      }
    }
    known = found;
  }

  return {
    async find(containers, { byName, byTopChainId }, signal) {
      await readParents(containers, signal);
      return new Map(
        containers.map(({ id, image }) => {
          const named = toImageId(image) ?? byName.get(image);
          const below = byTopChainId.get(toChainId(known.get(id)?.parent ?? '')) ?? [];
          return [id, [...new Set(named === undefined ? below : [named, ...below])]];
        }),
      );
    },
  };
}

function toKey({ created_at, snapshotter, snapshot_key }: ContainerRecord): string {
  return JSON.stringify([snapshotter, snapshot_key, created_at?.seconds, created_at?.nanos]);
}

/** With user namespaces a copy of the image's top layer, with shifted owners and named after it, lies between (containerd 1.6 to 2.1). */
function toChainId(snapshot: string): string {
  return /^sha256:[0-9a-f]{64}/.exec(snapshot)?.[0] ?? snapshot;
}

/** Of the snapshots that containers write to, or view. */
async function listParents(
  client: GrpcClient,
  snapshotter: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const parents = new Map<string, string>();
  const request = { snapshotter, filters: ['kind==active', 'kind==view'] };
  for await (const { info } of client.stream(snapshots.list, request, signal))
    for (const { name, parent } of info) parents.set(name, parent);
  return parents;
}
