/** The images that pod sandboxes are made from: containerd removes them like any other. */

import { readSandboxImageName } from '../cri/sandbox-image.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { createContainerImages } from './container-images.ts';
import { listContainers } from './containerd-protocol.ts';
import type { ImageStore } from './store.ts';

/** Set by the CRI plugin on every sandbox's container (containerd 1.6 to 2.x). */
const sandboxFilter = 'labels."io.cri-containerd.kind"==sandbox';

export interface SandboxImages {
  /**
   * Ids: what the CRI plugin says that it takes for the next sandbox (1.6, 1.7), what it pinned itself (1.7 and later; there is nothing else
   * that it pins), and what the present sandboxes stand on.
   */
  find(signal: AbortSignal): Promise<ReadonlySet<string>>;
}

export function createSandboxImages(client: GrpcClient, store: Pick<ImageStore, 'listIdentities'>): SandboxImages {
  const images = createContainerImages(client);
  return {
    async find(signal) {
      const [name, { containers }, identities] = await Promise.all([
        readSandboxImageName(client, signal),
        client.unary(listContainers, { filters: [sandboxFilter] }, signal),
        store.listIdentities(signal),
      ]);
      const named = identities.byName.get(name ?? '');
      const stoodOn = [...(await images.find(containers, identities, signal)).values()].flat();
      return new Set([...(named === undefined ? [] : [named]), ...identities.pinnedByCri, ...stoodOn]);
    },
  };
}
