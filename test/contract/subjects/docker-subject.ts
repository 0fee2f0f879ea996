import type { Runtime } from '../../../agent/runtime/runtime.ts';
import { startDockerd } from '../../harness/dockerd.ts';
import type { Dockerd } from '../../harness/dockerd.ts';
import { buildLayer, busyboxImage } from '../../harness/images.ts';
import { soon } from '../helpers.ts';
import type { Expectations, MadeLeftover, Subject } from '../subject.ts';
import { missingBinaries } from './binaries.ts';
import { startRegistries } from './real-registries.ts';

/** Another version's binaries: dockerd, docker, containerd, its shims, runc. */
const bin = process.env['STEVEDORE_TEST_DOCKERD_BIN'];

export const dockerMissing = missingBinaries(['dockerd', 'docker', 'containerd', 'runc', 'docker-registry'], bin);

const expected: Expectations = {
  kind: 'docker',
  capabilities: { events: true, progress: true, resume: false, pin: false, alias: true, exactSizes: false },
  layers: { chainIds: true, blobs: false },
  seesDamage: false,
  tellsRemovedNames: false,
  removalInUse: 'in_use',
  parts: { stores: ['layer'], whole: false },
  tellsStart: true,
  undoesBegun: true,
};

/** What cri-dockerd runs by default. */
const sandboxImage = 'registry.k8s.io/pause:3.9';

/** A real dockerd. By default it would try a failed download five times, with pauses of up to twenty seconds. */
export async function makeDockerSubject(connect: (endpoint: string) => Runtime | Promise<Runtime>): Promise<Subject> {
  const args = ['--max-download-attempts=1'];
  const [dockerd, registries] = await Promise.all([
    startDockerd(bin === undefined ? { args } : { args, bin }),
    startRegistries(),
  ]);
  const runtime = await connect(dockerd.endpoint);
  await dockerd.load(busyboxImage([buildLayer({ seed: sandboxImage, sizeBytes: 1_000 })]), sandboxImage);
  const { imageStore } = await runtime.info(soon());
  return {
    runtime,
    expected: { ...expected, containerdImageStore: imageStore === 'containerd' },
    registry: registries.registry,
    privateRegistry: registries.privateRegistry,
    containers: toContainers(dockerd),
    tag: async (reference, name) => {
      await dockerd.docker('tag', reference, name);
    },
    untag: async (name) => {
      await dockerd.docker('rmi', name);
    },
    pinByOther: undefined,
    sandboxImage,
    makeLeftovers: () => makeLeftovers(dockerd),
    settleMs: 300,
    leftovers: async () => ({ leases: [], ingests: [] }),
    damage: undefined,
    stopRuntime: () => dockerd.stop(),
    startRuntime: () => dockerd.start(),
    close: async () => {
      runtime.close();
      await Promise.all([dockerd.remove(), registries.remove()]);
    },
  };
}

async function makeLeftovers(dockerd: Dockerd): Promise<MadeLeftover[]> {
  const container = await dockerd.run(sandboxImage, { command: ['/bin/true'] });
  await dockerd.docker('wait', container);
  await dockerd.docker('network', 'create', 'contract-network');
  return [
    { kind: 'stopped_container', name: container },
    { kind: 'network', name: 'contract-network' },
    { kind: 'volume', name: await dockerd.docker('volume', 'create') },
  ];
}

function toContainers(dockerd: Dockerd): Subject['containers'] {
  return {
    create: (reference) => dockerd.docker('create', '--pull', 'never', '--network', 'none', reference),
    run: (reference) => dockerd.run(reference),
    stop: (id) => dockerd.stopContainer(id),
    remove: (id) => dockerd.removeContainer(id),
  };
}
